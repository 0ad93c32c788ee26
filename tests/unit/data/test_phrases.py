from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Plain

from munmaek.core.errors import FormatError, RequestError
from munmaek.data import kinds
from munmaek.data.normalise import Normaliser
from munmaek.data.phrases import Pairs, Phrases, Phrasing, phrasing_of
from munmaek.data.tokenizers import TextTokenizer, load_tokenizer

KEPT = ["new", "times", "a", "b", "c", "new_york", "a_b_c"]
HIDDEN = ["york", "a_b"]
PASSES = [["new york", "a b"], ["a_b c"]]


def made(passes: list[list[str]] = PASSES, kind: str = "word") -> TextTokenizer:
    """york stands in phrases alone, and a_b in a_b_c alone."""
    backend = kinds.finish(kinds.backend_of_words([*KEPT, *HIDDEN]), kind)
    vocabulary = backend.get_vocab(with_added_tokens=True)
    phrases = Phrases(passes, vocabulary, 5 + len(KEPT), vocabulary["[UNK]"])
    return TextTokenizer(backend, kind, normaliser=Normaliser(), phrases=phrases)


def words_of(tokenizer: TextTokenizer, text: str) -> list[str]:
    return tokenizer.encode(text, special=False).tokens


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40),
    st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=10),
)
def test_pairs_join_from_the_left_as_in_a_plain_loop(text: list[tuple[int, bool]], pairs: set[tuple[int, int]]) -> None:
    phrase = {pair: 10 + number for number, pair in enumerate(sorted(pairs, reverse=True))}
    expected: list[tuple[int, int, bool]] = []
    place = 0
    while place < len(text):
        both = tuple(word for word, _ in text[place : place + 2])
        joins = both in phrase and not text[place + 1][1]
        expected.append((phrase[both] if joins else text[place][0], place, text[place][1]))
        place += 2 if joins else 1
    first, second = (np.array([pair[side] for pair in phrase], np.int64) for side in (0, 1))
    table = Pairs(first, second, np.array(list(phrase.values()), np.int64))
    words, begins = np.array([word for word, _ in text], np.int64), np.array([begin for _, begin in text], np.bool_)
    found = table.join(words, np.arange(len(words)), begins)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


def test_a_phrase_is_one_token_with_the_span_of_all_its_parts() -> None:
    tokenizer = made()
    text = "a new  york times"
    encoding = tokenizer.encode(text)
    assert encoding.tokens == ["[CLS]", "a", "new_york", "times", "[SEP]"]
    assert [text[start:end] for start, end in encoding.offsets] == ["", "a", "new  york", "times", ""]
    assert encoding.special == [True, False, False, False, True]
    assert encoding.ids == [tokenizer.vocab()[token] for token in encoding.tokens]
    assert tokenizer.decode(encoding.ids) == "a new york times"


def test_what_stands_in_phrases_alone_has_no_vector() -> None:
    tokenizer = made()
    assert words_of(tokenizer, "york new") == ["[UNK]", "new"]
    assert words_of(tokenizer, "a b c") == ["a_b_c"]
    assert words_of(tokenizer, "a b a b c b") == ["a", "b", "a_b_c", "b"], "a_b by itself is its parts again"
    assert set(tokenizer.vocab()) == {*kinds.SPECIALS, *KEPT}
    assert tokenizer.vocab_size == len(tokenizer.vocab())
    with pytest.raises(RequestError, match="no token 'york'"):
        tokenizer.token_id("york")
    offsets = tokenizer.encode("c a b c a b", special=False).offsets
    assert offsets == [(0, 1), (2, 7), (8, 9), (10, 11)]


def test_nothing_joins_across_texts_and_special_tokens() -> None:
    tokenizer = made()
    pair = tokenizer.encode("a new", "york b", special=False)
    assert pair.tokens == ["a", "new", "[UNK]", "b"]
    assert pair.type_ids == [0, 0, 1, 1]
    assert words_of(tokenizer, "new [SEP] york") == ["new", "[SEP]", "[UNK]"]
    assert words_of(tokenizer, "new never york") == ["new", "[UNK]", "[UNK]"]
    assert tokenizer.encode_ids(["new", "york", "", "new york"]) == [
        [tokenizer.token_id("new")], [1], [], [tokenizer.token_id("new_york")],
    ]  # fmt: skip
    assert tokenizer.encode("").ids == [2, 3]


def test_a_saved_tokenizer_keeps_its_phrases(tmp_path: Path) -> None:
    tokenizer = made()
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert again.hash == tokenizer.hash != made([["new york", "a b"], ["a_b c", "c new"][:1], []]).hash
    text = "new york times a b c a b york"
    assert again.encode(text) == tokenizer.encode(text)
    said = json.loads((tmp_path / "munmaek_tokenizer.json").read_text("utf-8"))
    assert said["phrases"] == {"size": 12, "passes": PASSES}
    assert "joins the words" in said["needs"]
    plain = Plain.from_file(str(tmp_path / "tokenizer.json")).encode("new york", add_special_tokens=False)
    assert plain.tokens == ["new", "york"], "without munmaek the words are apart"


@pytest.mark.parametrize(
    "phrases",
    [
        [], "new york", {"size": 12}, {"size": 12, "passes": "new york"}, {"size": 1, "passes": []},
        {"size": 99, "passes": []}, {"size": "12", "passes": []}, {"size": 12, "passes": [["new"]]},
        {"size": 12, "passes": [["new delhi"]]}, {"size": 12, "passes": [["new york times"]]},
        {"size": 12, "passes": [[3]]}, {"size": 12, "passes": [None]},
    ],
)  # fmt: skip
def test_damaged_phrases_are_said(phrases: object, tmp_path: Path) -> None:
    made().save(tmp_path)
    file = tmp_path / "munmaek_tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"phrases": phrases}), "utf-8")
    with pytest.raises(FormatError, match=r"munmaek_tokenizer\.json.*phrases of this tokenizer"):
        load_tokenizer(tmp_path)


def test_thresholds_fall_to_the_one_asked_for() -> None:
    assert [Phrasing(3, 100).threshold_of(number) for number in range(3)] == [400, 200, 100]
    assert phrasing_of(2) == Phrasing(2, 100.0, 5.0)
    assert phrasing_of(Phrasing(1, 7)) == Phrasing(1, 7)
    for values in ((-1,), (11,), (1, 0), (1, float("nan")), (1, float("inf")), (1, 100, -1), (1, 100, float("nan"))):
        with pytest.raises(RequestError, match="--phrase"):
            Phrasing(*values)
