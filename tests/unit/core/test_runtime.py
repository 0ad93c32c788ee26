"""Counter-based draws: pure, uniform, and different for every counter."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from munmaek.core.runtime import draw, integers, num_threads, permutation, uniform


def test_a_draw_is_a_pure_function_of_its_counters() -> None:
    whole = draw(7, 3, np.arange(1000))
    assert np.array_equal(whole[500:510], draw(7, 3, np.arange(500, 510)))
    assert draw(7, 3, 42) == whole[42]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_counter_matters(place: int) -> None:
    one, other = [1, 2, 3], [1, 2, 3]
    other[place] += 1
    index = np.arange(1000)
    assert not np.any(draw(*one, index) == draw(*other, index))


def test_uniform_is_uniform() -> None:
    values = uniform(11, np.arange(200)[:, None], np.arange(1000))
    counts, _ = np.histogram(values, bins=50, range=(0, 1))
    expected = values.size / 50
    assert ((counts - expected) ** 2 / expected).sum() < 100  # chi-square, 49 degrees: 1e-5 quantile is 99
    assert abs(np.corrcoef(values[:-1].ravel(), values[1:].ravel())[0, 1]) < 0.01


def test_integers_reach_every_value_and_no_more() -> None:
    values = integers(7, 5, np.arange(10_000))
    assert set(values.tolist()) == set(range(7))
    assert np.all(integers(np.array([1, 2, 3]), 5, 0) < np.array([1, 2, 3]))


def test_permutations_are_permutations_and_differ_by_epoch() -> None:
    first, second = permutation(100, 1, 0), permutation(100, 1, 1)
    assert sorted(first.tolist()) == list(range(100))
    assert not np.array_equal(first, second)


def test_threads_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert num_threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert num_threads() >= 1


def test_peak_memory_can_be_measured_anew() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the peak can be forgotten on Linux only")
    # in a process of its own: what other tests leave behind is freed whenever it pleases
    script = (
        "from munmaek.core import runtime; held = bytearray(50_000_000); high = runtime.peak_memory(); del held;"
        "runtime.forget_peak_memory(); print(high, runtime.peak_memory())"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    high, low = map(int, answer.split())
    assert high > 50_000_000
    assert low < high - 40_000_000
