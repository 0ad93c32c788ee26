"""predict: labels with probabilities, numbers, entities or answers, for texts from a list, a file or standard input."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from munmaek.core.errors import RequestError
from munmaek.core.files import no_room, sync
from munmaek.data import choices, usages
from munmaek.run import tuned
from munmaek.run.model import Model
from munmaek.run.rows import asked
from munmaek.run.tuned import Tuned

CHUNK_ROWS = 8_192
FORMS = ("tsv", "jsonl")


@dataclass(frozen=True)
class FoundEntity:
    """A named entity: the characters [start, end) of the text, what they are, and their type."""

    start: int
    end: int
    text: str
    type: str


@dataclass(frozen=True)
class FoundAnswer:
    """A question's answer: the characters [start, end) of the paragraph, what they are, and how sure, 0 to 1.

    (0, 0, "") says that the paragraph does not answer it.
    """

    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True)
class Prediction:
    """What a model says of one text, or of a pair.

    Attributes:
        text, pair: what was read; `pair` is None for one text. alternatives: of a choice, instead of `pair`.
        label: the likeliest class; None for a regression. probability: its probability, 0 to 1.
        probabilities: class -> probability, adding up to 1. value: the number of a regression.
        entities: of a model that tags, in the order of the text; None for any other.
        answer: of a model that finds answers, whose `text` is the question and `pair` the paragraph; else None.
    """

    text: str
    pair: str | None = None
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    value: float | None = None
    alternatives: list[str] | None = None
    entities: list[FoundEntity] | None = None
    answer: FoundAnswer | None = None


@dataclass(frozen=True)
class Predicted:
    """Where predictions went, and how many there are; `notes` say what was skipped."""

    path: Path | None
    num_rows: int
    notes: list[str]


def predict(
    model: str | Path | Model | Tuned | Sequence[str | Path],
    texts: str | Sequence[str],
    pairs: str | Sequence[str] | Sequence[Sequence[str]] | None = None,
) -> list[Prediction]:
    """Predictions for one text or several, in their order.

    Args:
        model: a fine-tuned folder, or a loaded one; or several folders, whose answers are averaged.
        pairs: the second text of each, for a model that reads two; its alternatives, for one that chooses. Of one that
            compares two usages of a word, the word stands in [square brackets] in both.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    if pairs is not None:
        pairs = [pairs] if isinstance(pairs, str) else pairs
        pairs = [pair if isinstance(pair, str) else choices.join(pair) for pair in pairs]
    if pairs is not None and len(pairs) != len(texts):
        raise RequestError(f"{len(texts)} texts and {len(pairs)} second texts", fix="Give one second text for each.")
    fine = model if isinstance(model, Tuned) else tuned.read(model)
    return list(stream(fine, texts if pairs is None else zip(texts, pairs, strict=True)))


def stream(fine: Tuned, rows: Iterable[str | tuple[str, str]]) -> Iterator[Prediction]:
    """Predictions for texts, or for pairs of texts, of any number, in bounded memory and in their order."""
    rows = iter(rows)
    while chunk := list(itertools.islice(rows, CHUNK_ROWS)):
        single = [row for row in chunk if isinstance(row, str)]
        double = [row for row in chunk if not isinstance(row, str)]
        if single and double:
            raise RequestError("some rows have two texts and some have one", fix="Give two in every row, or one.")
        texts, pairs = single or [row[0] for row in double], [row[1] for row in double] or None
        yield from _of_chunk(fine, texts, pairs)


def _of_chunk(fine: Tuned, texts: list[str], pairs: list[str] | None) -> Iterator[Prediction]:
    found = fine.answer(texts, pairs)
    classes = fine.answers.classes
    if fine.task.per_token is not None:
        if fine.task.per_token.windows:
            for text, pair, row in zip(texts, pairs or [], found, strict=True):
                yield Prediction(text, pair, answer=FoundAnswer(*row))
            return
        for text, row in zip(texts, found, strict=True):
            yield Prediction(text, entities=[FoundEntity(a, b, text[a:b], kind) for a, b, kind in row])
        return
    if fine.task.marked:
        texts, pairs = [usages.show(text) for text in texts], [usages.show(pair) for pair in pairs or []]
    for place, text in enumerate(texts):
        pair = pairs[place] if pairs else None
        alternatives = choices.split(pair) if pair is not None and fine.task.chooses else None
        pair = None if alternatives else pair
        if not classes:
            yield Prediction(text, pair, value=float(found[place]))
            continue
        probabilities = dict(zip(classes, found[place].tolist(), strict=True))
        label = classes[int(found[place].argmax())]
        yield Prediction(text, pair, label, probabilities[label], probabilities, alternatives=alternatives)


def predict_file(
    model: str | Path | Model | Tuned,
    data: str | Path,
    out: str | Path | None = None,
    *,
    form: str | None = None,
    text_column: str | None = None,
    pair_column: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Predicted:
    """Predict every row of a table, every line of a text file or every question, to `out` or to standard output.

    Args:
        out: .tsv or .jsonl, written whole or not at all; None is standard output.
        form: "tsv" or "jsonl"; None takes it from `out`'s name, and is tsv on standard output.
        progress: called with the number of rows done since the last call.
    Raises:
        RequestError, DataError: the table or the model cannot be used. JobError: no room for `out`.
    """
    form = choose_form(form, out)
    fine = model if isinstance(model, Tuned) else tuned.read(model)
    skipped: dict[str, int] = {}

    def predictions() -> Iterator[Prediction]:
        for chunk in asked(fine.task, data, text_column, pair_column, CHUNK_ROWS):
            for reason, count in chunk.skipped.items():
                skipped[reason] = skipped.get(reason, 0) + count
            yield from _of_chunk(fine, chunk.texts, chunk.pairs) if chunk.texts else ()
            if progress is not None:
                progress(len(chunk))

    count = write(predictions(), fine, out, form)
    notes = [f"{Path(data).name}: {number:,} rows skipped: {reason}" for reason, number in skipped.items()]
    return Predicted(None if out is None else Path(out), count, notes)


def choose_form(form: str | None, out: str | Path | None) -> str:
    """ "tsv" or "jsonl", as asked or by the name of the file; RequestError for anything else."""
    suffix = Path(out).suffix.lower().removeprefix(".") if out is not None else "tsv"
    chosen = form or {"ndjson": "jsonl", "txt": "tsv"}.get(suffix, suffix)
    if chosen not in FORMS:
        where = f"--out {out}" if form is None else f"--format {form}"
        raise RequestError(f"predictions are not written as {chosen!r}", where=where, fix="Use .tsv or .jsonl.")
    return chosen


def write(predictions: Iterable[Prediction], fine: Tuned, out: str | Path | None, form: str) -> int:
    """Write predictions to a file (whole or not at all) or to standard output as they come; returns how many."""
    if out is None:
        return _write_lines(predictions, fine, sys.stdout, form)
    path = Path(out)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            count = _write_lines(predictions, fine, file, form)
        sync(temporary)
        temporary.replace(path)
    except OSError as error:
        raise no_room(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return count


def _write_lines(predictions: Iterable[Prediction], fine: Tuned, file: TextIO, form: str) -> int:
    count = 0
    classes = fine.answers.classes
    if form == "tsv":
        second = ["alternatives" if fine.task.chooses else "pair"] if fine.task.pairs else []
        answer = ["label", "probability", *(f"p({_flat(name)})" for name in classes)] if classes else ["value"]
        if fine.task.per_token is not None:
            answer = ["answer", "characters", "score"] if fine.task.per_token.windows else ["entities"]
        print("\t".join(["text", *second, *answer]), file=file)
    for prediction in predictions:
        count += 1
        print(_as_json(prediction) if form == "jsonl" else _as_tsv(prediction, bool(fine.task.pairs)), file=file)
    return count


def _as_json(prediction: Prediction) -> str:
    fields = {name: value for name, value in vars(prediction).items() if value is not None}
    if prediction.entities is not None:
        fields["entities"] = [vars(entity) for entity in prediction.entities]
    if prediction.answer is not None:
        fields["answer"] = vars(prediction.answer) | {"score": round(prediction.answer.score, 6)}
    if prediction.probabilities is not None:
        fields["probability"] = round(fields["probability"], 6)
        fields["probabilities"] = {name: round(value, 6) for name, value in prediction.probabilities.items()}
    return json.dumps(fields, ensure_ascii=False)


def _as_tsv(prediction: Prediction, pairs: bool) -> str:
    cells = [_flat(prediction.text)]
    if pairs:
        cells.append(_flat(" | ".join(prediction.alternatives) if prediction.alternatives else prediction.pair or ""))
    if prediction.entities is not None:
        return "\t".join([*cells, _flat(listed(prediction.entities))])
    if prediction.answer is not None:
        found = prediction.answer
        return "\t".join([*cells, _flat(found.text), f"{found.start}-{found.end}", f"{found.score:.6f}"])
    if prediction.probabilities is None:
        return "\t".join([*cells, f"{prediction.value:.6g}"])
    numbers = [prediction.probability or 0.0, *prediction.probabilities.values()]
    return "\t".join([*cells, _flat(prediction.label or ""), *(f"{value:.6f}" for value in numbers)])


def listed(entities: Sequence[FoundEntity]) -> str:
    """Entities in one line: "0-2 PS 싸이, 4-7 DT 17일"."""
    return ", ".join(f"{each.start}-{each.end} {each.type} {each.text}" for each in entities)


def _flat(text: str) -> str:
    """A text as one cell: tabs and line ends become spaces, lone surrogates U+FFFD."""
    flat = text.replace("\t", " ").replace("\r", " ").replace("\n", " ")
    return flat.encode("utf-8", "replace").decode("utf-8")
