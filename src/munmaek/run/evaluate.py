"""evaluate: how good a fine-tuned model is on labelled texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import DataError
from munmaek.data.tables import Table
from munmaek.run import rows, tuned
from munmaek.run.model import Model
from munmaek.run.readings import lost
from munmaek.tasks import scores
from munmaek.tasks.examples import from_table

MOST_CONFUSED = 50
"""Up to so many classes the confusion counts are given."""


@dataclass(frozen=True)
class Evaluation:
    """Scores on a labelled file.

    Attributes:
        task, metric: what the model does, and the metric that decides.
        scores: metric -> value. num_rows: rows scored, those with an empty text included.
        classes: names in order; of tags the types of entities, of questions whether they have an answer.
        class_f1: class -> F1, for classes that occur.
        confusion: counts, a row a true class, a column a predicted one; None for numbers, tokens, over fifty classes.
        seconds: reading included. notes: what was left out or is odd.
    """

    task: str
    metric: str
    scores: dict[str, float]
    num_rows: int
    classes: list[str]
    class_f1: dict[str, float]
    confusion: NDArray[np.int64] | None
    seconds: float
    notes: list[str] = field(default_factory=list)


def evaluate(
    model: str | Path | Model | Sequence[str | Path],
    data: str | Path,
    *,
    text_column: str | None = None,
    pair_column: str | None = None,
    label_column: str | None = None,
    device: str = "auto",
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Score a fine-tuned model on a table, in bounded memory; rows with an empty text are scored, too.

    Args:
        model: a fine-tuned folder, or a loaded one; or several folders, whose answers are averaged.
        data: a table; columns are guessed where not given.
        progress: called with the number of rows read since the last call.
    Raises:
        RequestError, DataError: the table or the model cannot be used. CheckpointError: the model is damaged.
    """
    began = time.monotonic()
    fine = tuned.read(model, device)
    task, found, wanted, counts = fine.task, list[NDArray[Any]](), list[NDArray[Any]](), _Counts()
    for chunk in rows.chunks(task, data, (text_column, pair_column, label_column)):
        labels = chunk.labels or []
        known = [row for row, label in enumerate(labels) if label is not None]
        counts.add(chunk, len(known))
        if known:
            pairs = None if chunk.pairs is None else [chunk.pairs[row] for row in known]
            wanted.append(task.targets(fine.answers, [labels[row] or "" for row in known], str(data)))
            found.append(fine.answer([chunk.texts[row] for row in known], pairs))
        if known and task.per_token is not None:
            part = from_table(chunk, training=False)
            counts.other += lost(task, fine.read(part.texts, part.pairs), part)
        if progress is not None:
            progress(len(chunk))
    if not found:
        raise DataError("no row has a label", where=str(data), fix="Check --label-column.")
    answers, targets = np.concatenate(found), np.concatenate(wanted)
    classes = list(fine.answers.classes)
    notes = counts.notes(Path(data).name)
    f1: dict[str, float] = {}
    confusion = None
    if task.per_token is not None:
        f1 = task.per_token.by_class(fine.answers, answers, targets)
        classes = list(f1)
    elif classes:
        predicted = answers.argmax(axis=1)
        f1 = {classes[place]: value for place, value in scores.class_f1(predicted, targets).items() if place >= 0}
        confusion = scores.confusion(predicted, targets, len(classes)) if len(classes) <= MOST_CONFUSED else None
        unseen = int(np.sum(targets < 0))
        if unseen:
            notes.append(f"{unseen:,} rows have a class that the model never saw; they count as wrong")
    return Evaluation(
        task.name, task.best, task.scores(fine.answers, answers, targets), len(targets), classes, f1, confusion,
        time.monotonic() - began, notes,
    )  # fmt: skip


@dataclass
class _Counts:
    """What was odd about the rows of a table, chunk by chunk."""

    unlabelled: int = 0
    empty: int = 0
    repaired: int = 0
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    other: list[str] = field(default_factory=list[str])

    def add(self, chunk: Table, num_labelled: int) -> None:
        self.unlabelled += len(chunk) - num_labelled
        self.empty += sum(not text.strip() for text in chunk.texts)
        self.repaired += chunk.repaired
        self.other += chunk.notes
        for reason, count in chunk.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count

    def notes(self, name: str) -> list[str]:
        told = [f"{name}: {count:,} rows skipped: {reason}" for reason, count in self.skipped.items()]
        if self.unlabelled:
            told.append(f"{name}: {self.unlabelled:,} rows have no label and are not scored")
        if self.empty:
            told.append(f"{name}: {self.empty:,} rows have an empty text; they are scored like any other")
        if self.repaired:
            told.append(f"{name}: {self.repaired:,} rows have bytes that are not text; replaced by U+FFFD")
        return [*told, *self.other]
