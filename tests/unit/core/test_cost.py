"""Time, memory and energy of a piece of work."""

from __future__ import annotations

import time

import pytest

from munmaek.core import energy, runtime
from munmaek.core.cost import Cost


def test_what_is_done_meanwhile_is_counted_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, taken = [0.0], [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(energy, "counters", lambda: [lambda: (taken[0], 1e9)])
    with Cost() as cost:
        clock[0], taken[0] = 7.0, 1_250.0
    clock[0], taken[0] = 9.0, 9_000.0
    assert (cost.seconds, cost.joules) == (7.0, 250.0)


def test_memory_that_was_given_back_before_is_not_counted() -> None:
    held = bytearray(300_000_000)
    high = runtime.peak_memory()
    if not high:
        pytest.skip("this system does not say what a process has held at the most")
    del held
    with Cost() as little:
        pass
    with Cost() as much:
        held = bytearray(200_000_000)
        del held
    assert little.peak_memory < high - 200_000_000
    assert much.peak_memory > little.peak_memory + 150_000_000


def test_work_that_fails_has_its_cost_and_its_error() -> None:
    with pytest.raises(ValueError, match="broken"), Cost() as cost:
        raise ValueError("broken")
    assert cost.seconds > 0
