"""How long a step takes, from a few that are thrown away."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import pytest

from munmaek.train import pace


class Clock:
    """A clock that only attempts move on."""

    def __init__(self, seconds: list[float]) -> None:
        self.now, self.seconds = 100.0, list(seconds)

    def monotonic(self) -> float:
        return self.now

    def attempt(self, batch: Any) -> None:
        self.now += self.seconds.pop(0)


def test_calibration_takes_a_small_share_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock([0.1] * 20)
    monkeypatch.setattr(pace, "time", clock)
    assert pace.calibrate(repeat(None), clock.attempt, 10_000.0) == pytest.approx(0.1)  # type: ignore[arg-type]
    assert len(clock.seconds) == 20 - pace.CALIBRATION_STEPS
    clock.seconds = [0.1] * 20
    pace.calibrate(repeat(None), clock.attempt, 4.0)  # type: ignore[arg-type]
    assert len(clock.seconds) == 20 - 1
