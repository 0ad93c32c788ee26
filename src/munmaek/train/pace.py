"""A budget becomes a plan of steps, and for a time budget the plan follows the machine's speed."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator

from munmaek.core.contracts import Batch
from munmaek.core.recipe import Budget, Plan

CALIBRATION_STEPS = 6
CALIBRATION_SHARE = 0.02
CHECKS = 50
TOLERANCE = 0.005


def plan_for(budget: Budget, batches_per_epoch: int, tokens_per_batch: float) -> Plan:
    """The plan of a budget of steps, epochs or tokens.

    Args:
        budget: any but a time.
        batches_per_epoch: optimiser steps in one pass over the data.
        tokens_per_batch: real tokens in an average batch.
    """
    if budget.steps is not None:
        return Plan.of(budget.steps)
    if budget.epochs is not None:
        return Plan.of(max(1, round(budget.epochs * batches_per_epoch)))
    assert budget.tokens is not None
    return Plan.of(math.ceil(budget.tokens / tokens_per_batch))


def calibrate(batches: Iterator[Batch], attempt: Callable[[Batch], None], budget_seconds: float) -> float:
    """Seconds one step takes, from a few forward and backward passes whose gradients are thrown away."""
    start = time.monotonic()
    times: list[float] = []
    while not times or (
        len(times) < CALIBRATION_STEPS and time.monotonic() - start < CALIBRATION_SHARE * budget_seconds
    ):
        before = time.monotonic()
        attempt(next(batches))
        times.append(time.monotonic() - before)
    return max(1e-4, sum(times) / len(times))


class Pace:
    """Keeps a training inside its time: looks at the clock now and then and respreads the steps that are left.

    Args:
        plan: changed in place.
        seconds: the time budget. None leaves the plan alone.
    """

    def __init__(self, plan: Plan, seconds: float | None) -> None:
        self.plan = plan
        self.seconds = seconds
        self._marks: deque[tuple[int, float]] = deque(maxlen=8)
        self._next = 0.0

    def check(self, step: int, elapsed: float, reserve: float = 0.0) -> bool:
        """Look at the clock after `step`; True where the plan changed. `reserve` seconds are kept for the end."""
        if self.seconds is None or elapsed < self._next or step >= self.plan.total_steps:
            return False
        self._next = elapsed + self.seconds / CHECKS
        self._marks.append((step, elapsed))
        first_step, first_elapsed = self._marks[0]
        if step - first_step < 4:
            return False
        each = (elapsed - first_elapsed) / (step - first_step)
        left = max(0.0, self.seconds - reserve - elapsed)
        expected_end = elapsed + each * (self.plan.total_steps - step)
        if abs(expected_end - (elapsed + left)) <= TOLERANCE * self.seconds:
            return False
        self.plan.replan(step, step + max(1, round(left / each)))
        return True
