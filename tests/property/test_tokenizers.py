"""Whatever text comes: ids do not depend on its Unicode form, offsets lie in it, the fast path is the full one."""

import unicodedata
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek.data.merges import learn_merges
from munmaek.data.normalise import align, normalise
from munmaek.data.tokenizers import TextTokenizer, train_tokenizer

KINDS = ["wordpiece", "bpe", "unigram", "syllable", "jamo", "word", "morpheme-word"]
CORPUS = [["눈이 와서 너무 좋다ㅋㅋ", "너의 눈이 너무 예쁘다!", "값을 치르고 밖에서 읽었다", "Cafe au lait 3.5"] * 3]
korean = st.text(
    st.sampled_from("가각눈이와서너무좋다ㅋㅠ값 !.a3É漢\u1102\u116e\u11ab\u0301\u200b\t\u3000☆"), max_size=40
)
anything = st.text(max_size=40)
texts = st.one_of(korean, anything, st.text(st.characters(categories=["Cs", "Lo", "Mn", "Zs", "Cc"]), max_size=20))


@cache
def trained(kind: str) -> TextTokenizer:
    return train_tokenizer(CORPUS, kind, 150)


@given(texts)
@settings(max_examples=300, deadline=None)
def test_align_is_normalise_with_spans_in_order(text: str) -> None:
    clean, starts, ends = align(text)
    assert clean == normalise(text) == normalise(clean)
    assert len(clean) == len(starts) == len(ends)
    assert all(0 <= start < end <= len(text) for start, end in zip(starts, ends, strict=True))
    assert starts == sorted(starts)
    assert ends == sorted(ends)


@pytest.mark.parametrize("kind", KINDS)
@given(text=texts)
@settings(max_examples=60, deadline=None)
def test_ids_and_offsets(kind: str, text: str) -> None:
    tokenizer = trained(kind)
    encoding = tokenizer.encode(text)
    assert len(encoding.ids) == len(encoding.offsets) == len(encoding.tokens) == len(encoding.special)
    assert all(0 <= start <= end <= len(text) for start, end in encoding.offsets)
    inside = [span for span, special in zip(encoding.offsets, encoding.special, strict=True) if not special]
    assert inside == sorted(inside)
    fast = tokenizer.encode_ids([text])[0]
    if any(token in text for token in tokenizer.special_tokens.values()):
        assert not {0, 2, 3, 4} & set(fast)  # the fast path takes "[MASK]" for characters, the full one for the token
    else:
        assert fast == tokenizer.encode(text, special=False).ids


@pytest.mark.parametrize("kind", KINDS)
@given(text=korean)
@settings(max_examples=60, deadline=None)
def test_unicode_forms_give_the_same_ids(kind: str, text: str) -> None:
    tokenizer = trained(kind)
    assert tokenizer.encode(unicodedata.normalize("NFD", text)).ids == tokenizer.encode(normalise(text)).ids


@pytest.mark.parametrize("kind", ["bpe", "unigram", "syllable", "jamo"])
@given(
    words=st.lists(
        st.text(st.sampled_from("눈이와서너무좋다ㅋ!예쁘값을치르고밖에서읽었Cafeault35."), min_size=1, max_size=8)
    )
)
@settings(max_examples=60, deadline=None)
def test_known_characters_round_trip(kind: str, words: list[str]) -> None:
    text = " ".join(words)
    ids = trained(kind).encode_ids([text])[0]
    assert trained(kind).decode(ids) == text


def plainly(words: dict[str, int], size: int) -> list[str]:
    """Byte-pair merges as the paper has them, slowly: count all pairs anew for every merge."""
    split = {word: list(word) for word in words}
    symbols = sorted({character for word in words for character in word})
    number = {symbol: i for i, symbol in enumerate(symbols)}
    while len(symbols) < size:
        counts: dict[tuple[int, int], int] = {}
        for word, parts in split.items():
            for left, right in pairwise(parts):
                key = number[left], number[right]
                counts[key] = counts.get(key, 0) + words[word]
        if not counts:
            break
        left, right = min(counts, key=lambda key: (-counts[key], key))
        merged = symbols[left] + symbols[right]
        if merged not in number:
            number[merged] = len(symbols)
            symbols.append(merged)
        for word, parts in split.items():
            joined: list[str] = []
            place = 0
            while place < len(parts):
                here = parts[place : place + 2] == [symbols[left], symbols[right]]
                joined.append(merged if here else parts[place])
                place += 2 if here else 1
            split[word] = joined
    return symbols


@given(st.dictionaries(st.text("abcd", min_size=1, max_size=8), st.integers(1, 20), min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_fast_merges_are_the_plain_ones(words: dict[str, int]) -> None:
    alphabet = sorted({character for word in words for character in word})
    flat = np.asarray([alphabet.index(c) for word in words for c in word], dtype=np.int32)
    lengths = np.asarray([len(word) for word in words])
    counts = np.asarray(list(words.values()))
    fast = learn_merges(flat, lengths, counts, alphabet, 30, join=lambda a, b: a + b, least=1)
    assert fast.symbols == plainly(words, 30)
