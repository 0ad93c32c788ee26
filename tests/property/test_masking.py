"""Statistics of masking: exactly the asked number a row, 80/10/10, everywhere equally, special tokens never."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek.systems.bert.masking import Masker

SPECIAL = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}


def make(lengths: list[int], vocab_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows [CLS] text [SEP] [PAD]..., of the given numbers of tokens; an [UNK] now and then."""
    random = np.random.default_rng(seed)
    width = max(lengths) + 2
    ids = np.zeros((len(lengths), width), dtype=np.int64)
    text = np.zeros(ids.shape, dtype=bool)
    for row, length in enumerate(lengths):
        words = random.integers(5, vocab_size, length)
        words[random.random(length) < 0.05] = 1
        ids[row, : length + 2] = [2, *words, 3]
        text[row, 1 : length + 1] = True
    return ids, text


ROWS = st.lists(st.integers(1, 120), min_size=1, max_size=30)


@settings(max_examples=80, deadline=None)
@given(ROWS, st.floats(0.01, 0.99), st.integers(6, 3000), st.integers(0, 2**40), st.integers(0, 1000))
def test_every_row_hides_exactly_its_number_of_ordinary_tokens(lengths, rate, vocab_size, seed, epoch) -> None:
    ids, text = make(lengths, vocab_size, seed % 1000)
    found = Masker(SPECIAL, vocab_size).hide(ids, text, None, rate, seed, epoch, np.arange(len(ids)))
    for row in range(len(ids)):
        ordinary = int(((ids[row] > 4) & text[row]).sum())
        expected = min(ordinary, max(1, round(rate * ordinary))) if ordinary else 0
        places = found.positions[row][found.weights[row]]
        assert len(places) == expected == len(set(places.tolist()))
        assert (ids[row, places] > 4).all()
        assert (found.ids[row][~text[row]] == ids[row][~text[row]]).all()
        assert (found.ids[row, places] >= 4).all()
        assert (found.labels[row][found.weights[row]] == ids[row, places]).all()


@settings(max_examples=60, deadline=None)
@given(ROWS, st.floats(0.05, 0.6), st.integers(0, 2**40))
def test_whole_words_are_hidden_whole_and_never_none(lengths, rate, seed) -> None:
    ids, text = make(lengths, 100, seed % 1000)
    starts = np.random.default_rng(seed % 997).random(ids.shape) < 0.5
    starts[:, 1] = True
    found = Masker(SPECIAL, 100, whole_word=True).hide(ids, text, starts, rate, seed, 0, np.arange(len(ids)))
    words = np.cumsum(starts, axis=1)
    for row in range(len(ids)):
        ordinary = (ids[row] > 4) & text[row]
        hidden = np.zeros(ids.shape[1], dtype=bool)
        hidden[found.positions[row][found.weights[row]]] = True
        assert not hidden[~ordinary].any()
        for word in np.unique(words[row][ordinary]):
            inside = (words[row] == word) & ordinary
            assert hidden[inside].all() or not hidden[inside].any()
        first_word = words[row] == 1
        if ordinary[first_word].any():
            assert hidden.any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 50))
def test_a_row_does_not_depend_on_the_rows_beside_it(seed, epoch) -> None:
    ids, text = make([30] * 12, 500, 0)
    masker = Masker(SPECIAL, 500)
    whole = masker.hide(ids, text, None, 0.15, seed, epoch, np.arange(12))
    order = np.random.default_rng(seed % 99).permutation(12)[:5]
    part = masker.hide(ids[order], text[order], None, 0.15, seed, epoch, order)
    assert (part.ids == whole.ids[order]).all()
    assert (part.positions == whole.positions[order]).all()


def test_replacements_are_80_10_10_and_uniform_over_ordinary_words() -> None:
    vocab_size = 55
    ids = np.full((20_000, 42), 7)
    ids[:, 0], ids[:, -1] = 2, 3
    text = np.ones(ids.shape, dtype=bool)
    text[:, 0] = text[:, -1] = False
    found = Masker(SPECIAL, vocab_size).hide(ids, text, None, 0.15, 1, 2, np.arange(len(ids)))
    assert found.weights.sum() == 6 * len(ids)
    rows, columns = np.nonzero(found.weights)
    new = found.ids[rows, found.positions[rows, columns]]
    number = len(new)

    def near(count: float, share: float) -> bool:
        return abs(count / number - share) < 4.5 * np.sqrt(share * (1 - share) / number)

    assert near((new == 4).sum(), 0.8)
    assert near((new == 7).sum(), 0.1 + 0.1 / 50)
    others = np.bincount(new, minlength=vocab_size)
    assert not others[[0, 1, 2, 3]].any()
    for word in range(5, vocab_size):
        if word != 7:
            assert near(others[word], 0.1 / 50), word


def test_every_place_is_hidden_equally_often_and_pairs_of_places_are_independent() -> None:
    ids = np.full((20_000, 22), 9)
    ids[:, 0], ids[:, -1] = 2, 3
    text = np.ones(ids.shape, dtype=bool)
    text[:, 0] = text[:, -1] = False
    masker = Masker(SPECIAL, 50)
    hidden = np.zeros((2, *ids.shape), dtype=bool)
    for epoch in (0, 1):
        found = masker.hide(ids, text, None, 0.15, 5, epoch, np.arange(len(ids)))
        rows, columns = np.nonzero(found.weights)
        hidden[epoch, rows, found.positions[rows, columns]] = True
    error = 4.5 * np.sqrt(0.15 * 0.85 / len(ids))
    share = hidden[0].mean(0)
    assert (share[[0, -1]] == 0).all()
    assert (np.abs(share[1:-1] - 0.15) < error).all()
    both = (hidden[0, :, :, None] & hidden[0, :, None, :]).mean(0)[1:-1, 1:-1]
    expected = 3 * 2 / (20 * 19)
    assert (np.abs(both[~np.eye(20, dtype=bool)] - expected) < 5 * np.sqrt(expected / len(ids))).all()
    again = (hidden[0] & hidden[1]).mean(0)[1:-1]
    assert (np.abs(again - 0.15**2) < 5 * np.sqrt(0.15**2 / len(ids))).all()


def test_the_fate_of_a_hidden_token_does_not_depend_on_its_place() -> None:
    ids = np.full((8_000, 12), 9)
    ids[:, 0], ids[:, -1] = 2, 3
    text = np.ones(ids.shape, dtype=bool)
    text[:, 0] = text[:, -1] = False
    found = Masker(SPECIAL, 5000).hide(ids, text, None, 0.5, 8, 0, np.arange(len(ids)))
    rows, columns = np.nonzero(found.weights)
    places = found.positions[rows, columns]
    masked = found.ids[rows, places] == 4
    for place in range(1, 11):
        share = masked[places == place]
        assert abs(share.mean() - 0.8) < 4.5 * np.sqrt(0.16 / len(share))
