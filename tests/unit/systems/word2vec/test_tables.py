"""Who stays, who is drawn, and the tree: each against what its formula says."""

from __future__ import annotations

import heapq
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek.systems.word2vec import tables

counts_of = st.lists(st.integers(0, 10_000), min_size=1, max_size=60).filter(any)


def test_frequent_words_stay_as_often_as_the_original_program_says() -> None:
    counts = np.array([0, 1, 1000, 100_000, 898_999])
    kept = tables.keep_table(counts, 1e-3) / 2**32
    share = counts / counts.sum()
    expected = [min(1.0, (np.sqrt(f / 1e-3) + 1) * 1e-3 / f) for f in share[1:]]
    assert kept[0] == 0
    assert kept[1:] == pytest.approx(expected, abs=1e-6)
    assert tables.keep_table(counts, 0.0).tolist() == [0, *[2**32 - 1] * 4]


@given(counts_of, st.sampled_from([0.0, 0.5, 0.75, 1.0]))
@settings(max_examples=100, deadline=None)
def test_a_word_is_drawn_in_proportion_to_its_power(counts: list[int], power: float) -> None:
    table = tables.alias_table(np.array(counts), power)
    chance = np.zeros(len(counts))
    for column, (bound, other) in enumerate(table):
        chance[column] += bound / 2**32
        chance[other] += 1 - bound / 2**32
    weights = np.array([count**power if count else 0.0 for count in counts])
    np.testing.assert_allclose(chance / len(counts), weights / weights.sum(), atol=1e-6)
    assert all(chance[word] == 0 for word, count in enumerate(counts) if count == 0)


def least_bits(counts: list[int]) -> int:
    """The cost of any optimal prefix code: the sum over merges of the merged weights."""
    heap, cost = [c for c in counts if c], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        cost += both
        heapq.heappush(heap, both)
    return cost


@given(counts_of)
@settings(max_examples=100, deadline=None)
def test_the_tree_is_a_huffman_tree(counts: list[int]) -> None:
    offsets, nodes, turns = tables.huffman_paths(np.array(counts))
    ways = [tuple(zip(nodes[a:b].tolist(), turns[a:b].tolist(), strict=True)) for a, b in pairwise(offsets)]
    assert sum(len(way) * count for way, count in zip(ways, counts, strict=True)) == least_bits(counts)
    occurring = [way for way, count in zip(ways, counts, strict=True) if count]
    assert all(not way for way, count in zip(ways, counts, strict=True) if not count)
    assert len(set(occurring)) == len(occurring)
    codes = ["".join(str(turn) for _, turn in way) for way in occurring]
    assert all(not b.startswith(a) for a in codes for b in codes if a != b), "a prefix code"
    assert nodes.max(initial=-1) < max(1, len(occurring) - 1)
