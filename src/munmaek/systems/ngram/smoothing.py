"""Interpolated modified Kneser-Ney: counts to probabilities (Chen and Goodman 1998 §4.1.6, §4.1.7; Heafield 2013)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from munmaek.systems.ngram.counting import Counts
from munmaek.systems.ngram.model import NEVER, Level

FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where a corpus is too small or too odd for the closed form, as `lmplz --discount_fallback` has them."""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Discounts:
    """What is taken from an n-gram seen once, twice, and three times or more; `estimated` False for the fallback."""

    values: tuple[float, float, float]
    estimated: bool

    def of(self, counts: NDArray[np.int64]) -> Values:
        """The discount of each count; 0 of 0."""
        return np.array([0.0, *self.values])[np.minimum(counts, 3)]


def discounts(counts: NDArray[np.int64]) -> Discounts:
    """The closed form from the numbers t of n-grams seen one to four times (Chen and Goodman 1998 eq. 26)."""
    seen = [float(np.count_nonzero(counts == times)) for times in range(5)]
    if min(seen[1:4]) > 0:
        share = seen[1] / (seen[1] + 2 * seen[2])
        found = tuple(times - (times + 1) * share * seen[times + 1] / seen[times] for times in (1, 2, 3))
        if all(0 <= value <= times for times, value in enumerate(found, 1)):
            return Discounts((found[0], found[1], found[2]), True)
    return Discounts(FALLBACK, False)


def adjusted(levels: Sequence[Counts], begin: int) -> list[NDArray[np.int64]]:
    """Counts that lower lengths are estimated from (Kneser and Ney 1995): how many words an n-gram follows.

    The longest n-grams, and those that begin a text and so follow nothing, keep their own counts.
    """
    size = len(levels[0].keys)
    found: list[NDArray[np.int64]] = []
    for place, level in enumerate(levels):
        if place == len(levels) - 1:
            counts = level.counts.copy()
        else:
            followed = np.bincount(levels[place + 1].keys // size, minlength=len(level.keys))
            counts = np.where(level.keys % size == begin, level.counts, followed)
        if place == 0:
            counts[begin] = 0  # nothing predicts the beginning
        found.append(counts)
    return found


def histories(levels: Sequence[Counts]) -> list[NDArray[np.int64]]:
    """For each n-gram of each length its history: the place, one length below, of all its words but the last."""
    size = len(levels[0].keys)
    found = [np.zeros(size, np.int64)]
    for place in range(1, len(levels)):
        suffixes, first = np.divmod(levels[place].keys, size)
        if place == 1:
            found.append(first)
            continue
        found.append(np.searchsorted(levels[place - 1].keys, found[-1][suffixes] * size + first))
    return found


def estimate(
    levels: Sequence[Counts], *, begin: int, predicted: NDArray[np.bool_]
) -> tuple[list[Level], list[Discounts]]:
    """Probabilities and back-off weights of every n-gram, and the discounts of every length.

    Args:
        levels: what was counted, single words first.
        predicted: (vocab,) words that may follow at all; what single words leave is shared among them evenly, so a word
            that was never seen, [UNK] among them, has as much as any other such word.
    """
    size = len(levels[0].keys)
    counts, before = adjusted(levels, begin), histories(levels)
    found: list[Level] = []
    used: list[Discounts] = []
    lower: Values = predicted / predicted.sum()  # what a length is interpolated with, for each of its n-grams
    left_by_lower: list[Values] = []
    probabilities: list[Values] = []
    for place, (level, count) in enumerate(zip(levels, counts, strict=True)):
        discount = discounts(count)
        num_histories = 1 if place == 0 else len(levels[place - 1].keys)
        total, left = _shares(before[place], count, discount, num_histories)
        if place:
            lower = probabilities[-1][level.keys // size]
        own = (count - discount.of(count)) / np.maximum(total, 1)[before[place]]
        probabilities.append(own + left[before[place]] * lower)
        left_by_lower.append(left)
        used.append(discount)
    for place, level in enumerate(levels):
        last = place == len(levels) - 1
        backoffs = np.zeros(len(level.keys)) if last else _logarithm(left_by_lower[place + 1])
        found.append(
            Level(level.keys, _logarithm(probabilities[place]).astype(np.float32), backoffs.astype(np.float32))
        )
    return found, used


def _logarithm(values: Values) -> Values:
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(values), NEVER)


def _shares(
    before: NDArray[np.int64], count: NDArray[np.int64], discount: Discounts, num: int
) -> tuple[Values, Values]:
    """Of each history: the counts that follow it together, and the share of them that the discounts leave (eq. 27)."""
    total = np.bincount(before, count, num).astype(np.float64)
    taken = np.bincount(before, discount.of(count), num)
    return total, np.where(total > 0, taken / np.maximum(total, 1), 1.0)
