"""Data sets that `compare` knows by name: where their text and labelled rows are, and what is learnt from them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

from munmaek.core.errors import RequestError
from munmaek.core.files import write_atomic
from munmaek.data import homographs
from munmaek.data.corpus import TextCorpus
from munmaek.data.datasets import find, find_file
from munmaek.data.korean import split_sentences
from munmaek.data.tables import read_table
from munmaek.run.rows import NO_COLUMNS, Named

BUILT_IN = "built-in"
NUM_TRAIN, NUM_TEST = 4_000, 1_000
GENERAL_REVIEWS = 100_000
"""Reviews in the general text; paragraphs, sentences and dialogue are there whole."""


@dataclass(frozen=True)
class KnownData:
    """Text to pre-train on, rows to learn from and to score on, and what they ask."""

    corpus: Any
    train: Path
    test: Path | None
    task: str = "classify"
    columns: Named = NO_COLUMNS


@dataclass(frozen=True)
class _Source:
    """Labelled rows in a data set's folder; a role has several names where copies of the data are named differently."""

    dataset: str
    train: Sequence[str]
    test: Sequence[str]
    task: str
    columns: Named = NO_COLUMNS


_NER = "klue-ner-v1.1"
_NLI = "klue-nli-v1.1"
_SOURCES = {
    "nsmc": _Source("nsmc", ["ratings_train.txt"], ["ratings_test.txt"], "classify"),
    "sentineg": _Source("kobest", ["SentiNeg/train.tsv"], ["SentiNeg/dev.tsv"], "classify"),
    "boolq": _Source("kobest", ["BoolQ/train.tsv"], ["BoolQ/dev.tsv"], "pair", ("Question", "Text", "Answer")),
    "copa": _Source("kobest", ["COPA/train.tsv"], ["COPA/dev.tsv"], "choice"),
    "korsts": _Source("korsts", ["sts-train.tsv"], ["sts-dev.tsv"], "regress"),
    "klue-nli": _Source("klue-nli", ["train.jsonl", f"{_NLI}_train.json"], ["dev.jsonl", f"{_NLI}_dev.json"], "pair",
                        ("premise", "hypothesis", "gold_label")),
    "wic": _Source("kobest", ["WiC/train.tsv"], ["WiC/dev.tsv"], "wic"),
    "klue-ner": _Source("klue-ner", ["train.tsv", f"{_NER}_train.tsv"], ["dev.tsv", f"{_NER}_dev.tsv"], "tag"),
}  # fmt: skip
NAMES = (BUILT_IN, *_SOURCES)


def known_data(name: str, out: Path, seed: int = 0, *, text: bool = True) -> KnownData:
    """A data set by its name.

    The built-in corpus's labelled rows (which topic?) are written into `out`, and so is the general text that those
    without plenty of text of their own are read beside: paragraphs, sentences, dialogue, and reviews.

    Args:
        text: whether anything will be pre-trained; else no other text than the built-in corpus is looked for.
    Raises:
        RequestError: no such name, or its files are not in the data folder.
    """
    if name == BUILT_IN:
        train, test = (out / f"topic-{part}.tsv" for part in ("train", "held_out"))
        for path, part, count in ((train, "train", NUM_TRAIN), (test, "held_out", NUM_TEST)):
            write_atomic(path, _table(homographs.labelled("topic", seed=seed, count=count, part=part)))
        return KnownData(homographs.HomographCorpus(seed), train, test)
    if name not in NAMES:
        fix = f"Known: {', '.join(NAMES)}; or give --corpus and --train of your own."
        raise RequestError(f"no data set {name!r} to compare on", where="--data", fix=fix)
    source = _SOURCES[name]
    train, test = (_file(source.dataset, names) for names in (source.train, source.test))
    if not text:
        return KnownData(None, train, test, source.task, source.columns)
    corpus = _file("nsmc", ["reviews.txt"]) if name == "nsmc" else general_text(out / "general.txt")
    return KnownData(corpus, train, test, source.task, source.columns)


def _file(dataset: str, names: Sequence[str]) -> Path:
    folder = find(dataset)
    for name in names:
        if (path := find_file(folder, name)) is not None:
            return path
    fix = f"Give --corpus and --train, or fill it with: munmaek fetch {dataset}"
    raise RequestError(f"{names[0]} is not there", where=str(folder), fix=fix)


def general_text(path: Path) -> Path:
    """Write Korean text of several kinds, training parts only: a sentence a line, a blank line after a document."""
    if not path.is_file():
        documents = (*_paragraphs(), *_sentences(), *_dialogue(), *_reviews())
        write_atomic(path, "\n".join("\n".join(document) + "\n" for document in documents))
    return path


def _paragraphs() -> Iterator[list[str]]:
    texts: list[str] = read_table(_file("kobest", ["BoolQ/train.tsv"]), text_column="Text").texts
    return (split_sentences(text) for text in dict.fromkeys(texts))


def _sentences() -> Iterator[list[str]]:
    table = read_table(_file("korsts", ["sts-train.tsv"]), pairs=True)
    texts: list[str] = [*table.texts, *(table.pairs or [])]
    return ([text] for text in dict.fromkeys(texts))


def _dialogue() -> Iterator[list[str]]:
    table = read_table(_file("chatbot", ["ChatbotData.csv"]), text_column="Q", pair_column="A", pairs=True)
    return ([question, answer] for question, answer in zip(table.texts, table.pairs or [], strict=True))


def _reviews() -> Iterable[list[str]]:
    return islice(TextCorpus([_file("nsmc", ["reviews.txt"])]), GENERAL_REVIEWS)


def _table(rows: list[tuple[str, str]]) -> str:
    text = StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(("text", "label"))
    writer.writerows(rows)
    return text.getvalue()
