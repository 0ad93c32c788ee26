"""Windows hold every token of the second text, within the limit, in every system."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek import systems
from munmaek.data.tokenizers import train_tokenizer
from munmaek.tasks.labelled import tokenise
from munmaek.tasks.windows import windows_of

TEXTS = [
    "김유정은 춘천에서 태어났다.",
    "그의 이름을 딴 역이 있다.",
    "The station is named after him.",
    "했다 갔다 좋았다",
]
ENCODERS = (
    ("bert", "wordpiece"), ("bert", "bpe"), ("gpt", "bpe"), ("elmo", "word"), ("ulmfit", "unigram"),
    ("word2vec", "word"), ("glove", "word"), ("bert", "jamo"), ("bert", "syllable"), ("bert", "morpheme"),
)  # fmt: skip


@pytest.fixture(scope="module")
def encoder():
    """System and kind of tokenizer -> a tiny encoder, made once."""
    made: dict[tuple[str, str], Any] = {}

    def build(name: str, kind: str) -> Any:
        if (name, kind) not in made:
            card = systems.load(name)
            tokenizer = train_tokenizer([[text] for text in TEXTS * 9], kind, 300, min_count=1)
            config = card.config(**card.presets["tiny"], vocab_size=tokenizer.vocab_size)
            made[name, kind] = card.encoder(card.build(config), tokenizer)
        return made[name, kind]

    return build


@pytest.mark.parametrize(("name", "kind"), ENCODERS)
def test_windows_hold_every_character(name: str, kind: str, encoder) -> None:
    loaded = encoder(name, kind)
    long = " ".join(TEXTS * 12)
    texts = ["어디에서?", "언제 " * 30, "?", "?"]
    pairs = ["  " + long + " \n", unicodedata.normalize("NFD", long), "춘천", ""]
    data = tokenise(loaded, texts, pairs, max_length=32, per_token=True, windows=True)
    assert data.origins is not None
    assert max(data.lengths) <= 32
    assert data.num_cut == 1
    counts = [int((data.origins == row).sum()) for row in range(4)]
    assert counts[2:] == [1, 1]
    assert all(3 < count < 1_000 for count in counts[:2])
    covered = [set[int]() for _ in texts]
    for row, part in data.tokens.readings():
        for start, end in data.tokens.spans[part].tolist():
            covered[row].update(range(start, end))
            assert pairs[row][start:end].strip() == pairs[row][start:end]
    for text, found in zip(pairs, covered, strict=True):
        assert found == {place for place, character in enumerate(text) if place in found or not character.isspace()}


@pytest.mark.parametrize(("name", "kind"), ENCODERS)
def test_a_short_text_is_one_reading(name: str, kind: str, encoder) -> None:
    loaded = encoder(name, kind)
    whole = loaded.tokenize(TEXTS[:1], TEXTS[1:2])
    assert [encoding.ids for _, encoding in windows_of(loaded, TEXTS[:1], TEXTS[1:2], len(whole[0].ids))] == [
        whole[0].ids
    ]


def test_neighbours_share_half_and_begin_at_words(encoder) -> None:
    loaded = encoder("bert", "wordpiece")
    text = " ".join(TEXTS * 12)
    found = windows_of(loaded, ["?"], [text], 32)
    spans = [[s for s, k, x in zip(e.offsets, e.type_ids, e.special, strict=True) if k and not x] for _, e in found]
    for (first, *_), before in zip(spans[1:], spans, strict=False):
        assert first[0] == 0 or text[first[0] - 1] == " "
        assert len(before) // 4 < [start for start, _ in before].index(first[0]) <= len(before) // 2


@settings(deadline=None, max_examples=60)
@given(st.text(st.sampled_from("가나 다\u1100\u1161a\n"), max_size=60), st.integers(5, 12))
def test_windows_end(encoder, text: str, limit: int) -> None:
    """Whatever the text, each window begins after the one before, and they reach its end."""
    loaded = encoder("bert", "syllable")
    begun = reached = -1
    for _, window in windows_of(loaded, ["가"], [text], limit):
        spans = [s for s, k, x in zip(window.offsets, window.type_ids, window.special, strict=True) if k and not x]
        assert len(window.ids) <= limit
        if spans:
            assert spans[0][0] > begun
            begun, reached = spans[0][0], max(reached, spans[-1][1])
    assert reached >= len(text.rstrip()) or not text.strip()


def test_no_room_beside_the_question_ends_at_once(encoder) -> None:
    loaded = encoder("bert", "wordpiece")
    assert len(windows_of(loaded, ["어디에서 언제 누가"], ["춘천"], 4)) == 1
