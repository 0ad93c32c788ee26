"""The table of results: what pre-training is worth, by the number of labels, beside the same network without it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from munmaek import tasks
from munmaek.core.errors import MunmaekError, RequestError
from munmaek.core.files import sha256_file
from munmaek.run.arms import Arm, NetworkArm, Question, TestRows, TfidfArm
from munmaek.run.book import Book
from munmaek.run.model import load
from munmaek.run.rows import examples
from munmaek.tasks import scores
from munmaek.train.trainer import Event

COLUMNS = {"floor": "TF-IDF + logistic regression", "scratch": "without pre-training", "model": "pre-trained"}
SIZES = (100, 1_000, 10_000, None)


@dataclass(frozen=True)
class Run:
    """One cell's run: a column, a number of labels (None: all), a seed, and the test scores it got."""

    column: str
    labels: int | None
    seed: int
    scores: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class ResultsTable:
    """All runs of a table; `metric` is the one shown, `num_test` the rows each was scored on."""

    metric: str
    num_train: int
    num_test: int
    columns: list[str]
    labels: list[int | None]
    runs: list[Run]

    def cell(self, column: str, labels: int | None) -> tuple[float, float, int] | None:
        """Mean, half 95 % t-interval (NaN for one run) and number of runs; None where there are none."""
        found = [run.scores[self.metric] for run in self.runs if (run.column, run.labels) == (column, labels)]
        return (float(np.mean(found)), scores.half_interval(found), len(found)) if found else None

    def lines(self) -> list[str]:
        """A Markdown table in per cent, mean ± half the 95 % interval over the seeds."""
        rows = [["labels", *(COLUMNS[name] for name in self.columns)]]
        for labels in self.labels:
            count = self.num_train if labels is None else labels
            rows.append([f"{count:,}", *(_shown(self.cell(name, labels)) for name in self.columns)])
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        lines = ["| " + " | ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + " |"
                 for row in rows]  # fmt: skip
        lines.insert(1, "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
        return lines


def _shown(cell: tuple[float, float, int] | None) -> str:
    if cell is None:
        return ""
    mean, half, count = cell
    return f"{100 * mean:.1f} ± {100 * half:.1f} ({count})" if count > 1 else f"{100 * mean:.1f} (1)"


def table(
    model: str | Path,
    *,
    train: str | Path,
    test: str | Path,
    out: str | Path,
    task: str = "classify",
    labels: Sequence[int | None] = SIZES,
    seeds: int = 5,
    seeds_all: int = 1,
    scratch: bool = True,
    floor: bool = True,
    max_length: int | None = None,
    settings: dict[str, Any] | None = None,
    progress: Callable[[Event], None] | None = None,
    report: Callable[[Run], None] | None = None,
) -> ResultsTable:
    """Fine-tune at every number of labels and seed, and score each on the whole test set, once.

    Args:
        model: a pre-trained folder. train, test: labelled tables; no decision is made on the test set.
        out: a .jsonl file; every finished run is one line, and a run that is there already is not done again.
        labels: numbers of labels, None for all; those sizes take `seeds` seeds, and all rows `seeds_all`.
        scratch, floor: also the same network without pre-training, and TF-IDF with logistic regression.
        settings: changes to the defaults for the number of labels. report: called with each finished run.
    Raises:
        RequestError, DataError: the request or a table cannot be used. Interrupted, JobError: see trainer.
    """
    kind = tasks.load(task)
    if floor and not kind.classifies:
        raise RequestError("the TF-IDF floor is for classes", where="floor", fix=f"Leave it out for {task}: --no-floor")
    parts = [examples(kind, path, training=path is train) for path in (train, test)]
    columns = [name for name, wanted in (("floor", floor), ("scratch", scratch), ("model", True)) if wanted]
    question, loaded, rows = Question(kind, *parts), load(model), TestRows(Path(out).parent)
    arms: dict[str, Arm] = {"floor": TfidfArm(question)}
    for name in ("scratch", "model"):
        arms[name] = NetworkArm(question, loaded, scratch=name == "scratch", max_length=max_length,
                                settings=settings, test=rows)  # fmt: skip
    runs = _Runs(Book(Path(out)), _identity(Path(model), train, test, task), arms)
    for column in columns:
        for size in labels:
            for seed in range(seeds_all if size is None else seeds):
                run = runs.get(column, size, seed, progress)
                if report is not None:
                    report(run)
    found = [run for run in runs.done.values() if run.column in columns and run.labels in labels]
    return ResultsTable(kind.best, len(parts[0]), len(parts[1]), columns, list(labels), found)


def _identity(model: Path, train: str | Path, test: str | Path, task: str) -> dict[str, Any]:
    return {
        "weights": sha256_file(model / "model.safetensors") if (model / "model.safetensors").is_file() else str(model),
        "train": sha256_file(Path(train)), "test": sha256_file(Path(test)), "task": task,
    }  # fmt: skip


class _Runs:
    """The runs of this request that a book holds."""

    def __init__(self, book: Book, identity: dict[str, Any], arms: dict[str, Arm]) -> None:
        self.book, self.identity, self.arms = book, identity, arms
        self.done: dict[tuple[str, int | None, int], Run] = {}
        for line in book.lines("column", "labels", "seed", "scores", "seconds", "identity"):
            if line["column"] in arms and self._about(line["column"], line["labels"]) == line["identity"]:
                run = Run(line["column"], line["labels"], line["seed"], line["scores"], line["seconds"])
                self.done[run.column, run.labels, run.seed] = run

    def _about(self, column: str, labels: int | None) -> dict[str, Any]:
        """What a run depends on: the data, and for a network its first weights and how it is trained."""
        about = self.identity | {"settings": self.arms[column].settings(labels)}
        return {name: value for name, value in about.items() if name != "weights" or column != "floor"}

    def get(self, column: str, labels: int | None, seed: int, progress: Callable[[Event], None] | None) -> Run:
        """A run, from the book or done now."""
        key = (column, labels, seed)
        if key not in self.done:
            began = time.monotonic()
            found = self.arms[column].run(labels, seed, progress).scores
            run = Run(column, labels, seed, found, time.monotonic() - began)
            self.book.add(vars(run) | {"identity": self._about(column, labels)})
            self.done[key] = run
        return self.done[key]


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m munmaek.run.table`: runs, a line each on standard error, and the table."""
    parser = argparse.ArgumentParser(
        prog="python -m munmaek.run.table", description=(table.__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--model", required=True, help="a pre-trained folder")
    parser.add_argument("--train", required=True, help="labelled table to train on")
    parser.add_argument("--test", required=True, help="labelled table to score on")
    parser.add_argument("--out", required=True, help="a .jsonl file; finished runs in it are not done again")
    parser.add_argument("--task", default="classify", choices=tasks.NAMES)
    parser.add_argument("--labels", nargs="+", default=[*map(str, SIZES[:-1]), "all"], help="numbers, or all")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each number of labels")
    parser.add_argument("--seeds-all", type=int, default=1, help="seeds of all labels")
    parser.add_argument("--no-scratch", action="store_true", help="without the column without pre-training")
    parser.add_argument("--no-floor", action="store_true", help="without the column of TF-IDF")
    given = parser.parse_args(argv)
    try:
        sizes = [None if size == "all" else int(size.replace(",", "")) for size in given.labels]
    except ValueError:
        parser.error(f"--labels takes numbers or the word all, not {' '.join(given.labels)}")

    def report(run: Run) -> None:
        size = "all" if run.labels is None else f"{run.labels:,}"
        values = ", ".join(f"{name} {value:.4f}" for name, value in run.scores.items())
        sys.stderr.write(f"{COLUMNS[run.column]}, {size} labels, seed {run.seed}: {values} ({run.seconds:.0f} s)\n")

    try:
        found = table(
            given.model, train=given.train, test=given.test, out=given.out, task=given.task, labels=sizes,
            seeds=given.seeds, seeds_all=given.seeds_all, scratch=not given.no_scratch, floor=not given.no_floor,
            report=report,
        )  # fmt: skip
    except MunmaekError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(
        "\n".join([*found.lines(), "", f"{found.metric}, per cent, on {found.num_test:,} test rows"]) + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
