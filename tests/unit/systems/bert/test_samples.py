from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from munmaek.data.chunks import batches_of, cut
from munmaek.systems.bert import samples


def shards(*documents: list[int], view: list[int] | None = None):
    """Shards of documents given as the lengths of their sentences."""
    lengths = [length for document in documents for length in document]
    return SimpleNamespace(
        sentence_offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        document_offsets=np.concatenate([[0], np.cumsum([len(d) for d in documents])]).astype(np.int64),
        documents=np.arange(len(documents)) if view is None else np.array(view, dtype=np.int64),
    )


def spans(chunks: samples.Chunks) -> list[tuple[int, int, int]]:
    return list(zip(chunks.starts.tolist(), chunks.stops.tolist(), chunks.documents.tolist(), strict=True))


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([[3, 4], [5]], [(0, 7, 0), (7, 12, 1)]),
        ([[6, 6, 6]], [(0, 6, 0), (6, 12, 0), (12, 18, 0)]),
        ([[4, 4, 4, 4, 4]], [(0, 8, 0), (8, 16, 0), (16, 20, 0)]),
        ([[25, 3]], [(0, 10, 0), (10, 20, 0), (20, 28, 0)]),
        ([[2, 25]], [(0, 2, 0), (2, 12, 0), (12, 22, 0), (22, 27, 0)]),
        ([[10], [10]], [(0, 10, 0), (10, 20, 1)]),
        ([[0, 3, 0]], [(0, 3, 0)]),
        ([[0]], []),
        ([], []),
    ],
)
def test_documents_are_cut_into_whole_sentences_that_fit(documents, expected) -> None:
    assert spans(cut(shards(*documents), 10)) == expected


def test_a_view_gives_its_documents_only() -> None:
    data = shards([3, 4], [5], [1, 1], view=[0, 2])
    assert spans(cut(data, 10)) == [(0, 7, 0), (12, 14, 2)]


def test_every_token_is_in_one_chunk_and_none_crosses_a_document() -> None:
    random = np.random.default_rng(0)
    documents = [random.integers(1, 40, random.integers(1, 9)).tolist() for _ in range(200)]
    data = shards(*documents)
    chunks = cut(data, 30)
    assert chunks.starts[0] == 0
    assert (chunks.starts[1:] == chunks.stops[:-1]).all()
    assert chunks.stops[-1] == data.sentence_offsets[-1]
    assert (chunks.stops - chunks.starts).max() <= 30
    first = data.sentence_offsets[data.document_offsets[chunks.documents]]
    last = data.sentence_offsets[data.document_offsets[chunks.documents + 1]]
    assert ((first <= chunks.starts) & (chunks.stops <= last)).all()


def test_pairs_need_two_sentences_and_a_lonely_one_takes_in_the_one_before() -> None:
    data = shards([4, 4, 2], [9], [6, 4, 3, 5])
    chunks = samples.cut_for_pairs(data, 9)
    assert spans(chunks) == [(0, 8, 0), (4, 10, 0), (25, 32, 2), (29, 37, 2)]
    inside = [data.sentence_offsets[low:high].tolist() for low, high in zip(chunks.low, chunks.high, strict=True)]
    assert inside == [[4], [8], [29], [32]]


def test_a_sentence_cut_in_two_gives_no_pair_of_halves() -> None:
    data = shards([25, 3])
    chunks = samples.cut_for_pairs(data, 10)
    assert spans(chunks) == [(20, 28, 0)]
    assert data.sentence_offsets[chunks.low[0] : chunks.high[0]].tolist() == [25]


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([1, 2, 1, 2], [1, 2, 3, 0]),
        ([1, 1, 2, 2], [2, 2, 0, 0]),
        ([1, 1, 1, 2, 1], [3, 3, 3, 4, 3]),
        ([1, 1, 1], [0, 1, 2]),
        ([4], [0]),
    ],
)
def test_the_next_place_of_another_document_on_a_circle(documents, expected) -> None:
    assert samples._next_other(np.array(documents)).tolist() == expected


def test_batches_hold_every_row_once_within_their_budget() -> None:
    lengths = np.random.default_rng(0).integers(3, 129, 5000)
    groups = batches_of(lengths, 4096, 7, 2)
    assert sorted(np.concatenate(groups).tolist()) == list(range(5000))
    padded = [len(group) * int(lengths[group].max()) for group in groups]
    assert max(padded) <= 4096
    assert sum(padded) / lengths.sum() < 1.02
    assert np.mean(padded) > 0.97 * 4096 * (len(groups) - 2) / len(groups)


def test_batches_are_a_pure_function_of_seed_and_epoch_and_differ_between_them() -> None:
    lengths = np.random.default_rng(0).integers(3, 40, 600)

    def of(seed: int, epoch: int) -> list[list[int]]:
        return [group.tolist() for group in batches_of(lengths, 512, seed, epoch)]

    assert of(1, 0) == of(1, 0)
    assert of(1, 0) != of(1, 1)
    assert of(1, 0) != of(2, 0)
    assert {tuple(sorted(group)) for group in of(1, 0)} != {tuple(sorted(group)) for group in of(1, 1)}
    assert sorted(map(len, of(1, 0))) != [len(group) for group in of(1, 0)]


def test_a_row_longer_than_the_budget_is_a_batch_of_its_own() -> None:
    groups = batches_of(np.array([50, 3, 60]), 10, 0, 0)
    assert sorted(group.tolist() for group in groups) == [[0], [1], [2]]
