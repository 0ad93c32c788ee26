"""Intervals for a mean over seeds on one test set, and for the paired difference of two such means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from munmaek.tasks.scores import t_975

DRAWS = 1_000
AT_ONCE = 5_000_000
"""Weights held in memory at a time."""
BOTH_TAILS = (2.5, 97.5)
Figure = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def resampled(evidence: NDArray[np.floating], seed: int = 0, draws: int = DRAWS) -> NDArray[np.float64]:
    """Sums of evidence over test rows drawn anew `(draws, ...)`, from `(rows, ...)`.

    Each row's weight is Poisson with mean 1, which for many rows is the bootstrap (Efron 1979) without its fixed total.
    The weights depend on (rows, seed, draws) alone: what is resampled by several calls stays paired.
    """
    rows = len(evidence)
    flat = np.asarray(evidence, dtype=np.float64).reshape(rows, -1)
    generator = np.random.default_rng((seed, rows))
    sums = np.zeros((draws, flat.shape[1]))
    step = max(1, AT_ONCE // max(1, rows))
    for start in range(0, draws, step):
        weights = generator.poisson(1.0, (min(step, draws - start), rows)).astype(np.float64)
        sums[start : start + step] = weights @ flat
    return sums.reshape(draws, *np.shape(evidence)[1:])


class Sample:
    """One arm's runs at one number of labels: its figure a seed, on the test rows and on resampled ones.

    Args:
        evidence: a run each, `(rows, k)`: what each test row adds to the metric (tasks/task.py).
        figure: sums of evidence -> the metric.
    Attributes:
        values: (seeds,) the metric. drawn: (draws, seeds) the metric on resampled rows.
    """

    def __init__(self, evidence: Sequence[NDArray[np.floating]], figure: Figure, draws: int = DRAWS) -> None:
        together = np.stack([np.asarray(each, dtype=np.float64) for each in evidence], axis=1)
        self.values = figure(together.sum(axis=0))
        self.drawn = figure(resampled(together, draws=draws))

    def interval(self) -> tuple[float, float, float]:
        """The mean over seeds with its 95 % interval: (mean, low, high)."""
        return _interval(self.values, self.drawn)

    def less(self, other: Sample) -> tuple[float, float, float]:
        """This mean less the other's, paired by seed and by test row: (difference, low, high).

        Where the two have different numbers of seeds, the seeds that both have (the first ones) are used.
        """
        seeds = min(len(self.values), len(other.values))
        return _interval(
            self.values[:seeds] - other.values[:seeds], self.drawn[:, :seeds] - other.drawn[:, :seeds]
        )  # fmt: skip


def _interval(values: NDArray[np.float64], drawn: NDArray[np.float64]) -> tuple[float, float, float]:
    """The mean of `values`, and where a mean over other test rows and other seeds would lie 95 times in 100.

    Test rows: the bootstrap. Seeds: too few to resample, so the t-interval of their mean. The two errors are
    independent, and the half widths are added in squares. One seed says nothing of the spread between seeds.
    """
    mean = float(values.mean())
    low, high = np.percentile(drawn.mean(axis=1), BOTH_TAILS) - mean
    count = len(values)
    half = t_975(count - 1) * float(values.std(ddof=1)) / np.sqrt(count) if count > 1 else 0.0
    return mean, mean - float(np.hypot(min(low, 0.0), half)), mean + float(np.hypot(max(high, 0.0), half))
