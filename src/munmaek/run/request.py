"""What a comparison is asked: the text, the rows, the systems and sizes, and whom to tell of the progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from munmaek import systems
from munmaek.core.errors import RequestError
from munmaek.data import homographs, usages
from munmaek.run.comparison import FLOORS, Row
from munmaek.run.rows import examples
from munmaek.tasks import Task
from munmaek.tasks.examples import Examples, subset
from munmaek.train.trainer import Event

SIZES = (100, 1_000, 10_000, None)
MODELS, ROWS = "models", "rows.jsonl"
HELD_OUT, MOST_HELD_OUT = 0.2, 10_000
"""Share of the labelled rows kept for scoring where no test file is given, and the most of them."""
HELD_OUT_SEED = 0x7E57


@dataclass(frozen=True)
class Request:
    """What a comparison was asked; see `compare.compare`."""

    out: Path
    corpus: Any
    train: str | Path
    test: str | Path | None
    systems: tuple[str, ...]
    budget: str
    size: str
    labels: Sequence[int | None] | None
    seeds: int
    seeds_all: int
    scratch: bool
    floors: bool
    task: str
    columns: tuple[str | None, str | None, str | None]
    word: str
    sentences: tuple[str, ...]
    max_length: int | None
    pretraining: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Any]]
    seed: int
    device: str
    command: str
    models: Path
    tuning: Mapping[str, Any] = field(default_factory=dict[str, Any])
    own_tuning: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    trained: Mapping[str, Path] = field(default_factory=dict[str, Path])

    def folder_of(self, name: str) -> Path:
        """Where a model is, by the name it has in the comparison: a system's, or a given one's."""
        return self.trained[name] if name in self.trained else self.models / name

    @property
    def built_in(self) -> bool:
        """Whether the text is the built-in corpus, whose words have known senses."""
        return isinstance(self.corpus, homographs.HomographCorpus)

    def seeds_of(self, labels: int | None) -> range:
        """The seeds of a number of labels."""
        return range(self.seeds if labels is not None else self.seeds_all)


@dataclass(frozen=True)
class UnderWay:
    """How far runs are that go side by side: so many of all are done, and of each under way its name and share done."""

    done: int
    total: int
    runs: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Told:
    """Whom to tell of the progress: events of trainings, sentences, finished rows, and runs that go side by side."""

    progress: Callable[[Event], None] | None = None
    say: Callable[[str], None] = lambda line: None
    row: Callable[[Row, str], None] = lambda row, metric: None
    under_way: Callable[[UnderWay], None] = lambda now: None


def asked_for(asked: Sequence[str]) -> tuple[str, ...]:
    """The systems asked for, in the register's order; without any, all. RequestError: there is none of that name."""
    for name in asked:
        systems.load(name)
    return tuple(name for name in systems.names() if name in asked or not asked)


def names_of(folders: Sequence[str | Path]) -> dict[str, Path]:
    """Given models by the last part of their folders' paths, or by as many last parts as no other goes by.

    RequestError where one is given twice.
    """
    found: dict[str, Path] = {}
    for folder in map(Path, folders):
        whole = folder.resolve()
        if any(whole == other.resolve() for other in found.values()):
            raise RequestError("a model is given twice", where=f"--trained {folder}", fix="Give each once.")
        names = ("/".join(whole.parts[-count:]) for count in range(1, len(whole.parts) + 1))
        found[next(name for name in names if name not in (*FLOORS, *systems.names(), *found))] = folder
    return found


def examples_of(request: Request, task: Task) -> tuple[Examples, Examples]:
    """The rows to learn from and the rows to score on."""
    whole = examples(task, request.train, request.columns, training=True)
    if request.test is not None:
        return whole, examples(task, request.test, request.columns, training=False)
    count = min(MOST_HELD_OUT, max(1, round(HELD_OUT * len(whole))))
    held = subset(task.strata(whole.labels), count, HELD_OUT_SEED)
    return whole.take(np.setdiff1d(np.arange(len(whole)), held)), whole.take(held)


def looked_through(task: Task, test: Examples) -> list[str]:
    """The texts in which words are looked for: those of the test rows, without marks."""
    return [usages.split(text)[0] for text in test.texts] if task.marked else test.texts


def sizes(asked: Sequence[int | None] | None, usual: Sequence[int | None], rows: int) -> tuple[int | None, ...]:
    """The numbers of labels to walk over: those asked for, else the usual ones that leave something out, or all.

    RequestError where more are asked for than there are rows.
    """
    if asked is None:
        return tuple(size for size in usual if size is None or size < rows) or (None,)
    if any(size is not None and size > rows for size in asked):
        fix = f"Rows to train on: {rows:,}. Leave larger numbers out of --labels, or all of it."
        raise RequestError("not so many labels", where="--labels", fix=fix)
    return tuple(asked)


def name_of(corpus: Any) -> str:
    """What a reader knows a corpus by."""
    if isinstance(corpus, homographs.HomographCorpus):
        return "built-in"
    paths: Iterable[Any] = [corpus] if isinstance(corpus, str | Path) else corpus
    return ", ".join(Path(path).name for path in paths if isinstance(path, str | Path))
