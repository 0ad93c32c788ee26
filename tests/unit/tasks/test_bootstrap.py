"""Planted data: a difference is found, none is not reported, and intervals cover as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from munmaek.tasks import classify, regress
from munmaek.tasks.bootstrap import Sample, resampled
from munmaek.tasks.task import Answers


def evidence(right: np.ndarray) -> np.ndarray:
    return np.stack([right, np.ones(len(right))], axis=1).astype(np.float64)


def runs(generator: np.random.Generator, rows: int, means: list[float], hard: np.ndarray) -> list[np.ndarray]:
    """A run a mean: rows right by chance, harder and easier rows the same for all runs."""
    return [evidence(generator.random(rows) < np.clip(mean + hard, 0, 1)) for mean in means]


def test_sums_of_weighted_rows() -> None:
    parts = np.arange(12.0).reshape(4, 3)
    drawn = resampled(parts, draws=4_000)
    assert drawn.shape == (4_000, 3)
    np.testing.assert_allclose(drawn.mean(axis=0), parts.sum(axis=0), rtol=0.05)
    np.testing.assert_allclose(drawn.var(axis=0), (parts**2).sum(axis=0), rtol=0.1)
    np.testing.assert_array_equal(drawn, resampled(parts, draws=4_000))
    np.testing.assert_allclose(resampled(parts[:, :1], draws=50)[:, 0], resampled(parts, draws=50)[:, 0])


def test_the_same_runs_have_no_difference() -> None:
    generator = np.random.default_rng(0)
    sample = Sample(runs(generator, 500, [0.7, 0.72, 0.71], np.zeros(500)), classify.figure)
    assert sample.less(sample) == (0.0, 0.0, 0.0)
    mean, low, high = sample.interval()
    assert low < mean < high


def test_pairing_finds_what_unpaired_intervals_hide() -> None:
    generator = np.random.default_rng(1)
    right = generator.random(2_000) < 0.8
    worse = right & (generator.random(2_000) > 0.01)  # one per cent of what was right is lost
    first, second = Sample([evidence(right)], classify.figure), Sample([evidence(worse)], classify.figure)
    assert second.interval()[2] > first.interval()[1]  # each for itself they overlap
    difference, low, high = first.less(second)
    assert 0 < low < difference < high


def test_seeds_that_disagree_widen_the_interval() -> None:
    generator, hard = np.random.default_rng(2), np.zeros(4_000)
    steady = Sample(runs(generator, 4_000, [0.8] * 5, hard), classify.figure).interval()
    shaky = Sample(runs(generator, 4_000, [0.7, 0.75, 0.8, 0.85, 0.9], hard), classify.figure).interval()
    assert shaky[2] - shaky[1] > 3 * (steady[2] - steady[1])


@pytest.mark.parametrize("seeds", [1, 3, 5])
@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_intervals_of_a_difference_cover(seeds: int, gap: float) -> None:
    generator, covered, said, trials = np.random.default_rng(seeds), 0, 0, 300
    spread = 0.0 if seeds == 1 else 0.02  # one seed says nothing of the spread between seeds
    for _ in range(trials):
        hard = generator.normal(0, 0.1, 800)
        first = Sample(runs(generator, 800, list(0.7 + gap + generator.normal(0, spread, seeds)), hard),
                       classify.figure, draws=200)  # fmt: skip
        second = Sample(runs(generator, 800, list(0.7 + generator.normal(0, spread, seeds)), hard),
                        classify.figure, draws=200)  # fmt: skip
        _, low, high = first.less(second)
        covered += low <= gap <= high
        said += low > 0
    assert 0.91 <= covered / trials <= 0.995
    assert said / trials < 0.05 if gap == 0 else said / trials > 0.4


def test_other_numbers_of_seeds_are_compared_by_those_in_both() -> None:
    generator, hard = np.random.default_rng(3), np.zeros(300)
    many = Sample(runs(generator, 300, [0.9, 0.5, 0.5], hard), classify.figure)
    one = Sample(runs(generator, 300, [0.6], hard), classify.figure)
    assert many.less(one)[0] == pytest.approx(many.values[0] - one.values[0])


def test_the_figure_of_all_rows_is_the_tasks_metric() -> None:
    generator = np.random.default_rng(4)
    answers, found, wanted = Answers(("a", "b")), generator.random((50, 2)).astype(np.float32), np.arange(50) % 2
    whole = classify.evidence(answers, found, wanted).sum(axis=0)
    assert classify.figure(whole) == classify.score(answers, found, wanted)["accuracy"]
    values, targets = generator.normal(size=60).astype(np.float32), generator.normal(size=60).astype(np.float32)
    scale = Answers(mean=1.0, scale=2.0)
    whole = regress.evidence(scale, values, targets).sum(axis=0)
    assert regress.figure(whole) == pytest.approx(regress.score(scale, values, targets)["spearman"], abs=1e-9)
    constant = regress.evidence(scale, np.ones(60, np.float32), targets).sum(axis=0)
    assert regress.figure(constant) == 0.0
