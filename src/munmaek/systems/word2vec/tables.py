"""What is computed from the words' counts before training: who is kept, who is drawn, and the Huffman tree."""

from __future__ import annotations

import heapq
from array import array

import numpy as np
from numpy.typing import NDArray

_FULL = 2**32 - 1
NO_PATHS = np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.uint8)
"""In place of `huffman_paths` where there is no tree."""


def keep_table(counts: NDArray[np.int64], threshold: float) -> NDArray[np.uint32]:
    """For each word what 32 random bits may be at most for it to stay; 0 for words that never do.

    A word of frequency f stays with probability (sqrt(f / t) + 1) t / f, as in the original program.
    Deviates: Mikolov 2013b eq. 5 has sqrt(t / f). Threshold 0 keeps every word that occurs.
    """
    share = counts / max(1, counts.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = (np.sqrt(share / threshold) + 1) * threshold / share if threshold else np.ones(len(counts))
    return np.where(counts > 0, np.maximum(1, np.minimum(kept, 1) * _FULL), 0).astype(np.uint32)


def alias_table(counts: NDArray[np.int64], power: float) -> NDArray[np.uint32]:
    """A table to draw words with probability proportional to count^power, in constant time (Walker 1977).

    Returns:
        (vocabulary, 2): of a column drawn evenly, the bound below which 32 further bits mean the column's own word,
        and the word that they mean otherwise.
    """
    weights = np.where(counts > 0, np.maximum(counts, 1).astype(np.float64) ** power, 0.0)
    share = weights / weights.sum() * len(counts)
    bounds, other = np.ones(len(counts)), np.arange(len(counts))
    low, high = (array("q", np.flatnonzero(side).tobytes()) for side in (share < 1, share >= 1))
    while low and high:
        small, large = low.pop(), high[-1]
        bounds[small], other[small] = share[small], large
        share[large] -= 1 - share[small]
        if share[large] < 1:
            low.append(high.pop())
    if low:  # left over by rounding: as good as full, but a word that never occurs must not be drawn
        for column in low:
            if counts[column] == 0:
                bounds[column], other[column] = 0, int(counts.argmax())
    return np.stack([np.minimum(bounds * 2.0**32, _FULL).astype(np.uint32), other.astype(np.uint32)], axis=1)


def huffman_paths(
    counts: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8]]:
    """The way from the root to every word in a Huffman tree of the counts (Mikolov 2013a §2.2; Morin 2005).

    Returns:
        offsets (vocabulary + 1), and for each word inner nodes and turns (0 left, 1 right), the root first. Words that
        never occur have no way. Inner node n is numbered n, below the number of words that occur.
    """
    occurring = np.flatnonzero(counts > 0)
    heap = [(int(counts[word]), number, int(word)) for number, word in enumerate(occurring)]
    heapq.heapify(heap)
    parent: dict[int, tuple[int, int]] = {}
    for number in range(len(occurring) - 1):
        node = len(counts) + number
        (left_count, _, left), (right_count, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        parent[left], parent[right] = (number, 0), (number, 1)
        heapq.heappush(heap, (left_count + right_count, len(counts) + number, node))
    ways: list[list[tuple[int, int]]] = [[] for _ in counts]
    for word in occurring.tolist():
        place = word
        while place in parent:
            ways[word].append(parent[place])
            place = len(counts) + parent[place][0]
        ways[word].reverse()
    offsets = np.concatenate([[0], np.cumsum([len(way) for way in ways])]).astype(np.int64)
    steps = np.array([step for way in ways for step in way], dtype=np.int64).reshape(-1, 2)
    return offsets, steps[:, 0].astype(np.int32), steps[:, 1].astype(np.uint8)
