"""Text as a model reads it: a border, a document, a border, the next one; and the rows and windows cut out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core.runtime import permutation, uniform

Ints = NDArray[np.int64]

SHORTEST = 5
"""Tokens of the shortest window, but for the last one."""
SPREAD = 5.0
"""Standard deviation of a window's length, tokens."""
LONGER = 10
"""A window is at most so many tokens longer than asked."""
HALVED = 0.05
"""Share of the windows that are drawn around half the length (Merity 2018 §5)."""
_DOCUMENTS, _HALF, _LENGTH = range(0x51, 0x54)


@dataclass(frozen=True)
class Stream:
    """Documents in some order, each as border, token 1 ... token n (n ... 1 backward); a last border ends it all.

    Attributes:
        ids: tokens of the corpus. firsts, totals: (documents,) place of the first token, and number of tokens.
        starts: (documents,) place of each document's border in the stream. border: its id. backward: see above.
    """

    ids: NDArray[Any]
    firsts: Ints
    totals: Ints
    starts: Ints
    border: int
    backward: bool

    @staticmethod
    def of(data: Any, border: int, backward: bool, order: Ints | None = None) -> Stream:
        """The documents of some shards, in the order of the corpus or in another."""
        documents = np.asarray(data.documents, dtype=np.int64)
        documents = documents if order is None else documents[order]
        borders, offsets = np.asarray(data.document_offsets), np.asarray(data.sentence_offsets)
        firsts = offsets[borders[documents]].astype(np.int64)
        totals = offsets[borders[documents + 1]].astype(np.int64) - firsts
        return Stream(data.ids, firsts, totals, np.cumsum(totals + 1) - totals - 1, border, backward)

    def __len__(self) -> int:
        """Places that have one after them: the predictions."""
        return int(self.totals.sum()) + len(self.totals)

    def at(self, places: Ints) -> Ints:
        """The tokens at some places, of any shape; places past the end are borders."""
        owner = np.searchsorted(self.starts, places, side="right") - 1
        inside = places - self.starts[owner]
        source = self.firsts[owner] + (self.totals[owner] - inside if self.backward else inside - 1)
        is_border = (inside == 0) | (places >= len(self))
        return np.where(is_border, self.border, self.ids[np.clip(source, 0, len(self.ids) - 1)].astype(np.int64))


@dataclass(frozen=True)
class Rows:
    """Whole documents as rows, in pieces of at most `most` tokens: row r reads the stream from begins[r] on."""

    stream: Stream
    begins: Ints
    lengths: Ints

    @staticmethod
    def of(stream: Stream, most: int) -> Rows:
        """Every place of the stream is in one row, no row reads two documents."""
        pieces = -(-(stream.totals + 1) // most)
        owner = np.repeat(np.arange(len(pieces)), pieces)
        inside = (np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * most
        return Rows(stream, stream.starts[owner] + inside, np.minimum(stream.totals[owner] + 1 - inside, most))


@dataclass(frozen=True)
class Lanes:
    """One epoch of a stream side by side: lane b reads places [b * length, (b + 1) * length), window after window.

    Attributes:
        stream: the documents in this epoch's order; fewer places than lanes at its end are read by none.
        count: lanes. cuts: (windows + 1,) where each window begins in its lane.
    """

    stream: Stream
    count: int
    cuts: Ints

    @staticmethod
    def of(data: Any, border: int, backward: bool, window: int, batch_tokens: int, seed: int, epoch: int) -> Lanes:
        """The lanes and windows of an epoch, a pure function of (seed, epoch)."""
        stream = Stream.of(data, border, backward, permutation(len(data.documents), seed, epoch, _DOCUMENTS))
        count = max(1, min(batch_tokens // (window + LONGER), len(stream) // (2 * window)))
        return Lanes(stream, count, window_cuts(len(stream) // count, window, seed, epoch))


def window_cuts(length: int, window: int, seed: int, epoch: int) -> Ints:
    """Where the windows of a lane begin, and its end: their lengths are random around `window` (Merity 2018 §5).

    Each is drawn from Normal(window, 5), one in twenty from Normal(window / 2, 5).
    """
    index = np.arange(length // SHORTEST + 1)
    centre = np.where(uniform(seed, epoch, _HALF, index) < HALVED, window / 2, window)
    radius = np.sqrt(-2 * np.log(1 - uniform(seed, epoch, _LENGTH, index, 0)))
    normal = radius * np.cos(2 * np.pi * uniform(seed, epoch, _LENGTH, index, 1))
    lengths = np.clip(np.rint(centre + SPREAD * normal), SHORTEST, window + LONGER).astype(np.int64)
    cuts = np.concatenate([[0], np.cumsum(lengths)])
    return np.append(cuts[cuts < length], length)
