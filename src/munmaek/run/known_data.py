"""Data sets that `compare` knows by name: where their text and their labelled rows are."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from munmaek.core.errors import RequestError
from munmaek.core.files import write_atomic
from munmaek.data import homographs
from munmaek.data.datasets import find, find_file

BUILT_IN = "built-in"
NAMES = ("nsmc", "klue-ner", BUILT_IN)
NUM_TRAIN, NUM_TEST = 4_000, 1_000
NSMC = {"corpus": "reviews.txt", "train": "ratings_train.txt", "test": "ratings_test.txt"}
KLUE_NER = {
    "train": ("klue-ner-v1.1_train.tsv", "train.tsv"),
    "test": ("klue-ner-v1.1_dev.tsv", "dev.tsv"),
}
"""As published, or shorter names for a part of it; its real test set is not public."""


@dataclass(frozen=True)
class KnownData:
    """Text to pre-train on (None: the user's own must be given), rows to learn from and to score on, and their task."""

    corpus: Any
    train: Path
    test: Path
    task: str = "classify"


def known_data(name: str, out: Path, seed: int = 0) -> KnownData:
    """A data set by its name; the built-in corpus's labelled rows (which topic?) are written into `out`.

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
    folder = find(name)
    if name == "klue-ner":
        return _klue_ner(folder)
    found = {role: find_file(folder, path) for role, path in NSMC.items()}
    absent = [NSMC[role] for role, path in found.items() if path is None]
    if absent:
        fix = f"Give --corpus and --train, or fill it with: munmaek fetch {name}"
        raise RequestError(f"{absent[0]} is not there", where=str(folder), fix=fix)
    return KnownData(found["corpus"], found["train"] or folder, found["test"] or folder)


def _klue_ner(folder: Path) -> KnownData:
    found: list[Path] = []
    for names in KLUE_NER.values():
        there = next((path for path in (find_file(folder, name) for name in names) if path is not None), None)
        if there is None:
            raise RequestError(
                f"{names[0]} is not there", where=str(folder), fix="Fill it with: munmaek fetch klue-ner"
            )
        found.append(there)
    return KnownData(None, found[0], found[1], "tag")


def _table(rows: list[tuple[str, str]]) -> str:
    text = StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(("text", "label"))
    writer.writerows(rows)
    return text.getvalue()
