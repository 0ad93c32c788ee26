"""Whatever text comes: a phrase is its words, in tokens, characters and spans, and the fast path is the full one."""

import unicodedata
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek.data.collocations import with_phrases
from munmaek.data.normalise import normalise
from munmaek.data.phrases import Phrasing
from munmaek.data.shards import build_shards
from munmaek.data.tokenizers import TextTokenizer, train_tokenizer

CORPUS = [["한강 다리 위에 눈이 온다", "뉴욕 타임스 를 읽었다!", "눈이 와서 너무 좋다", "다리 가 아프다"] * 4,
          ["뉴욕 에 눈이 온다", "한강 다리 위에 갔다", "3.5 점", "위에 3.5 점"] * 6]  # fmt: skip
WORDS = [*(word for sentence in dict.fromkeys(s for d in CORPUS for s in d) for word in sentence.split()), "뷁", "_"]
spaces = st.sampled_from([" ", "  ", "\t", "\u3000", "\n", "", " \u200b"])
texts = st.lists(st.tuples(st.sampled_from(WORDS), spaces, st.booleans()), max_size=20).map(
    lambda parts: "".join((unicodedata.normalize("NFD", word) if apart else word) + gap for word, gap, apart in parts)
)


@cache
def trained(kind: str) -> tuple[TextTokenizer, TextTokenizer]:
    """The tokenizer without phrases and with them."""
    if kind == "morpheme-word":
        pytest.importorskip("kiwipiepy")
    plain = train_tokenizer(CORPUS, kind, 200, min_count=1)
    shards = build_shards(CORPUS, plain, Path(mkdtemp()) / "s", corpus_hash="p")
    return plain, with_phrases(shards, plain, Phrasing(3, 3, 1))


@pytest.mark.parametrize("kind", ["word", "morpheme-word"])
@given(text=texts)
@settings(max_examples=150, deadline=None)
def test_phrases_are_their_words(kind: str, text: str) -> None:
    plain, tokenizer = trained(kind)
    assert tokenizer.phrases is not None
    parts, found = plain.encode(text, special=False), tokenizer.encode(text, special=False)
    assert tokenizer.encode_ids([text]) == [found.ids]
    place, spelt = 0, []
    for number, token, (start, end) in zip(found.ids, found.tokens, found.offsets, strict=True):
        first = place
        while place < len(parts.ids) and parts.offsets[place][1] <= end:
            place += 1
        assert (start, end) == (parts.offsets[first][0], parts.offsets[place - 1][1])
        if token != "[UNK]":
            assert token == "_".join(parts.tokens[first:place])
            assert tokenizer.vocab()[token] == number
            spelt += parts.ids[first:place]
            characters = "".join(normalise(text[start:end]).split())
            assert characters == "".join(parts.tokens[first:place])
        else:
            assert place == first + 1, "an unknown word joins nothing"
    assert place == len(parts.ids)
    assert tokenizer.decode(found.ids) == plain.decode(spelt)


@pytest.mark.parametrize("kind", ["word", "morpheme-word"])
def test_there_are_phrases_of_two_words_and_of_three(kind: str) -> None:
    tokens = trained(kind)[1].vocab()
    assert {word.count("_") for word in tokens} >= {0, 1, 2}
