"""Metrics as pure functions of NumPy arrays, and what several seeds say together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_T_975 = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448,
    2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484,
    2.0452, 2.0423,
)  # fmt: skip
"""The 97.5 % point of Student's t for 1 to 30 degrees of freedom."""


def accuracy(predicted: NDArray[np.integer], targets: NDArray[np.integer]) -> float:
    """Share of the rows predicted exactly, 0 to 1."""
    return float(np.mean(np.asarray(predicted) == np.asarray(targets)))


def class_f1(predicted: NDArray[np.integer], targets: NDArray[np.integer]) -> dict[int, float]:
    """F1 of each class that is predicted or is a target, 2 TP / (2 TP + FP + FN), 0 to 1."""
    predicted, targets = np.asarray(predicted), np.asarray(targets)
    found: dict[int, float] = {}
    for label in np.union1d(predicted, targets).tolist():
        both = int(np.sum((predicted == label) & (targets == label)))
        found[label] = 2 * both / int(np.sum(predicted == label) + np.sum(targets == label))
    return found


def macro_f1(predicted: NDArray[np.integer], targets: NDArray[np.integer]) -> float:
    """The unweighted mean of `class_f1`: every class counts alike, however rare."""
    return float(np.mean(list(class_f1(predicted, targets).values())))


def confusion(predicted: NDArray[np.integer], targets: NDArray[np.integer], num_classes: int) -> NDArray[np.int64]:
    """Counts `(num_classes, num_classes)`, a row a true class, a column a predicted one; targets below 0 left out."""
    known = np.asarray(targets) >= 0
    places = np.asarray(targets)[known] * num_classes + np.asarray(predicted)[known]
    return np.bincount(places, minlength=num_classes**2).reshape(num_classes, num_classes)


def mean_squared_error(predicted: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """The mean squared difference, in the target's unit squared."""
    return float(np.mean((np.asarray(predicted, dtype=np.float64) - np.asarray(targets, dtype=np.float64)) ** 2))


def pearson(predicted: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Pearson's correlation, -1 to 1; 0 where either side is constant."""
    first = np.asarray(predicted, dtype=np.float64) - np.mean(predicted, dtype=np.float64)
    second = np.asarray(targets, dtype=np.float64) - np.mean(targets, dtype=np.float64)
    scale = math.sqrt(float(first @ first) * float(second @ second))
    return float(np.clip(first @ second / scale, -1.0, 1.0)) if scale > 0 else 0.0


def ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def spearman(predicted: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Spearman's rank correlation, -1 to 1; 0 where either side is constant."""
    return pearson(ranks(predicted), ranks(targets))


def perplexity(nats: float, num_tokens: int) -> float:
    """exp of the mean loss a token: among how many equally likely tokens the model chooses; infinite past e^700."""
    mean = nats / num_tokens
    return math.exp(mean) if mean < 700 else math.inf


def bits_per_character(nats: float, num_characters: int) -> float:
    """Bits that the text takes under the model, by its characters: comparable whatever the tokens are."""
    return nats / math.log(2) / max(1, num_characters)


def t_975(freedom: int) -> float:
    """The 97.5 % point of Student's t (Abramowitz & Stegun 26.7.5 past 30 degrees of freedom)."""
    if freedom < 1:
        return math.nan
    if freedom <= len(_T_975):
        return _T_975[freedom - 1]
    z = 1.959964
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def half_interval(values: Sequence[float]) -> float:
    """Half the width of the 95 % t-interval of the mean of some runs; NaN for one run."""
    if len(values) < 2:
        return math.nan
    return t_975(len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def summarise(runs: Sequence[dict[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and half 95 % interval of every metric over some runs of the same kind."""
    names = list(runs[0]) if runs else []
    columns = {name: [run[name] for run in runs] for name in names}
    return (
        {name: float(np.mean(values)) for name, values in columns.items()},
        {name: half_interval(values) for name, values in columns.items()},
    )
