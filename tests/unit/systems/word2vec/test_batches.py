"""Which pieces of a corpus are a batch, beside a list of all of them."""

from __future__ import annotations

from itertools import pairwise
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek.data.shards import build_shards
from munmaek.data.tokenizers import tokenizer_of_words
from munmaek.systems.word2vec import objective

WORDS = [f"w{number}" for number in range(40)]


def listed(shards, most: int, batch_tokens: int) -> list[list[list[int]]]:
    """Every batch as its pieces' ids, from the first sentence to the last."""
    pieces = []
    for document in shards.documents.tolist():
        for sentence in shards.document(document):
            parts = -(-len(sentence) // most)
            cuts = [number * len(sentence) // parts for number in range(parts + 1)]
            pieces += [sentence[a:b].tolist() for a, b in pairwise(cuts)]
    batches: list[list[list[int]]] = [[]]
    for piece in pieces:
        if batches[-1] and sum(map(len, batches[-1])) + len(piece) > batch_tokens:
            batches.append([])
        batches[-1].append(piece)
    return batches


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=6), min_size=2, max_size=30),
    st.integers(1, 25), st.integers(25, 90), st.integers(1, 40), st.data(),
)  # fmt: skip
def test_batches_are_runs_of_all_pieces(lengths, most, batch_tokens, at_once, data) -> None:
    drawn = np.random.default_rng(0)
    documents = [[" ".join(drawn.choice(WORDS, size)) for size in document] for document in lengths]
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(objective, "_AT_ONCE", at_once)
        tokenizer = tokenizer_of_words(WORDS)
        whole = build_shards(documents, tokenizer, folder, corpus_hash="")
        chosen = data.draw(st.sets(st.integers(0, len(documents) - 1), min_size=1))
        shards = whole.subset(sorted(chosen))
        made = objective.Word2VecObjective(tokenizer, most, (np.zeros(1, np.int64), np.zeros(0, np.int64)))
        num = made.epoch_batches(shards, seed=0, epoch=0, batch_tokens=batch_tokens)
        stream = made.batches(shards, seed=0, batch_tokens=batch_tokens)
        found = {}
        for batch in (next(stream) for _ in range(num)):
            offsets, ids = batch.arrays["offsets"], batch.arrays["input_ids"]
            cut = [part.tolist() for part in np.split(ids, offsets[1:-1])]
            found.update(zip(batch.sample_ids.tolist(), cut, strict=True))
            assert batch.num_tokens == len(ids) <= batch_tokens
        expected = listed(shards, most, batch_tokens)
    assert num == len(expected)
    assert [found[number] for number in range(len(found))] == [piece for batch in expected for piece in batch]
