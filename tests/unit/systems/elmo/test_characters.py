"""Spelling in both kinds of characters, and words that the vocabulary lacks."""

from __future__ import annotations

import numpy as np
import pytest

from munmaek.core.errors import RequestError
from munmaek.data.normalise import normalise
from munmaek.data.tokenizers import TextTokenizer
from munmaek.systems.elmo.characters import (
    BEGIN_TEXT,
    BEGIN_WORD,
    END_TEXT,
    END_WORD,
    FILL,
    HANGUL,
    KINDS,
    Speller,
    num_symbols,
    spell,
)
from munmaek.systems.elmo.encoder import ElmoEncoder


def test_bytes_are_spelt_with_bilm_tf_s_numbers() -> None:
    assert spell("ab", "bytes", 50) == [259, ord("a") + 1, ord("b") + 1, 260]
    assert spell("눈", "bytes", 50) == [259, *(byte + 1 for byte in "눈".encode()), 260]
    long = spell("x" * 60, "bytes", 50)
    assert len(long) == 50
    assert (long[0], long[-1]) == (BEGIN_WORD, END_WORD)
    assert (BEGIN_TEXT, END_TEXT, FILL) == (257, 258, 261)


def test_a_syllable_is_one_symbol_and_other_characters_are_bytes() -> None:
    symbols = spell("눈ㅋA–", "syllable", 50)
    assert symbols[1:3] == [HANGUL["눈"], HANGUL["ㅋ"]]
    assert symbols[3:-1] == [byte + 1 for byte in "A–".encode()]
    assert len(HANGUL) == 11_172 + 256 + 51
    assert sorted(HANGUL.values()) == list(range(262, num_symbols("syllable")))
    assert len(spell("가" * 99, "syllable", 50)) == 50
    with pytest.raises(RequestError, match="bytes, syllable"):
        num_symbols("letters")


@pytest.mark.parametrize("kind", KINDS)
def test_the_vocabulary_is_spelt_as_its_strings(words: TextTokenizer, kind: str) -> None:
    speller = Speller(words, kind, 50)
    for word, number in words.vocab().items():
        row = [symbol for symbol in speller.rows(np.array([number]))[0].tolist() if symbol != FILL]
        ends = {words.token_id("cls"): [259, 257, 260], words.token_id("sep"): [259, 258, 260]}
        assert row == ends.get(number, spell(word, kind, 50))


def test_unknown_words_keep_their_characters_where_only_ids_are_kept(build, words) -> None:
    encoder = ElmoEncoder(build(), words)
    text = "눈이 처음보는낱말 또처음 처음보는낱말"
    (encoding,) = encoder.tokenize([text])
    assert encoding.tokens[2:5] == ["처음보는낱말", "또처음", "처음보는낱말"]
    assert encoding.ids[2] == encoding.ids[4] != encoding.ids[3]
    assert min(encoding.ids[2:5]) >= words.vocab_size
    again = ElmoEncoder(build(), words)  # another encoder of the same tokenizer
    found = again.speller.rows(np.array(encoding.ids))
    assert [s for s in found[3].tolist() if s != FILL] == spell("또처음", "bytes", 50)
    assert again.tokenize([text])[0].ids == encoding.ids
    assert again.tokenize(["하나더"])[0].ids[1] not in encoding.ids
    decomposed = normalise(text, "NFD")
    (other,) = encoder.tokenize([decomposed])
    assert other.ids == encoding.ids
    assert decomposed[slice(*other.offsets[3])] == normalise("또처음", "NFD")


def test_different_unknown_words_have_different_vectors(build, words) -> None:
    import torch

    encoder = ElmoEncoder(build().eval(), words)
    arrays = encoder.collate(encoder.tokenize(["없는말 다른말", "없는말 다른말"], ["없는말", "다른말"]))
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    with torch.no_grad():
        states = encoder.forward(inputs, all_layers=True)
    assert torch.equal(states[0, 0, 1], states[0, 1, 1])
    assert torch.equal(states[0, 0, 4], states[0, 0, 1])
    assert not torch.equal(states[0, 1, 4], states[0, 0, 4])
    size = encoder.dim // 2
    assert torch.equal(states[0, :, :, :size], states[0, :, :, size:])
