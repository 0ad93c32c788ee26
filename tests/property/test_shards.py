"""Whatever documents come: borders are where the sentences end, views and splits cover each document once."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek.data.shards import build_shards
from munmaek.data.tokenizers import train_tokenizer

TOKENIZER = train_tokenizer([["눈이 와서 너무 좋다", "배가 고프다"] * 3], "wordpiece", 100)
sentence = st.text(st.sampled_from("눈이와서 배가\x00ㅋ"), max_size=12)
corpora = st.lists(st.lists(sentence, max_size=4), min_size=1, max_size=12)


@given(corpora, st.floats(0, 1), st.integers(0, 2**40))
@settings(max_examples=40, deadline=None)
def test_borders_views_and_splits(documents: list[list[str]], share: float, seed: int) -> None:
    expected = [[ids for ids in TOKENIZER.encode_ids(document) if ids] for document in documents if document]
    expected = [document for document in expected if document]
    if not expected:
        return
    with tempfile.TemporaryDirectory() as folder:
        shards = build_shards(documents, TOKENIZER, Path(folder) / "s", corpus_hash="x")
        assert [[ids.tolist() for ids in shards.document(i)] for i in range(shards.num_documents)] == expected
        assert (np.diff(shards.sentence_offsets) > 0).all()
        assert (np.diff(shards.document_offsets) > 0).all()
        assert shards.word_starts[shards.sentence_offsets[:-1]].all()
        train, held = shards.split(share, seed)
        assert sorted([*train.documents, *held.documents]) == list(range(len(expected)))
        assert train.num_tokens + held.num_tokens == shards.num_tokens
        assert train.num_sentences + held.num_sentences == shards.num_sentences
        assert train.num_characters + held.num_characters == shards.num_characters
        assert held.num_documents <= len(expected) // 2
        del shards, train, held
