from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek import tasks
from munmaek.core.errors import DataError, RequestError
from munmaek.data.tables import Columns, Table
from munmaek.tasks.classify import strata
from munmaek.tasks.examples import Examples, describe, from_table, subset


def table(texts: list[str], labels: list[str | None], pairs: list[str] | None = None) -> Table:
    return Table(Path("f.tsv"), Columns("text"), texts, pairs, labels, {"not JSON": 2}, 1)


def test_training_drops_what_teaches_nothing_and_says_so() -> None:
    rows = table(["a", " ", "c", "d"], ["1", "0", None, "0"])
    train, test = from_table(rows, training=True), from_table(rows, training=False)
    assert (train.texts, train.labels) == (["a", "d"], ["1", "0"])
    assert (test.texts, test.labels) == (["a", " ", "d"], ["1", "0", "0"])
    assert len(train.notes) == 4
    assert "1 of 4 rows have no label" in train.notes[2]
    assert "1 of 4 rows have an empty text, left out of the training" in train.notes[3]
    assert "scored like any other" in test.notes[3]


def test_a_pair_with_one_text_is_kept() -> None:
    rows = table(["", "", "b"], ["1", "0", "1"], ["x", "", ""])
    assert from_table(rows, training=True).pairs == ["x", ""]


def test_a_table_without_a_usable_row_is_an_error() -> None:
    with pytest.raises(DataError, match="none of 2 rows has both"):
        from_table(table(["a", "b"], [None, None]), training=True)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=80), st.integers(0, 5), st.data())
def test_subsets_are_nested_and_look_like_the_whole(groups: list[int], seed: int, data: st.DataObject) -> None:
    labels = np.array(groups)
    small = data.draw(st.integers(1, len(groups)))
    large = data.draw(st.integers(small, len(groups)))
    chosen, more = subset(labels, small, seed), subset(labels, large, seed)
    assert len(chosen) == len(set(chosen.tolist())) == small
    assert set(chosen.tolist()) <= set(more.tolist())
    assert subset(labels, len(groups), seed).tolist() == list(range(len(groups)))
    if small >= len(set(groups)):
        assert set(labels[chosen].tolist()) == set(groups)


def test_a_subset_keeps_the_shares_and_follows_the_seed() -> None:
    labels = np.repeat([0, 1, 2], [6000, 3000, 1000])
    counts = Counter(labels[subset(labels, 100, 3)].tolist())
    assert all(abs(counts[group] - share) <= 2 for group, share in ((0, 60), (1, 30), (2, 10)))
    assert subset(labels, 100, 3).tolist() == subset(labels, 100, 3).tolist()
    overlap = set(subset(labels, 100, 3).tolist()) & set(subset(labels, 100, 4).tolist())
    assert len(overlap) < 20


def test_every_row_is_as_likely_as_any_other() -> None:
    labels = np.repeat([0, 1], 50)
    drawn = Counter(row for seed in range(400) for row in subset(labels, 20, seed).tolist())
    assert set(drawn) == set(range(100))
    assert max(drawn.values()) < 80 + 5 * 8  # the mean is 80, the standard deviation 8
    assert min(drawn.values()) > 80 - 5 * 8


def test_more_labels_than_there_are_is_an_error() -> None:
    with pytest.raises(RequestError, match="10 labels were asked for; the training rows that can be used are 3"):
        subset(np.zeros(3, dtype=int), 10, 0)


def test_numbers_are_stratified_by_rank() -> None:
    groups = tasks.load("regress").strata([str(n) for n in range(100)])
    assert np.bincount(groups).tolist() == [10] * 10
    assert strata(["b", "a", "b"]).tolist() == [1, 0, 1]


def said(train: list[str], dev: list[str]) -> str:
    first = Examples([f"t{n}" for n in range(len(train))], None, train, "train.tsv")
    second = Examples([f"t{n}" for n in range(len(dev))], None, dev, "dev.tsv")
    answers = tasks.load("classify").fit(train, "train.tsv")
    return "\n".join(describe(first, second, answers))


def test_what_is_odd_is_said() -> None:
    found = said(["좋음"] * 95 + ["나쁨"] * 3 + ["글쎄"] * 2, ["좋음", "나쁨", "모름"])
    assert "100 labels of 3 classes: 좋음 95, 나쁨 3, 글쎄 2" in found
    assert "lopsided: 글쎄 has 2 rows and 좋음 95; always answering 좋음 scores 95.0 % accuracy" in found
    assert "fewer than three rows, which can hardly be learnt: 글쎄" in found
    assert "1 dev rows have classes that no training row has (모름)" in found
    assert "classes without a dev row, so their scores are unknown: 글쎄" in found
    assert "3 of 3 dev rows are also training rows" in found


def test_nothing_odd_is_said_of_even_labels() -> None:
    even = Examples([f"t{n}" for n in range(10)], None, ["0", "1"] * 5, "f")
    dev = Examples(["x", "y"], None, ["0", "1"], "g")
    assert describe(even, dev, tasks.load("classify").fit(even.labels, "f")) == ["10 labels of 2 classes: 0 5, 1 5"]
