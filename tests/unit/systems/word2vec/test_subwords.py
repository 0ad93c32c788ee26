"""n-grams and their buckets: fastText's, as gensim has them, and those of jamo, spelt out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek.systems.word2vec import subwords

words_of = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=6)


@given(words_of, st.integers(1, 4), st.integers(0, 3), st.integers(1, 5_000))
@settings(max_examples=100, deadline=None)
def test_buckets_of_characters_are_fasttexts(words: list[str], shortest: int, more: int, buckets: int) -> None:
    inner = pytest.importorskip("gensim.models.fasttext_inner")
    offsets, found = subwords.rows_of(words, "characters", shortest, shortest + more, buckets)
    for number, word in enumerate(words):
        grams = inner.compute_ngrams_bytes(word, shortest, shortest + more)
        expected = [inner.ft_hash_bytes(gram) % buckets for gram in grams]
        assert found[offsets[number] : offsets[number + 1]].tolist() == expected


def hashed(gram: str) -> int:
    value = 2166136261
    for byte in gram.encode():
        value = ((value ^ (byte | (0xFFFFFF00 if byte > 127 else 0))) * 16777619) & 0xFFFFFFFF
    return value % 1_000


def test_jamo_stand_beside_characters() -> None:
    assert subwords.spelt("눈이a값") == "ㄴㅜㄴㅇㅣᴇaㄱㅏㅄ"
    _, found = subwords.rows_of(["눈이"], "jamo", 3, 5, 1_000)
    spelt, word = "<ㄴㅜㄴㅇㅣᴇ>", "<눈이>"
    grams = [spelt[i : i + n] for n in (3, 4, 5) for i in range(len(spelt) - n + 1)]
    grams += [word[i : i + n] for n in (1, 2, 3, 4) for i in range(len(word) - n + 1) if word[i : i + n] not in "<>"]
    assert sorted(found.tolist()) == sorted(map(hashed, grams))


def test_a_word_is_the_mean_of_its_own_row_and_its_grams() -> None:
    words = ["눈이", "배", "영화관에서"]
    offsets, buckets = subwords.rows_of(words, "characters", 2, 3, 50)
    entries = subwords.entries_of(words, "characters", 2, 3, 50)
    for number in range(3):
        rows = entries[1][entries[0][number] : entries[0][number + 1]]
        assert rows.tolist() == [number, *(buckets[offsets[number] : offsets[number + 1]] + 3).tolist()]
    rows, borders = subwords.gathered(entries, np.array([2, 0, 2]))
    assert rows.tolist() == [*np.split(entries[1], entries[0][1:-1])[2], *np.split(entries[1], entries[0][1:-1])[0],
                             *np.split(entries[1], entries[0][1:-1])[2]]  # fmt: skip
    assert borders.tolist() == [0, *np.cumsum(np.diff(entries[0])[[2, 0]]).tolist()]
    assert [len(part) for part in subwords.entries_of(words, "none", 1, 1, 1)] == [1, 0]
