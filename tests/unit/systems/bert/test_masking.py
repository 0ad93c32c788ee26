from __future__ import annotations

import numpy as np
import pytest

from munmaek.core.errors import RequestError
from munmaek.systems.bert.masking import Masker, MaskRate

SPECIAL = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}


@pytest.mark.parametrize(
    ("given", "start", "middle", "end"),
    [(0.15, 0.15, 0.15, 0.15), ("0.15", 0.15, 0.15, 0.15), ("0.30-0.10", 0.3, 0.2, 0.1)]
)  # fmt: skip
def test_mask_rates(given, start: float, middle: float, end: float) -> None:
    rate = MaskRate.parse(given)
    assert [rate.at(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([start, middle, end])
    assert rate.at(7.0) == pytest.approx(end)


@pytest.mark.parametrize("given", [0, 1, -0.1, "lots", "", "0.3-", "0.3-0.2-0.1", "30%", None, float("nan")])
def test_other_mask_rates_are_refused(given) -> None:
    with pytest.raises(RequestError, match="mask_rate"):
        MaskRate.parse(given)


def test_a_vocabulary_of_special_tokens_only_is_refused() -> None:
    with pytest.raises(RequestError, match="special tokens only"):
        Masker(SPECIAL, 5)


def rows(number: int, seq: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(seed).integers(5, 100, (number, seq))
    text = np.ones((number, seq), dtype=bool)
    text[:, 0] = text[:, -1] = False
    ids[:, 0], ids[:, -1] = 2, 3
    return ids, text


def test_the_draw_of_a_row_is_its_own() -> None:
    ids, text = rows(20, 30)
    masker = Masker(SPECIAL, 100)
    whole = masker.hide(ids, text, None, 0.15, 3, 1, np.arange(20))
    part = masker.hide(ids[5:9], text[5:9], None, 0.15, 3, 1, np.arange(5, 9))
    assert (whole.ids[5:9] == part.ids).all()
    for epoch, seed in ((2, 3), (1, 4)):
        other = masker.hide(ids, text, None, 0.15, seed, epoch, np.arange(20))
        assert (other.positions != whole.positions).any()
        assert not (other.ids == whole.ids).all()


def test_padding_does_not_change_the_draw() -> None:
    ids, text = rows(6, 20)
    wide, wide_text = np.pad(ids, ((0, 0), (0, 9))), np.pad(text, ((0, 0), (0, 9)))
    masker = Masker(SPECIAL, 100)
    short = masker.hide(ids, text, None, 0.3, 0, 0, np.arange(6))
    long = masker.hide(wide, wide_text, None, 0.3, 0, 0, np.arange(6))
    assert (long.ids[:, :20] == short.ids).all()
    assert (long.ids[:, 20:] == 0).all()


def test_the_input_is_left_alone_and_labels_are_what_stood_there() -> None:
    ids, text = rows(50, 40)
    before = ids.copy()
    found = Masker(SPECIAL, 100).hide(ids, text, None, 0.15, 0, 0, np.arange(50))
    assert (ids == before).all()
    for row in range(50):
        places = found.positions[row][found.weights[row]]
        assert len(set(places.tolist())) == len(places)
        assert (found.labels[row][found.weights[row]] == ids[row, places]).all()
        unchanged = np.delete(np.arange(40), places)
        assert (found.ids[row, unchanged] == ids[row, unchanged]).all()
    assert not found.labels[~found.weights].any()
    assert not found.positions[~found.weights].any()


def test_a_row_without_ordinary_tokens_has_no_targets() -> None:
    ids, text = rows(2, 8)
    ids[0, 1:-1] = 1
    found = Masker(SPECIAL, 100).hide(ids, text, None, 0.15, 0, 0, np.arange(2))
    assert not found.weights[0].any()
    assert found.weights[1].any()
    assert (found.ids[0] == ids[0]).all()


def test_whole_words_are_hidden_whole() -> None:
    random = np.random.default_rng(1)
    ids, text = rows(400, 42)
    starts = random.random(ids.shape) < 0.4
    starts[:, 1] = True
    found = Masker(SPECIAL, 100, whole_word=True).hide(ids, text, starts, 0.15, 0, 0, np.arange(400))
    words = np.cumsum(starts, axis=1)
    for row in range(400):
        hidden = np.zeros(42, dtype=bool)
        hidden[found.positions[row][found.weights[row]]] = True
        assert hidden.any()
        for word in np.unique(words[row, 1:-1]):
            inside = (words[row] == word) & text[row]
            assert hidden[inside].all() or not hidden[inside].any()
    assert abs(found.weights.sum() / 400 - 6) < 0.25


def test_whole_words_without_starts_are_a_mistake() -> None:
    ids, text = rows(1, 8)
    with pytest.raises(AssertionError):
        Masker(SPECIAL, 100, whole_word=True).hide(ids, text, None, 0.15, 0, 0, np.arange(1))
