"""The runs of a comparison: each is done once, and is in the book with what every test row got."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from munmaek.core import files
from munmaek.core.cost import Cost
from munmaek.run.arms import Arm, Question
from munmaek.run.book import Book
from munmaek.run.comparison import Row
from munmaek.run.folder import versions
from munmaek.tasks.bootstrap import Sample
from munmaek.tasks.examples import Examples
from munmaek.train.trainer import Event

ANSWERS = "answers"
VERSION = 1
"""Part of what a run depends on: to be raised where the same settings come to mean another training."""


class Runs:
    """The finished runs of one question, and those still to be done.

    Args:
        out: the comparison's folder. book: name of the file of rows in it. question: what every arm is asked.
        progress, row: told of the events of a training, and of each finished run with the name of its metric.
        beside: how many runs the machine does at a time; each is said to take its part of the energy.
    """

    def __init__(
        self, out: Path, book: str, question: Question, progress: Callable[[Event], None] | None,
        row: Callable[[Row, str], None], beside: int = 1,
    ) -> None:  # fmt: skip
        self.out, self.book, self.question = out, Book(out / book), question
        self._progress, self._tell, self._beside = progress, row, beside
        self._read = {"train": digest(question.train), "test": digest(question.test)}

    def identity(self, arm: Arm, weights: str, labels: int | None) -> dict[str, Any]:
        """What a run depends on: the rows, the task, the first weights and how they are trained."""
        asked = {"task": self.question.task.name, "settings": arm.settings(labels), "version": VERSION}
        return {"weights": weights, **self._read, **asked}

    def known(self, name: str, arm: Arm, weights: str, labels: int | None, seed: int) -> Row | None:
        """A run of the book, and that is told; None where it is still to be done."""
        return self._in_book(_key(name, labels, seed, self.identity(arm, weights, labels)))

    def row(self, name: str, arm: Arm, weights: str, labels: int | None, seed: int) -> Row:
        """A run, from the book or done now; what each test row got is on the disk before the run is in the book."""
        identity = self.identity(arm, weights, labels)
        key = _key(name, labels, seed, identity)
        known = self._in_book(key)
        if known is not None:
            return known
        with Cost() as cost:
            found = arm.run(labels, seed, self._progress)
        path = Path(ANSWERS) / f"{key}.npy"
        files.write_atomic(self.out / path, _npy(found.evidence))
        joules = None if cost.joules is None else cost.joules / self._beside
        row = Row(name, labels, labels or len(self.question.train), seed, found.scores, cost.seconds,
                  cost.peak_memory, path.as_posix(), versions(), found.shares, joules)  # fmt: skip
        self.book.add({"key": key, "row": asdict(row), "identity": identity})
        self._tell(row, self.question.task.best)
        return row

    def _in_book(self, key: str) -> Row | None:
        for line in self.book.lines("key", "row"):
            if line["key"] == key and (self.out / line["row"]["answers"]).is_file():
                row = Row(**line["row"])
                self._tell(row, self.question.task.best)
                return row
        return None

    def samples(self, rows: list[Row]) -> Mapping[tuple[str, int | None], Sample]:
        """What the seeds of each arm got at each number of labels, by (arm, labels)."""
        evidence: dict[tuple[str, int | None], list[Any]] = {}
        for row in rows:
            evidence.setdefault((row.arm, row.labels), []).append(np.load(self.out / row.answers))
        return {key: Sample(parts, self.question.task.figure) for key, parts in evidence.items()}


def digest(examples: Examples) -> str:
    """The SHA-256 of some rows' texts and labels."""
    found = hashlib.sha256()
    for row in zip(examples.texts, examples.pairs or [""] * len(examples), examples.labels, strict=True):
        found.update(json.dumps(row, ensure_ascii=False).encode())
    return found.hexdigest()


def _key(name: str, labels: int | None, seed: int, identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([name, labels, seed, identity], sort_keys=True).encode()).hexdigest()[:16]


def _npy(evidence: Any) -> bytes:
    """Evidence as a .npy file, in bytes where it is counts below 256, else in float32."""
    small = np.all((evidence == np.floor(evidence)) & (evidence >= 0) & (evidence < 256))
    stream = BytesIO()
    np.save(stream, evidence.astype(np.uint8 if small else np.float32), allow_pickle=False)
    return stream.getvalue()
