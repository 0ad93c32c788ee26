"""Which tokens a training row holds: chunks of documents as one segment, or as pairs of sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core.runtime import draw, integers, uniform
from munmaek.data.chunks import Chunks, cut, with_inside

Ints = NDArray[np.int64]

_SPLIT, _SWAP, _TIES, _SIDE = range(1, 5)


@dataclass(frozen=True)
class Rows:
    """The rows of one epoch: tokens [start, start + size) of segment A, of segment B, and the pair's label.

    Attributes:
        starts, sizes: (2, rows); a row without a segment B has size 0 there.
        labels: (rows,) 1 where B does not follow A; None without pairs.
    """

    starts: Ints
    sizes: Ints
    labels: Ints | None = None

    @property
    def lengths(self) -> Ints:
        """(rows,) tokens of each, [CLS] and [SEP] included."""
        return self.sizes.sum(0) + 1 + (self.sizes > 0).sum(0)


def cut_for_pairs(shards: Any, room: int) -> Chunks:
    """Chunks of two sentences or more; one that would hold a single sentence takes in the sentence before it."""
    offsets, borders = np.asarray(shards.sentence_offsets), np.asarray(shards.document_offsets)
    chunks = cut(shards, room)
    lonely = chunks.low == chunks.high
    earlier = offsets[np.maximum(np.searchsorted(offsets, chunks.starts, side="left") - 1, 0)]
    fits = (earlier >= offsets[borders[chunks.documents]]) & (chunks.stops - earlier <= room)
    starts = np.where(lonely & fits, earlier, chunks.starts)
    chunks = with_inside(offsets, starts, chunks.stops, chunks.documents)
    return chunks.pick(chunks.low < chunks.high)


def singles(chunks: Chunks) -> Rows:
    """Every chunk as one segment; the same in every epoch."""
    none = np.zeros(len(chunks), dtype=np.int64)
    return Rows(np.stack([chunks.starts, none]), np.stack([chunks.stops - chunks.starts, none]))


def _split(chunks: Chunks, offsets: Ints, seed: int, epoch: int) -> Rows:
    index = np.arange(len(chunks))
    place = chunks.low + integers(chunks.high - chunks.low, seed, epoch, _SPLIT, index)
    border = offsets[place]
    return Rows(np.stack([chunks.starts, border]), np.stack([border - chunks.starts, chunks.stops - border]))


def ordered_pairs(chunks: Chunks, shards: Any, seed: int, epoch: int) -> Rows:
    """Sentence order prediction (Lan 2020 §3.1): A and B in their order (0), or exchanged (1), one to one."""
    rows = _split(chunks, np.asarray(shards.sentence_offsets), seed, epoch)
    swapped = uniform(seed, epoch, _SWAP, np.arange(len(chunks))) < 0.5
    starts, sizes = (np.where(swapped, part[::-1], part) for part in (rows.starts, rows.sizes))
    return Rows(starts, sizes, swapped.astype(np.int64))


def next_pairs(chunks: Chunks, shards: Any, room: int, seed: int, epoch: int) -> Rows:
    """Next sentence prediction (Devlin 2018 §3.1): half of the rows get their B from another document (label 1).

    That B is the B of the row whose B is next in length, longer or shorter by a coin, ties in random order: so real
    and foreign B's are the same sentences, of the same lengths, ending the same way, and only what they say differs.

    Deviates: the released code fills a foreign B up to the row's room from a random place, which makes its pairs
    longer than real ones; and it moves the sentences that a foreign B displaces to the next row.
    """
    rows = _split(chunks, np.asarray(shards.sentence_offsets), seed, epoch)
    index = np.arange(len(chunks))
    order = np.lexsort((draw(seed, epoch, _TIES, index), rows.sizes[1]))
    after, before = np.empty_like(order), np.empty_like(order)
    after[order] = order[_next_other(chunks.documents[order])]
    backward = order[::-1]
    before[backward] = backward[_next_other(chunks.documents[backward])]
    side = uniform(seed, epoch, _SIDE, index) < 0.5
    partner, other = np.where(side, after, before), np.where(side, before, after)
    too_long = rows.sizes[0] + rows.sizes[1][partner] > room
    partner = np.where(too_long, other, partner)
    foreign = (uniform(seed, epoch, _SWAP, index) < 0.5) & (chunks.documents[partner] != chunks.documents)
    starts, sizes = rows.starts.copy(), rows.sizes.copy()
    starts[1] = np.where(foreign, rows.starts[1][partner], starts[1])
    sizes[1] = np.where(foreign, np.minimum(rows.sizes[1][partner], room - sizes[0]), sizes[1])
    return Rows(starts, sizes, foreign.astype(np.int64))


def _next_other(documents: Ints) -> Ints:
    """For each place of a circle the next place that holds another document (itself where there is none)."""
    num = len(documents)
    changes = np.flatnonzero(documents != np.roll(documents, -1))
    if not len(changes):
        return np.arange(num)
    follow = np.searchsorted(changes, np.arange(num))
    return (changes[follow % len(changes)] + 1) % num
