"""Who is ahead at each number of labels, whether that is decided, and what each arm costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from munmaek.run.comparison import FLOORS, Comparison, Contrast, Standing


@dataclass(frozen=True)
class Verdict:
    """The arms at one number of labels.

    Attributes:
        best: the highest mean. next, floor: the next highest, and the strongest floor other than the best; or None.
        lead, over_floor: the best's contrast with each of them; None where it was not made.
        tied: arms that the best is not told apart from, the highest first.
    """

    labels: int | None
    best: Standing
    next: Standing | None
    floor: Standing | None
    lead: Contrast | None
    over_floor: Contrast | None
    tied: list[str]

    @property
    def won(self) -> bool:
        """Whether the best is decidedly ahead of every arm it was set against, the next one among them."""
        return self.next is not None and not self.tied


def verdict(comparison: Comparison, labels: int | None) -> Verdict | None:
    """Who is ahead at a number of labels; None where nothing has a score."""
    there = [each for each in comparison.standings if each.labels == labels and math.isfinite(each.mean)]
    if not there:
        return None
    best, *others = sorted(there, key=lambda each: -each.mean)
    following = others[0] if others else None
    floor = next((each for each in others if each.arm in FLOORS), None)
    tied: list[str] = []
    for each in others:
        contrast = comparison.contrast(best.arm, each.arm, labels)
        if contrast is None and each not in (following, floor):
            continue  # not asked
        if not ahead(contrast):
            tied.append(each.arm)
    lead, over_floor = (
        comparison.contrast(best.arm, each.arm, labels) if each else None for each in (following, floor)
    )
    return Verdict(labels, best, following, floor, lead, over_floor, tied)


def verdicts(comparison: Comparison) -> list[Verdict]:
    """The verdict at each number of labels, ascending."""
    found = (verdict(comparison, labels) for labels in comparison.sizes)
    return [each for each in found if each is not None]


def ahead(contrast: Contrast | None) -> bool:
    """Whether the first arm of a contrast is decidedly ahead of the second."""
    return contrast is not None and contrast.decided and contrast.low > 0


def pretraining_seconds(comparison: Comparison, arm: str) -> float:
    """Seconds of an arm's pre-training; 0 for a floor and for a network from scratch."""
    found = next((each for each in comparison.arms if each.name == arm), None)
    if found is None or not found.system or found.scratch:
        return 0.0
    return next((card.seconds for card in comparison.models if card.system == found.system), 0.0)


def tuning_seconds(comparison: Comparison, arm: str, labels: int | None) -> float:
    """Mean seconds of an arm's runs at a number of labels, training and scoring; NaN where there are none."""
    found = [row.seconds for row in comparison.rows if (row.arm, row.labels) == (arm, labels)]
    return sum(found) / len(found) if found else math.nan


def cost(comparison: Comparison, arm: str, labels: int | None) -> float:
    """Seconds of pre-training and of one fine-tuning together; NaN where there are no runs."""
    return pretraining_seconds(comparison, arm) + tuning_seconds(comparison, arm, labels)


def cheapest(comparison: Comparison, arms: list[str], labels: int | None) -> str:
    """The arm that costs the fewest seconds; one without runs costs the most."""
    costs = {arm: cost(comparison, arm, labels) for arm in arms}
    return min(arms, key=lambda arm: (math.isnan(costs[arm]), costs[arm]))


def labels_for_next_point(comparison: Comparison, arm: str) -> list[tuple[Standing, float | None]]:
    """At each number of labels but the largest: how many more labels an arm needs for one point (0.01) more.

    Between two measured numbers of labels the score is taken to be straight in their logarithm. None where no larger
    number that was measured brought the point.
    """
    curve = sorted((each for each in comparison.standings if each.arm == arm), key=lambda each: each.num_labels)
    curve = [each for each in curve if each.num_labels > 0 and math.isfinite(each.mean)]
    return [(each, _crossing(curve[place:], each.mean + 0.01)) for place, each in enumerate(curve[:-1])]


def _crossing(curve: list[Standing], target: float) -> float | None:
    for left, right in pairwise(curve):
        if right.mean >= target > left.mean:
            share = (target - left.mean) / (right.mean - left.mean)
            width = math.log(right.num_labels / left.num_labels)
            return left.num_labels * math.exp(share * width) - curve[0].num_labels
    return None
