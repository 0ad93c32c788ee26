"""Documents cut into pieces of bounded length, and rows of like length put into one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core.runtime import draw, permutation

Ints = NDArray[np.int64]

_ORDER, _BATCHES = 5, 6


@dataclass(frozen=True)
class Chunks:
    """Pieces of documents, in corpus order; none holds tokens of two documents.

    Attributes:
        starts, stops: (chunks,) token places [start, stop) in the shards.
        documents: (chunks,) the document of each.
        low, high: (chunks,) the sentence offsets [low, high) that lie inside the chunk, its ends excluded.
    """

    starts: Ints
    stops: Ints
    documents: Ints
    low: Ints
    high: Ints

    def __len__(self) -> int:
        return len(self.starts)

    def pick(self, chosen: NDArray[Any]) -> Chunks:
        """Some of the chunks."""
        return Chunks(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def cut(shards: Any, room: int) -> Chunks:
    """Documents into chunks of at most `room` tokens: as many whole sentences as fit; a longer sentence is cut."""
    offsets, documents = np.asarray(shards.sentence_offsets), np.asarray(shards.documents, dtype=np.int64)
    borders = np.asarray(shards.document_offsets)
    cursor, end = offsets[borders[documents]], offsets[borders[documents + 1]]
    found: list[tuple[Ints, Ints, Ints]] = []
    while len(documents):
        left = cursor < end
        cursor, end, documents = cursor[left], end[left], documents[left]
        reach = np.minimum(cursor + room, end)
        stop = offsets[np.searchsorted(offsets, reach, side="right") - 1]
        stop = np.where(stop > cursor, stop, reach)
        found.append((cursor, stop, documents))
        cursor = stop
    starts, stops, owners = (np.concatenate(part) for part in zip(*found, strict=True)) if found else [np.zeros(0)] * 3
    order = np.argsort(starts, kind="stable")
    return with_inside(offsets, *(part.astype(np.int64)[order] for part in (starts, stops, owners)))


def with_inside(offsets: Ints, starts: Ints, stops: Ints, documents: Ints) -> Chunks:
    """Pieces [start, stop) of documents with the sentence offsets that lie inside each."""
    low = np.searchsorted(offsets, starts, side="right")
    return Chunks(starts, stops, documents, low, np.maximum(low, np.searchsorted(offsets, stops, side="left")))


def batches_of(lengths: Ints, batch_tokens: int, seed: int, epoch: int) -> list[Ints]:
    """Row numbers of each batch of an epoch, in random order: rows of like length, at most `batch_tokens` padded."""
    num = len(lengths)
    order = np.lexsort((draw(seed, epoch, _ORDER, np.arange(num)), lengths))
    ascending = lengths[order]
    groups: list[Ints] = []
    start = 0
    while start < num:
        stop = min(num, start + max(1, batch_tokens // int(ascending[start])))
        while stop - start > 1 and (stop - start) * int(ascending[stop - 1]) > batch_tokens:
            stop = start + max(1, min(stop - start - 1, batch_tokens // int(ascending[stop - 1])))
        groups.append(order[start:stop])
        start = stop
    return [groups[place] for place in permutation(len(groups), seed, epoch, _BATCHES)]
