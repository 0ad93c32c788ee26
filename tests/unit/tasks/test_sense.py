"""Sense separation: 0.5 for one vector for ever, 1 for two clouds, equal to scikit-learn's area on random numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from munmaek.tasks.sense import area, best_threshold, pair_cosines, separation


def test_one_vector_for_ever_is_blind() -> None:
    vectors = np.tile(np.random.default_rng(0).normal(size=50).astype(np.float32), (8, 1))
    assert separation(vectors, ["snow"] * 4 + ["eye"] * 4) == 0.5


def test_two_clouds_are_one() -> None:
    noise = np.random.default_rng(0).normal(size=(8, 20)) * 0.01
    vectors = noise + np.repeat(np.eye(2, 20), 4, axis=0)
    assert separation(vectors, ["snow"] * 4 + ["eye"] * 4) == 1.0
    assert separation(vectors, ["snow", "eye"] * 4) < 0.5


def test_area_equals_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    positives, negatives = rng.integers(0, 9, 40) / 1.0, rng.integers(0, 7, 60) / 1.0
    expected = roc_auc_score([1] * 40 + [0] * 60, [*positives, *negatives])
    assert area(positives, negatives) == pytest.approx(expected)


def test_no_pair_to_compare_is_nan() -> None:
    assert math.isnan(separation(np.eye(3), ["a", "a", "a"]))
    assert math.isnan(separation(np.eye(3), ["a", "b", "c"]))


def test_equal_vectors_tie_at_one_however_they_were_summed() -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 2, 300)).astype(np.float32)
    assert set(pair_cosines(vectors, vectors * np.float32(1.0000001)).ravel().tolist()) == {1.0}
    assert pair_cosines(vectors, -vectors).min() == -1.0
    assert pair_cosines(np.zeros((1, 4)), np.ones((1, 4))).tolist() == [0.0]


def test_the_best_threshold_is_what_trying_all_finds() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        cosines, same = rng.integers(0, 12, 25) / 12, rng.random(25) < 0.5
        threshold, accuracy = best_threshold(cosines, same)
        assert accuracy == pytest.approx(np.mean((cosines >= threshold) == same))
        tried = [float(np.mean((cosines >= value) == same)) for value in np.linspace(-1, 2, 601)]
        assert accuracy == pytest.approx(max(tried))


def test_without_a_difference_the_threshold_says_the_commoner_answer() -> None:
    ones = np.ones(10)
    assert best_threshold(ones, np.arange(10) < 6) == (-1.0, 0.6)
    assert best_threshold(ones, np.arange(10) < 4) == (2.0, 0.6)
