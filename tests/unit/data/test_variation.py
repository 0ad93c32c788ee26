from __future__ import annotations

import pytest

from munmaek.core.errors import RequestError
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.tokenizers import train_tokenizer
from munmaek.data.variation import VariedTokenizer, can_vary

TEXTS = ["눈이 와서 너무 좋다ㅋㅋ", "너의 눈이 너무 예쁘다!", "영화가 정말 재미있었다...", "", "퀡 " + "가" * 70]


@pytest.fixture(scope="module")
def tokenizer():
    lines = [["눈이 와서 너무 좋다ㅋㅋ", "너의 눈이 너무 예쁘다!", "영화가 정말 재미있었다..."] * 20]
    return train_tokenizer(MemoryCorpus(lines), vocab_size=120)


def test_without_dropout_it_is_the_tokenizer(tokenizer) -> None:
    varied = VariedTokenizer(tokenizer, 0.0, seed=1, epoch=0)
    for pairs in (None, TEXTS[::-1]):
        for ours, theirs in zip(varied.encode_batch(TEXTS, pairs), tokenizer.encode_batch(TEXTS, pairs), strict=True):
            assert (ours.ids, ours.type_ids, ours.special) == (theirs.ids, theirs.type_ids, theirs.special)


def test_the_text_stays_whole_and_the_cuts_vary(tokenizer) -> None:
    texts = TEXTS[:3] * 50
    usual = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    varied = [encoding.ids for encoding in VariedTokenizer(tokenizer, 0.3, seed=1, epoch=0).encode_batch(texts)]
    assert [tokenizer.decode(ids) for ids in varied] == [tokenizer.decode(ids) for ids in usual]
    assert sum(a != b for a, b in zip(usual, varied, strict=True)) > 30
    assert len({tuple(ids) for ids in varied[::3]}) > 5, "the same text is cut in many ways"
    assert sum(map(len, varied)) > sum(map(len, usual))


def test_with_certain_dropout_only_characters_are_left(tokenizer) -> None:
    ids = VariedTokenizer(tokenizer, 1.0, seed=1, epoch=0).encode_batch(["눈이 좋다"])[0].ids
    assert tokenizer.decode(ids) == "눈이 좋다"
    assert len(ids) == 2 + 4


def test_cuts_are_a_pure_function_of_seed_and_epoch(tokenizer) -> None:
    def ids(seed: int, epoch: int) -> list[list[int]]:
        return [e.ids for e in VariedTokenizer(tokenizer, 0.3, seed, epoch).encode_batch(TEXTS * 5)]

    assert ids(1, 0) == ids(1, 0)
    assert ids(1, 0) != ids(1, 1)
    assert ids(1, 0) != ids(2, 0)


def test_other_kinds_are_refused() -> None:
    other = train_tokenizer(MemoryCorpus([TEXTS[:3]]), "syllable", 100)
    assert not can_vary(other)
    with pytest.raises(RequestError, match="syllable"):
        VariedTokenizer(other, 0.1, 0, 0)
