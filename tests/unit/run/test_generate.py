from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from munmaek.core.contracts import Encoding
from munmaek.core.errors import CheckpointError, RequestError
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run.generate import Sampling, choose, probabilities, stream

LOGITS = np.log(np.array([0.4, 0.3, 0.2, 0.1]))


class Told:
    """A language model that writes what it was told, token by token; `begin` and `advance` are all it has."""

    def __init__(self, tokenizer: Any, ids: Sequence[int], end: int | None = None) -> None:
        self.tokenizer, self.ids, self.end = tokenizer, list(ids), end

    def begin(self, text: str) -> tuple[np.ndarray, int]:
        return self._logits(0), 0

    def advance(self, state: int, token: int) -> tuple[np.ndarray, int]:
        assert token == self.ids[state], "each token is read once, in its order"
        return self._logits(state + 1), state + 1

    def _logits(self, place: int) -> np.ndarray:
        logits = np.zeros(self.tokenizer.vocab_size, np.float32)
        logits[self.ids[place] if place < len(self.ids) else self.end] = 50.0
        return logits


def written(model: Told, prompt: str = "", **settings: Any) -> tuple[list[str], Any]:
    pieces, generator = [], stream(model, prompt, Sampling(**{"temperature": 0.0, **settings}))
    while True:
        try:
            pieces.append(next(generator))
        except StopIteration as end:
            return pieces, end.value


@pytest.fixture(scope="module")
def bpe():
    return train_tokenizer(MemoryCorpus([["눈이 와서 너무 좋다", "배를 타고 섬에 갔다. 정말"]] * 20), "bpe", 80)


# ---- the sampler ----------------------------------------------------------------------------------------------------


def test_temperature_scales_logits() -> None:
    np.testing.assert_allclose(probabilities(LOGITS, Sampling()), [0.4, 0.3, 0.2, 0.1])
    squared = np.array([0.16, 0.09, 0.04, 0.01])
    np.testing.assert_allclose(probabilities(LOGITS, Sampling(temperature=0.5)), squared / squared.sum())
    assert probabilities(LOGITS, Sampling(temperature=0.0)).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"top_k": 2}, [4 / 7, 3 / 7, 0, 0]), ({"top_k": 99}, [0.4, 0.3, 0.2, 0.1]),
        ({"top_p": 0.69}, [4 / 7, 3 / 7, 0, 0]), ({"top_p": 0.71}, [4 / 9, 3 / 9, 2 / 9, 0]),
        ({"top_p": 1e-9}, [1, 0, 0, 0]), ({"top_k": 3, "top_p": 0.5}, [4 / 7, 3 / 7, 0, 0]),
    ],
)  # fmt: skip
def test_top_k_and_top_p(settings: dict[str, Any], expected: list[float]) -> None:
    np.testing.assert_allclose(probabilities(LOGITS, Sampling(**settings)), expected)


def test_top_k_takes_k_among_equals() -> None:
    assert np.count_nonzero(probabilities(np.zeros(10), Sampling(top_k=3))) == 3


def test_some_tokens_are_never_written() -> None:
    assert probabilities(LOGITS, Sampling(), never=[0])[0] == 0
    assert choose(LOGITS, Sampling(temperature=0.0), 0, never=[0]) == 1


def test_tokens_are_drawn_as_often_as_they_are_likely_and_the_seed_decides() -> None:
    drawn = [choose(LOGITS, Sampling(seed=3), place) for place in range(20_000)]
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    np.testing.assert_allclose(shares, [0.4, 0.3, 0.2, 0.1], atol=4 * 0.5 / np.sqrt(len(drawn)))
    assert drawn[:50] == [choose(LOGITS, Sampling(seed=3), place) for place in range(50)]
    assert drawn[:50] != [choose(LOGITS, Sampling(seed=4), place) for place in range(50)]
    assert {choose(LOGITS, Sampling(top_k=2), place) for place in range(200)} == {0, 1}


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1.0}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.1}, {"max_tokens": 0}, {"stop": ("",)}]
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=f"--{next(iter(wrong)).replace('_', '-')}"):
        Sampling(**wrong)


def test_logits_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(CheckpointError, match="not numbers"):
        probabilities(np.array([0.0, np.nan]), Sampling())


# ---- writing --------------------------------------------------------------------------------------------------------


def test_pieces_make_the_text_and_the_end_token_ends_it(bpe) -> None:
    prompt, text = "눈이", " 와서 너무 좋다"
    ids = bpe.encode(prompt + text, special=False).ids[len(bpe.encode(prompt, special=False).ids) :]
    pieces, result = written(Told(bpe, ids, bpe.token_id("sep")), prompt)
    assert "".join(pieces) == result.text == text
    assert len(pieces) > 1
    assert all(pieces)
    assert (result.finished, result.num_tokens, result.prompt) == ("end", len(ids), prompt)


def test_the_longest_continuation(bpe) -> None:
    ids = bpe.encode("눈이 와서 너무 좋다", special=False).ids
    pieces, result = written(Told(bpe, ids), max_tokens=3)
    assert (result.finished, result.num_tokens) == ("length", 3)
    assert "".join(pieces) == result.text == bpe.decode(ids[:3])


@pytest.mark.parametrize(
    ("stop", "expected"),
    [((". 정",), "배를 타고 섬에 갔다"), (("없다",), None), (("섬에", "타고"), "배를 "), (("배",), "")],
)
def test_a_stop_string_is_never_shown_even_in_part(bpe, stop: tuple[str, ...], expected: str | None) -> None:
    whole = "배를 타고 섬에 갔다. 정말"
    pieces, result = written(Told(bpe, bpe.encode(whole, special=False).ids, bpe.token_id("sep")), stop=stop)
    assert "".join(pieces) == result.text == (whole if expected is None else expected)
    assert result.finished == ("end" if expected is None else "stop")


def test_special_tokens_are_not_written(bpe) -> None:
    model = Told(bpe, [bpe.token_id("mask")] * 9)
    logits, _ = model.begin("")
    from munmaek.run.generate import _never_written

    assert choose(logits, Sampling(), 0, _never_written(model)) != bpe.token_id("mask")


def test_a_syllable_is_shown_when_nothing_can_join_it() -> None:
    """Jamo by jamo 눈 is 누 before it is 눈: what was shown is never taken back."""
    jamo = train_tokenizer(MemoryCorpus([["눈이 와서", "물을 마셨다"]] * 3), "jamo", 75)
    ids = jamo.encode("눈물을 마셨다", special=False).ids
    assert len(ids) > len("눈물을 마셨다")
    pieces, result = written(Told(jamo, ids, jamo.token_id("sep")))
    assert "".join(pieces) == result.text == "눈물을 마셨다"
    assert not any(piece in ("누", "무") for piece in pieces)


class Bytes:
    """UTF-8 bytes as tokens, as a byte-level vocabulary has them; what is not whole yet decodes to U+FFFD."""

    kind, vocab_size = "bpe", 257

    def encode(self, text: str, pair: str | None = None, *, special: bool = True) -> Encoding:
        ids = list(text.encode())
        return Encoding(ids, [], [], [], [])

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(ids).decode("utf-8", "replace")

    def token_id(self, name: str) -> int:
        raise RequestError(f"the vocabulary has no token {name!r}")


def test_a_character_is_shown_when_its_bytes_are_whole() -> None:
    text = "배 고프다 🍐!"
    pieces, result = written(Told(Bytes(), text.encode(), 256), "내 ")
    assert "".join(pieces) == result.text == text
    assert all(len(piece) == 1 for piece in pieces)
    cut, short = written(Told(Bytes(), text.encode()), max_tokens=4)
    assert "".join(cut) == short.text
    assert short.text.startswith("배")
