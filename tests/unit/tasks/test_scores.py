from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from munmaek.tasks import scores

labels = st.integers(0, 3)
pairs_of_labels = st.lists(st.tuples(labels, labels), min_size=1, max_size=60)
numbers = st.floats(-100, 100, width=32)


@settings(deadline=None, max_examples=50)
@given(pairs_of_labels)
def test_class_metrics_agree_with_scikit_learn(rows: list[tuple[int, int]]) -> None:
    predicted, wanted = np.array(rows).T
    assert scores.accuracy(predicted, wanted) == pytest.approx(metrics.accuracy_score(wanted, predicted))
    expected = metrics.f1_score(wanted, predicted, average="macro", zero_division=0)
    assert scores.macro_f1(predicted, wanted) == pytest.approx(expected)
    assert (
        scores.confusion(predicted, wanted, 4).tolist()
        == metrics.confusion_matrix(wanted, predicted, labels=range(4)).tolist()
    )


def test_unseen_classes_count_as_wrong() -> None:
    predicted, wanted = np.array([0, 1, 1]), np.array([0, 1, -1])
    assert scores.accuracy(predicted, wanted) == pytest.approx(2 / 3)
    assert scores.class_f1(predicted, wanted)[-1] == 0.0
    assert scores.confusion(predicted, wanted, 2).sum() == 2


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(numbers, numbers), min_size=3, max_size=40))
def test_correlations_agree_with_scipy(rows: list[tuple[float, float]]) -> None:
    first, second = np.array(rows, dtype=np.float64).T
    ties_first, ties_second = np.round(first / 40), np.round(second / 40)
    assert scores.ranks(ties_first).tolist() == stats.rankdata(ties_first).tolist()
    if np.ptp(ties_first) and np.ptp(ties_second):
        assert scores.spearman(ties_first, ties_second) == pytest.approx(
            stats.spearmanr(ties_first, ties_second).statistic, abs=1e-9
        )
    if np.ptp(first) > 1e-3 and np.ptp(second) > 1e-3:
        assert scores.pearson(first, second) == pytest.approx(stats.pearsonr(first, second).statistic, abs=1e-6)
    assert scores.mean_squared_error(first, second) == pytest.approx(metrics.mean_squared_error(second, first))


def test_a_constant_side_correlates_with_nothing() -> None:
    assert scores.pearson(np.ones(4), np.arange(4.0)) == 0.0
    assert scores.spearman(np.arange(4.0), np.ones(4)) == 0.0


@pytest.mark.parametrize("freedom", [1, 2, 4, 9, 30, 31, 40, 60, 120, 1000])
def test_t_quantiles_agree_with_scipy(freedom: int) -> None:
    assert scores.t_975(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-4)


def test_the_interval_is_the_textbook_one() -> None:
    values = [0.80, 0.82, 0.79, 0.83, 0.81]
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert scores.half_interval(values) == pytest.approx((high - low) / 2, rel=1e-4)
    assert math.isnan(scores.half_interval([0.8]))


def test_a_summary_has_every_metric() -> None:
    mean, half = scores.summarise([{"a": 1.0, "b": 0.0}, {"a": 3.0, "b": 0.0}])
    assert mean == {"a": 2.0, "b": 0.0}
    assert half["a"] == pytest.approx(12.7062, rel=1e-4)
    assert half["b"] == 0.0
    assert scores.summarise([]) == ({}, {})
