"""Statistics of sentence pairs: half and half, from other documents, and nothing but the text gives them away."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek.systems.bert import samples


def shards(documents: list[list[int]]):
    """Shards of documents given as the lengths of their sentences."""
    lengths = [length for document in documents for length in document]
    return SimpleNamespace(
        sentence_offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        document_offsets=np.concatenate([[0], np.cumsum([len(d) for d in documents])]).astype(np.int64),
        documents=np.arange(len(documents)),
    )


DOCUMENTS = st.lists(st.lists(st.integers(1, 25), min_size=1, max_size=8), min_size=2, max_size=40)


def owner(data, starts: np.ndarray) -> np.ndarray:
    """The document that each token place lies in."""
    borders = data.sentence_offsets[data.document_offsets]
    return np.searchsorted(borders, starts, side="right") - 1


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS, st.integers(8, 60), st.integers(0, 2**40), st.integers(0, 99))
def test_rows_are_sound_whatever_the_documents(documents, room, seed, epoch) -> None:
    data = shards(documents)
    chunks = samples.cut_for_pairs(data, room)
    rows = samples.next_pairs(chunks, data, room, seed, epoch)
    assert rows.labels is not None
    first, second = owner(data, rows.starts[0]), owner(data, rows.starts[1])
    assert (rows.sizes > 0).all()
    assert (rows.sizes.sum(0) <= room).all()
    assert (rows.lengths == rows.sizes.sum(0) + 3).all()
    assert (first == chunks.documents).all()
    assert ((first != second) == (rows.labels == 1)).all(), "label 1 exactly where B is of another document"
    real = rows.labels == 0
    assert (rows.starts[0] + rows.sizes[0] == rows.starts[1])[real].all(), "a real B begins where its A ends"
    borders = set(data.sentence_offsets.tolist())
    assert all(int(start) in borders for start in rows.starts[1]), "B begins with a sentence"
    assert (owner(data, rows.starts[1] + rows.sizes[1] - 1) == second).all(), "B stays in one document"


@settings(max_examples=80, deadline=None)
@given(DOCUMENTS, st.integers(8, 60), st.integers(0, 2**40))
def test_order_pairs_are_neighbours_either_way_round(documents, room, seed) -> None:
    data = shards(documents)
    chunks = samples.cut_for_pairs(data, room)
    rows = samples.ordered_pairs(chunks, data, seed, 0)
    assert rows.labels is not None
    swapped = rows.labels == 1
    first = np.where(swapped, rows.starts[1], rows.starts[0])
    second = np.where(swapped, rows.starts[0], rows.starts[1])
    size = np.where(swapped, rows.sizes[1], rows.sizes[0])
    assert (first == chunks.starts).all()
    assert (first + size == second).all()
    assert (rows.sizes.sum(0) == chunks.stops - chunks.starts).all()


@pytest.fixture(scope="module")
def corpus():
    random = np.random.default_rng(0)
    return shards([random.integers(2, 30, random.integers(2, 9)).tolist() for _ in range(4000)])


ROOM = 60


def all_rows(corpus, kind: str, epochs: int = 4) -> tuple[samples.Rows, samples.Chunks]:
    chunks = samples.cut_for_pairs(corpus, ROOM)
    made = [
        samples.next_pairs(chunks, corpus, ROOM, 11, epoch) if kind == "nsp"
        else samples.ordered_pairs(chunks, corpus, 11, epoch)
        for epoch in range(epochs)
    ]  # fmt: skip
    labels = np.concatenate([rows.labels for rows in made if rows.labels is not None])
    starts, sizes = (np.concatenate([getattr(r, name) for r in made], axis=1) for name in ("starts", "sizes"))
    return samples.Rows(starts, sizes, labels), chunks


@pytest.mark.parametrize("kind", ["nsp", "sop"])
def test_labels_are_half_and_half_and_drawn_anew_each_epoch(corpus, kind: str) -> None:
    rows, chunks = all_rows(corpus, kind)
    labels = rows.labels.reshape(4, len(chunks))
    number = labels.size
    assert abs(labels.mean() - 0.5) < 4.5 * np.sqrt(0.25 / number)
    same = (labels[0] == labels[1]).mean()
    assert abs(same - 0.5) < 4.5 * np.sqrt(0.25 / len(chunks))


def advantage(feature: np.ndarray, labels: np.ndarray) -> float:
    """How far from one half the best rule on one whole number gets: the total variation distance, halved."""
    values = feature - feature.min()
    counts = np.stack([np.bincount(values[labels == label], minlength=values.max() + 1) for label in (0, 1)])
    shares = counts / counts.sum(1, keepdims=True)
    return float(np.abs(shares[0] - shares[1]).sum() / 4)


def test_no_length_gives_a_foreign_b_away(corpus) -> None:
    rows, _ = all_rows(corpus, "nsp", epochs=12)
    labels = rows.labels
    ends = rows.starts[1] + rows.sizes[1]
    whole = np.isin(ends, corpus.sentence_offsets).astype(np.int64)
    sentences = np.searchsorted(corpus.sentence_offsets, ends) - np.searchsorted(
        corpus.sentence_offsets, rows.starts[1]
    )
    shuffled = np.random.default_rng(1).permutation(labels)
    features = {
        "length of A": rows.sizes[0], "length of B": rows.sizes[1], "length": rows.sizes.sum(0),
        "room left": ROOM - rows.sizes.sum(0), "B ends with a sentence": whole, "sentences in B": sentences,
        "B much longer than A": (rows.sizes[1] > 2 * rows.sizes[0]).astype(np.int64),
    }  # fmt: skip
    for name, feature in features.items():
        chance = advantage(feature, shuffled)
        assert advantage(feature, labels) < chance + 0.01, name


def test_a_foreign_b_comes_from_everywhere_and_is_another_one_each_epoch(corpus) -> None:
    rows, chunks = all_rows(corpus, "nsp", epochs=2)
    foreign = rows.labels == 1
    sources = owner(corpus, rows.starts[1])[foreign]
    distances = sources - np.tile(chunks.documents, 2)[foreign]
    assert abs(np.mean(distances > 0) - 0.5) < 0.02
    assert np.median(np.abs(distances)) > 0.2 * 4000
    assert len(np.unique(sources)) > 0.8 * 4000
    number = len(chunks)
    twice = foreign[:number] & foreign[number:]
    assert (rows.starts[1][:number][twice] == rows.starts[1][number:][twice]).mean() < 0.01


def test_every_border_of_a_chunk_is_split_at_equally_often() -> None:
    data = shards([[3, 4, 5, 6]] * 3000)
    chunks = samples.cut_for_pairs(data, 30)
    rows = samples.ordered_pairs(chunks, data, 3, 0)
    firsts = np.where(rows.labels == 1, rows.sizes[1], rows.sizes[0])
    counts = [int((firsts == size).sum()) for size in (3, 7, 12)]
    assert sum(counts) == 3000
    assert max(abs(count - 1000) for count in counts) < 4.5 * np.sqrt(3000 * 2 / 9)
