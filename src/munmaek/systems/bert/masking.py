"""Which tokens of a row are hidden, and what stands in their place (Devlin 2018 §3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import RequestError
from munmaek.core.runtime import integers, uniform

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_SCORE, _COIN, _WHAT, _WORD = range(16, 20)
MASKED, RANDOM = 0.8, 0.1
"""Of the chosen tokens, the share replaced by [MASK] and by a random token; the rest stay as they are."""


@dataclass(frozen=True)
class MaskRate:
    """Share of a row's tokens that is hidden, from `first` at the start of training linearly to `last` at its end."""

    first: float
    last: float

    def at(self, progress: float) -> float:
        """The rate when `progress` (0 to 1) of the training is done."""
        return self.first + (self.last - self.first) * min(1.0, max(0.0, progress))

    @staticmethod
    def parse(value: Any) -> MaskRate:
        """Read 0.15 or "0.30-0.15"; RequestError for anything else or outside (0, 1)."""
        try:
            parts = [float(part) for part in str(value).split("-")]
        except ValueError:
            parts = []
        if len(parts) not in (1, 2) or not all(0.0 < part < 1.0 for part in parts):
            raise RequestError(
                f"{value!r} is not a mask rate",
                where="mask_rate",
                fix="Write a share such as 0.15, or two, from start to end of training: 0.30-0.15.",
            )
        return MaskRate(parts[0], parts[-1])


@dataclass(frozen=True)
class Masked:
    """What `hide` did to a batch of rows.

    Attributes:
        ids: (rows, seq) with the replacements in place.
        positions, labels: (rows, most) columns hidden, and the tokens that stood there; 0 beyond a row's own number.
        weights: (rows, most) True at hidden tokens.
    """

    ids: Ints
    positions: Ints
    labels: Ints
    weights: Bools


class Masker:
    """Hides tokens of rows; what it does to a row is a pure function of (seed, epoch, sample).

    Args:
        special: the tokenizer's special tokens, name -> id; they are never hidden and never a random replacement.
        vocab_size: entries of the vocabulary.
        whole_word: hide all tokens of an eojeol or none.
    """

    def __init__(self, special: Mapping[str, int], vocab_size: int, whole_word: bool = False) -> None:
        self.mask_id = special["mask"]
        self.whole_word = whole_word
        self.ordinary = np.ones(vocab_size, dtype=bool)
        self.ordinary[list(special.values())] = False
        self.replacements = np.flatnonzero(self.ordinary)
        if not len(self.replacements):
            raise RequestError("the vocabulary holds special tokens only", where="tokenizer")

    def hide(
        self, ids: Ints, text: Bools, word_starts: Bools | None, rate: float, seed: int, epoch: int, samples: Ints
    ) -> Masked:
        """Hide max(1, round(rate x tokens)) ordinary tokens of each row: 80 % [MASK], 10 % random, 10 % unchanged.

        Whole words are taken in random order; the one that crosses that number is taken or left so that the expected
        number is exact, and the first is always taken.

        Args:
            ids: (rows, seq). text: (rows, seq) True where a token of the text stands.
            word_starts: (rows, seq) True where an eojeol begins; needed for whole words.
            samples: (rows,) the number of each row in the epoch.
        """
        open_ = text & self.ordinary[ids]
        num = open_.sum(1)
        wanted = np.minimum(np.maximum(1, np.rint(rate * num)).astype(np.int64), num)
        which = samples[:, None]
        columns = np.arange(ids.shape[1])
        scores = uniform(seed, epoch, which, _SCORE, columns)
        if self.whole_word:
            assert word_starts is not None
            coins = uniform(seed, epoch, samples, _COIN)
            order, chosen = _whole_words(scores, open_, word_starts, wanted, coins)
        else:
            order = np.argsort(np.where(open_, scores, 2.0), axis=1)
            chosen = columns < wanted[:, None]
        most = max(1, int(chosen.sum(1).max()))
        weights = chosen[:, :most]
        positions = np.where(weights, order[:, :most], 0)
        labels = np.where(weights, np.take_along_axis(ids, positions, 1), 0)
        fate = uniform(seed, epoch, which, _WHAT, positions)
        words = self.replacements[integers(len(self.replacements), seed, epoch, which, _WORD, positions)]
        new = np.where(fate < MASKED, self.mask_id, np.where(fate < MASKED + RANDOM, words, labels))
        rows, places = np.nonzero(weights)
        ids = ids.copy()
        ids[rows, positions[rows, places]] = new[rows, places]
        return Masked(ids, positions, labels, weights)


def _whole_words(
    scores: NDArray[np.float64], open_: Bools, word_starts: Bools, wanted: Ints, coins: NDArray[np.float64]
) -> tuple[Ints, Bools]:
    """Columns of each row with the words in random order, and which of them are hidden: always the first few."""
    num_rows, seq = scores.shape
    columns = np.arange(seq)
    first = np.maximum.accumulate(np.where(word_starts, columns, 0), axis=1)
    order = np.argsort(np.where(open_, np.take_along_axis(scores, first, 1), 2.0), axis=1, kind="stable")
    word = np.take_along_axis(first, order, 1)
    flat = (np.arange(num_rows)[:, None] * seq + first)[open_]
    sizes = np.bincount(flat, minlength=num_rows * seq).reshape(num_rows, seq)
    size = np.take_along_axis(sizes, word, 1)
    opens = np.ones_like(word, dtype=bool)
    opens[:, 1:] = word[:, 1:] != word[:, :-1]
    before = np.maximum.accumulate(np.where(opens, columns, 0), axis=1)
    share = (wanted[:, None] - before) / np.maximum(size, 1)
    chosen = ((share > coins[:, None]) | (before == 0)) & np.take_along_axis(open_, order, 1)
    return order, chosen
