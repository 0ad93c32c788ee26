"""Rows of a table as examples: which are used, which are dropped, what is odd about them, and subsets of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import DataError, RequestError
from munmaek.core.runtime import draw
from munmaek.data.tables import Table
from munmaek.tasks.task import Answers, PerToken

SUBSET_STREAM = 0x5B
LOPSIDED = 10
SHOWN = 8


@dataclass(frozen=True)
class Examples:
    """Texts with labels.

    Attributes:
        texts, pairs, labels: of equal length; `pairs` is None for single texts.
        where: the file. notes: what was dropped or is odd, in sentences for a person.
    """

    texts: list[str]
    pairs: list[str] | None
    labels: list[str]
    where: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: NDArray[np.int64]) -> Examples:
        """Some rows, in that order."""
        chosen = rows.tolist()
        pairs = None if self.pairs is None else [self.pairs[row] for row in chosen]
        return Examples([self.texts[row] for row in chosen], pairs, [self.labels[row] for row in chosen], self.where)


def from_table(table: Table, *, training: bool) -> Examples:
    """The labelled rows of a table.

    A row without a label cannot be used and is dropped. An empty text teaches nothing and is dropped from training,
    but it is kept for scoring: a test set is scored whole.

    Raises:
        DataError: no usable row is left.
    """
    labels = table.labels if table.labels is not None else [None] * len(table)
    pairs = table.pairs if table.pairs is not None else [""] * len(table)
    kept: list[int] = []
    unlabelled = empty = 0
    for row, (text, pair, label) in enumerate(zip(table.texts, pairs, labels, strict=True)):
        blank = not text.strip() and not pair.strip()
        empty += blank
        if label is None:
            unlabelled += 1
        elif not (blank and training):
            kept.append(row)
    notes = [f"{table.path.name}: {count:,} rows skipped: {reason}" for reason, count in table.skipped.items()]
    notes += table.notes
    if table.repaired:
        notes.append(f"{table.path.name}: {table.repaired:,} rows have bytes that are not text; replaced by U+FFFD")
    if unlabelled:
        notes.append(f"{table.path.name}: {unlabelled:,} of {len(table):,} rows have no label and are left out")
    if empty:
        treated = "left out of the training" if training else "scored like any other"
        notes.append(f"{table.path.name}: {empty:,} of {len(table):,} rows have an empty text, {treated}")
    if not kept:
        raise DataError(
            f"none of {len(table):,} rows has both a text and a label",
            where=str(table.path),
            fix="Check --text-column and --label-column.",
        )
    chosen_pairs = None if table.pairs is None else [table.pairs[row] for row in kept]
    return Examples(
        [table.texts[row] for row in kept], chosen_pairs, [labels[row] or "" for row in kept], str(table.path),
        tuple(notes),
    )  # fmt: skip


def subset(strata: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """`count` random rows whose groups have the shares of the whole, sorted; a larger count contains a smaller one.

    Every group that exists has at least one row where `count` allows. A pure function of (strata, count, seed).

    Raises:
        RequestError: there are not so many rows.
    """
    if not 0 < count <= len(strata):
        raise RequestError(
            f"{count:,} labels were asked for; the training rows that can be used are {len(strata):,}",
            where="--labels",
            fix="Ask for fewer, or leave --labels out to use all.",
        )
    chance = draw(seed, SUBSET_STREAM, np.arange(len(strata)))
    order = np.lexsort((chance, strata))
    _, starts, sizes = np.unique(strata[order], return_index=True, return_counts=True)
    rank = np.arange(len(strata)) - np.repeat(starts, sizes)
    place = (rank + 0.5) / np.repeat(sizes, sizes)
    place[rank == 0] -= 1.0  # the first of every group comes before all others
    return np.sort(order[np.lexsort((chance[order], place))[:count]])


def describe(train: Examples, dev: Examples | None, answers: Answers, per_token: PerToken | None = None) -> list[str]:
    """What a person should know about the labels before training, in sentences; `per_token` of the task."""
    notes = [*train.notes, *(dev.notes if dev else ())]
    if per_token is not None:
        notes += per_token.about(train.labels, dev.labels if dev else None)
    elif answers.classes:
        notes += _about_classes(train, dev, answers)
    else:
        notes.append(f"{len(train):,} numbers, mean {answers.mean:.3g}, standard deviation {answers.scale:.3g}")
    if dev:
        seen = set(zip(train.texts, train.pairs or train.texts, strict=True))
        both = sum(row in seen for row in zip(dev.texts, dev.pairs or dev.texts, strict=True))
        if both:
            notes.append(f"{both:,} of {len(dev):,} dev rows are also training rows: the dev scores flatter")
    return notes


def _about_classes(train: Examples, dev: Examples | None, answers: Answers) -> list[str]:
    counts = Counter(train.labels)
    order = sorted(answers.classes, key=lambda name: (-counts[name], name))
    listed = ", ".join(f"{name} {counts[name]:,}" for name in order[:SHOWN]) + (" ..." if len(order) > SHOWN else "")
    notes = [f"{len(train):,} labels of {len(answers.classes)} classes: {listed}"]
    most, least = order[0], order[-1]
    if counts[most] >= LOPSIDED * counts[least]:
        notes.append(
            f"lopsided: {least} has {counts[least]:,} rows and {most} {counts[most]:,}; always answering {most} scores "
            f"{100 * counts[most] / len(train):.1f} % accuracy, so look at macro-F1"
        )
    rare = [name for name in answers.classes if 0 < counts[name] < 3]
    if rare:
        notes.append(f"classes with fewer than three rows, which can hardly be learnt: {_listed(rare)}")
    if dev:
        notes += _about_dev(set(counts), dev)
    return notes


def _about_dev(seen: set[str], dev: Examples) -> list[str]:
    counts, notes = Counter(dev.labels), list[str]()
    unseen = [name for name in sorted(counts) if name not in seen]
    if unseen:
        rows = sum(counts[name] for name in unseen)
        notes.append(f"{rows:,} dev rows have classes that no training row has ({_listed(unseen)}): counted wrong")
    missing = [name for name in sorted(seen) if name not in counts]
    if missing:
        notes.append(f"classes without a dev row, so their scores are unknown: {_listed(missing)}")
    return notes


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
