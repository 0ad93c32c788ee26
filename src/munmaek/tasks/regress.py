"""Which number has a text, or a pair of texts? Squared error on standardised numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from munmaek.core.errors import DataError
from munmaek.tasks import scores
from munmaek.tasks.task import Answers, Task

STRATA = 10


def numbers(labels: Sequence[str], where: str = "") -> NDArray[np.float64]:
    """Labels as numbers; DataError names the first that is none, and how many there are."""
    found = np.empty(len(labels), dtype=np.float64)
    wrong: list[str] = []
    for row, label in enumerate(labels):
        try:
            found[row] = float(label)
        except ValueError:
            found[row] = math.nan
        if not math.isfinite(found[row]):
            wrong.append(label)
    if wrong:
        raise DataError(
            f"{len(wrong):,} of {len(labels):,} labels are not numbers, the first is {wrong[0]!r}",
            where=where or None,
            fix="Choose another --label-column, or use `finetune classify` where the labels are names.",
        )
    return found


def fit(labels: Sequence[str], where: str) -> Answers:
    """The scale of some numbers; DataError where all are the same."""
    values = numbers(labels, where)
    if not len(values) or float(values.std()) == 0.0:
        found = f"every row has the number {values[0]:g}" if len(values) else "no row has a number"
        raise DataError(f"{found}; there is nothing to learn", where=where, fix="Give rows whose numbers differ.")
    return Answers(mean=float(values.mean()), scale=float(values.std()))


def targets(answers: Answers, labels: Sequence[str], where: str = "") -> NDArray[np.float32]:
    """Numbers on the head's scale."""
    return ((numbers(labels, where) - answers.mean) / answers.scale).astype(np.float32)


def loss(outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, None]:
    """Summed squared error of the scaled numbers."""
    return ((outputs.float().squeeze(1) - targets) ** 2).sum(), None


def answer(answers: Answers, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Numbers `(rows,)` in the unit of the labels."""
    return (outputs[:, 0].astype(np.float64) * answers.scale + answers.mean).astype(np.float32)


def score(answers: Answers, values: NDArray[np.float32], wanted: NDArray[Any]) -> dict[str, float]:
    """Pearson's and Spearman's correlation, and the mean squared error in the unit of the labels."""
    unscaled = wanted.astype(np.float64) * answers.scale + answers.mean
    return {
        "pearson": scores.pearson(values, unscaled),
        "spearman": scores.spearman(values, unscaled),
        "mean_squared_error": scores.mean_squared_error(values, unscaled),
    }


def strata(labels: Sequence[str]) -> NDArray[np.int64]:
    """A group a tenth of the range of ranks."""
    order = scores.ranks(numbers(labels))
    return np.minimum((order - 1) * STRATA // max(1, len(labels)), STRATA - 1).astype(np.int64)


def evidence(answers: Answers, values: NDArray[np.float32], wanted: NDArray[Any]) -> NDArray[np.float64]:
    """(rows, 6): 1, x, y, x squared, y squared and x y; x and y are centred ranks of answer and target, -0.5 to 0.5."""
    x, y = ((scores.ranks(each) - (len(wanted) + 1) / 2) / max(1, len(wanted)) for each in (values, wanted))
    return np.stack([np.ones(len(wanted)), x, y, x * x, y * y, x * y], axis=1)


def figure(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The correlation of the ranks (Spearman's, where the rows are all); 0 where either side is constant."""
    count, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    count = np.maximum(count, 1.0)
    scale = np.sqrt(np.maximum(xx - x * x / count, 0.0) * np.maximum(yy - y * y / count, 0.0))
    return np.clip((xy - x * y / count) / np.where(scale > 1e-12, scale, np.inf), -1.0, 1.0)


TASK = Task(
    "regress", "predict a number", None, "spearman", fit, targets, loss, answer, score, strata, evidence, figure,
    symmetric=True,
)  # fmt: skip
