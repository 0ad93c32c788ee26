from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_ngram import BEGIN, END, FALLBACK, UNKNOWN, KneserNey, Text, grams, predicted

from munmaek.core.errors import DataError
from munmaek.systems.ngram import counting, smoothing
from munmaek.systems.ngram.model import Level, Ngram, NgramConfig

SIZE = 9
A, B, C = 5, 6, 7
DOCUMENTS = st.lists(
    st.lists(st.lists(st.sampled_from([1, 5, 6, 7, 8]), min_size=1, max_size=8), min_size=1, max_size=3),
    min_size=1, max_size=6,
)  # fmt: skip


def counted(
    documents: Sequence[Sequence[Sequence[int]]], order: int, context: str = "document", block: int = 10**6
) -> list[counting.Counts]:
    shares: list[float] = []
    with TemporaryDirectory() as folder:
        text = Text(documents, SIZE, Path(folder) / "shards")
        found = counting.count(text, order, begin=BEGIN, end=END, context=context,
                               memory=block * counting.BLOCK_BYTES, progress=shares.append)  # fmt: skip
        assert list(Path(folder).iterdir()) == []
    assert shares == sorted(shares)
    assert order == 1 or shares[-1] == 1.0
    return found


def words_of(levels: Sequence[counting.Counts | Level], place: int) -> list[tuple[int, ...]]:
    """The n-grams of a level, from its keys."""
    if place == 0:
        return [(word,) for word in range(SIZE)]
    shorter = words_of(levels, place - 1)
    return [(int(key % SIZE), *shorter[int(key // SIZE)]) for key in levels[place].keys]


def filled(documents: Sequence[Sequence[Sequence[int]]], order: int, context: str = "document") -> Ngram:
    levels, _ = smoothing.estimate(counted(documents, order, context), begin=BEGIN, predicted=predicted(SIZE))
    model = Ngram(NgramConfig(SIZE, order=order))
    model.fill(levels)
    return model


def distribution(model: Ngram, history: Sequence[int]) -> np.ndarray:
    """p of every word after a history in reading order."""
    room = model.config.order - 1
    nearest = [*reversed(history), *[-1] * room][:room]
    row = torch.tensor(nearest, dtype=torch.int64).expand(SIZE, room)
    return model(row, torch.arange(SIZE)).double().exp().numpy()


def flat(documents: Sequence[Sequence[Sequence[int]]], context: str) -> list[list[int]]:
    if context == "sentence":
        return [list(sentence) for document in documents for sentence in document]
    return [[word for sentence in document for word in sentence] for document in documents]


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS, st.integers(1, 5), st.sampled_from(["document", "sentence"]), st.sampled_from([1, 3, 7, 10**6]))
def test_counting_equals_a_dictionary(documents: list[list[list[int]]], order: int, context: str, block: int) -> None:
    levels = counted(documents, order, context, block)
    expected = grams(flat(documents, context), order)
    for place, level in enumerate(levels):
        found = dict(zip(words_of(levels, place), level.counts.tolist(), strict=True))
        assert {gram: count for gram, count in found.items() if count} == dict(expected[place])
        assert (level.keys[1:] > level.keys[:-1]).all()


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS, st.integers(1, 5), st.sampled_from(["document", "sentence"]), st.data())
def test_probabilities_are_those_of_the_paper_and_sum_to_one(
    documents: list[list[list[int]]], order: int, context: str, data: st.DataObject
) -> None:
    model = filled(documents, order, context)
    plain = KneserNey(flat(documents, context), order, SIZE)
    seen = [(BEGIN, *text) for text in flat(documents, context)]
    tried = [(), (BEGIN,), *(text[: 1 + len(text) // 2] for text in seen[:3]), seen[0]]
    tried.append(tuple(data.draw(st.lists(st.sampled_from([1, 5, 6, 7, 8]), max_size=6))))
    for history in tried:
        found = distribution(model, history)
        assert found.sum() == pytest.approx(1.0, abs=1e-5)
        assert found[~predicted(SIZE)].max() == 0.0
        expected = [plain.probability(word, history) for word in np.flatnonzero(predicted(SIZE)).tolist()]
        np.testing.assert_allclose(found[predicted(SIZE)], expected, rtol=2e-6)


EXAMPLE = [[[A, B]], [[A, B]], [[A, C]]]
"""a b, a b, a c.

Pairs: <s> a 3, a b 2, a c 1, b </s> 2, c </s> 1, so t1 = 2, t2 = 2, t3 = 1, t4 = 0 and Y = 2 / (2 + 2·2) = 1/3:
D1 = 1 - 2/3·2/2 = 1/3, D2 = 2 - 1·1/2 = 3/2, D3 = 3 - 4/3·0 = 3.
Single words follow: a 1, b 1, c 1, </s> 2 others; t3 = 0, so their discounts are 1/2, 1, 3/2. They leave
(3·1/2 + 1) / 5 = 1/2, shared evenly by a, b, c, </s>, [UNK] and the vocabulary's one other word.
"""


def test_a_worked_example() -> None:
    levels, used = smoothing.estimate(counted(EXAMPLE, 2), begin=BEGIN, predicted=predicted(SIZE))
    assert [discount.estimated for discount in used] == [False, True]
    assert used[0].values == FALLBACK
    assert used[1].values == pytest.approx((1 / 3, 3 / 2, 3))
    model = Ngram(NgramConfig(SIZE, order=2))
    model.fill(levels)
    rest = 0.5 / 6  # a, b, c, </s>, [UNK], and word 8
    single = {A: 0.1 + rest, B: 0.1 + rest, C: 0.1 + rest, END: 0.2 + rest, UNKNOWN: rest, 8: rest}
    after_a, after_b, after_c = (distribution(model, [word]) for word in (A, B, C))
    assert after_a[B] == pytest.approx((2 - 3 / 2) / 3 + 11 / 18 * single[B], rel=1e-6)
    assert after_a[C] == pytest.approx((1 - 1 / 3) / 3 + 11 / 18 * single[C], rel=1e-6)
    assert after_a[A] == pytest.approx(11 / 18 * single[A], rel=1e-6)
    assert after_b[END] == pytest.approx((2 - 3 / 2) / 2 + 3 / 4 * single[END], rel=1e-6)
    assert after_c[END] == pytest.approx((1 - 1 / 3) / 1 + 1 / 3 * single[END], rel=1e-6)
    assert after_c[8] == pytest.approx(1 / 3 * single[8], rel=1e-6)
    assert distribution(model, [BEGIN])[A] == pytest.approx(0 + 1 * single[A], rel=1e-6)
    assert distribution(model, [8])[B] == pytest.approx(single[B], rel=1e-6), "an unseen history leaves all"


@pytest.mark.parametrize(
    ("counts", "estimated"),
    [
        ([1] * 50 + [2] * 20 + [3] * 10 + [4] * 5, True),
        ([1] * 50 + [2] * 20 + [3] * 10, True),
        ([1] * 50 + [2] * 20, False),
        ([2] * 20 + [3] * 10, False),
        ([1] * 2 + [2] * 2 + [3] * 40 + [4] * 50, False),
        ([], False),
    ],
)
def test_discounts_fall_back_where_they_mean_nothing(counts: list[int], estimated: bool) -> None:
    found = smoothing.discounts(np.array(counts, dtype=np.int64))
    assert found.estimated == estimated
    if not estimated:
        assert found.values == FALLBACK
    assert all(0 <= value <= times for times, value in enumerate(found.values, 1))
    assert found.of(np.array([0, 1, 2, 3, 99])).tolist() == [0.0, *found.values, found.values[2]]


def test_the_closed_form_by_hand() -> None:
    """t = 50, 20, 10, 5: Y = 50/90; D1 = 1 - 2Y·20/50, D2 = 2 - 3Y·10/20, D3 = 3 - 4Y·5/10."""
    found = smoothing.discounts(np.array([1] * 50 + [2] * 20 + [3] * 10 + [4] * 5 + [9] * 3))
    assert found.values == pytest.approx((1 - 4 / 9, 2 - 5 / 6, 3 - 10 / 9))


def test_what_is_left_is_never_infinite() -> None:
    model = filled([[[A, B, C] * 30]], 3)
    for level in model.levels():
        assert np.isfinite(level.log_probs).all()
        assert np.isfinite(level.backoffs).all()
    assert distribution(model, [A]).sum() == pytest.approx(1, abs=1e-6)


def test_nothing_to_count_is_told() -> None:
    with pytest.raises(DataError, match="no text"):
        counted([], 2)


def test_an_uncounted_model_is_even() -> None:
    model = Ngram(NgramConfig(SIZE, order=3))
    found = model(torch.tensor([[5, 6], [-1, -1]]), torch.tensor([7, 2]))
    assert found.tolist() == pytest.approx([-math.log(SIZE)] * 2)
