"""The table of results: what pre-training is worth, by the number of labels, beside the same network without it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from munmaek import tasks
from munmaek.core.errors import MunmaekError, RequestError
from munmaek.core.files import no_room, sha256_file
from munmaek.data.tables import read_table
from munmaek.run.model import load
from munmaek.run.tuning import Tuner, compute
from munmaek.tasks import scores
from munmaek.tasks.examples import Examples, from_table
from munmaek.tasks.labelled import Labelled
from munmaek.tasks.tfidf import tfidf
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
    if floor and (task == "regress" or kind.chooses):
        raise RequestError("the TF-IDF floor is for classes", where="floor", fix=f"Leave it out for {task}: --no-floor")
    parts = [from_table(read_table(path, pairs=kind.pairs, labels=True, alternatives=kind.chooses),
                        training=path is train) for path in (train, test)]  # fmt: skip
    columns = [name for name, wanted in (("floor", floor), ("scratch", scratch), ("model", True)) if wanted]
    bench = _Bench(Path(model), task, parts[0], parts[1], max_length, settings or {})
    book = _Book(Path(out), _identity(Path(model), train, test, task), bench.settings)
    for column in columns:
        for size in labels:
            for seed in range(seeds_all if size is None else seeds):
                if not book.has(column, size, seed):
                    book.add(bench.run(column, size, seed, progress))
                if report is not None:
                    report(book.get(column, size, seed))
    runs = [run for run in book.runs.values() if run.column in columns and run.labels in labels]
    return ResultsTable(kind.best, len(parts[0]), len(parts[1]), columns, list(labels), runs)


class _Bench:
    """Trains and scores one run at a time; texts are tokenised once."""

    def __init__(
        self, model: Path, task: str, train: Examples, test: Examples, max_length: int | None, settings: dict[str, Any]
    ) -> None:
        self.task, self.train, self.test = tasks.load(task), train, test
        loaded = load(model)
        self.tuners = {
            column: Tuner(loaded, self.task, train, changes=settings, from_scratch=column == "scratch",
                          max_length=max_length)
            for column in ("scratch", "model")
        }  # fmt: skip
        self._tokens: Labelled | None = None

    def settings(self, column: str, labels: int | None) -> dict[str, Any]:
        """How the runs of a cell are trained, as JSON; the floor has nothing to set."""
        if column == "floor":
            return {}
        tuner = self.tuners[column]
        found = asdict(tuner.settings(len(self.train) if labels is None else labels))
        return found | {"max_length": tuner.max_length}

    def run(self, column: str, labels: int | None, seed: int, progress: Callable[[Event], None] | None) -> Run:
        """One run, from its seed alone."""
        began = time.monotonic()
        found = self._floor(labels, seed) if column == "floor" else self._network(column, labels, seed, progress)
        return Run(column, labels, seed, found, time.monotonic() - began)

    def _floor(self, labels: int | None, seed: int) -> dict[str, float]:
        chosen = self.train.take(self.tuners["model"].rows(labels, seed))
        answers = self.task.fit(chosen.labels, chosen.where)
        targets = self.task.targets(answers, chosen.labels, chosen.where)
        predicted = tfidf(chosen.texts, targets, self.test.texts, chosen.pairs, self.test.pairs)
        wanted = self.task.targets(answers, self.test.labels, self.test.where)
        return {"accuracy": scores.accuracy(predicted, wanted), "macro_f1": scores.macro_f1(predicted, wanted)}

    def _network(
        self, column: str, labels: int | None, seed: int, progress: Callable[[Event], None] | None
    ) -> dict[str, float]:
        tuner = self.tuners[column]
        fitted = tuner.fit(seed, labels, progress=progress)
        if self._tokens is None:
            self._tokens = tuner.read(self.test)
        found = self.task.answer(fitted.answers, compute(tuner.model, fitted.network, self._tokens))
        wanted = self.task.targets(fitted.answers, self.test.labels, self.test.where)
        return self.task.scores(fitted.answers, found, wanted)


def _identity(model: Path, train: str | Path, test: str | Path, task: str) -> dict[str, Any]:
    return {
        "weights": sha256_file(model / "model.safetensors") if (model / "model.safetensors").is_file() else str(model),
        "train": sha256_file(Path(train)), "test": sha256_file(Path(test)), "task": task,
    }  # fmt: skip


class _Book:
    """Finished runs as lines of a file, in the order they were done; lines of other models, data and settings stay."""

    def __init__(
        self, path: Path, identity: dict[str, Any], settings: Callable[[str, int | None], dict[str, Any]]
    ) -> None:
        self.path, self.identity, self.settings = path, identity, settings
        self.runs: dict[tuple[str, int | None, int], Run] = {}
        for line in self._lines():
            if line["column"] in COLUMNS and self._about(line["column"], line["labels"]) == line["identity"]:
                run = Run(line["column"], line["labels"], line["seed"], line["scores"], line["seconds"])
                self.runs[run.column, run.labels, run.seed] = run

    def _about(self, column: str, labels: int | None) -> dict[str, Any]:
        """What a run depends on: the data, and for a network its first weights and how it is trained."""
        about = self.identity | {"settings": self.settings(column, labels)}
        return {name: value for name, value in about.items() if name != "weights" or column != "floor"}

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self.path.is_file():
            return
        for line in self.path.read_bytes().split(b"\n"):
            try:
                value = json.loads(line)
            except ValueError:  # the end of a line that was cut by a killed process
                continue
            if isinstance(value, dict) and {"column", "labels", "seed", "scores", "seconds", "identity"} <= set(value):
                yield value

    def has(self, column: str, labels: int | None, seed: int) -> bool:
        """Whether that run is finished."""
        return (column, labels, seed) in self.runs

    def get(self, column: str, labels: int | None, seed: int) -> Run:
        """A finished run."""
        return self.runs[column, labels, seed]

    def add(self, run: Run) -> None:
        """Remember a run, on the disk first."""
        line = json.dumps(vars(run) | {"identity": self._about(run.column, run.labels)}, ensure_ascii=False)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
                torn = file.read(1) not in (b"", b"\n")
                file.write((b"\n" if torn else b"") + line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise no_room(self.path, error) from error
        self.runs[run.column, run.labels, run.seed] = run


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
