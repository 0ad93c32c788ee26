"""generate: a prompt in, its continuation out, piece by piece, from any system that predicts the next token."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from munmaek.core.contracts import LanguageModel, Tokenizer
from munmaek.core.errors import CheckpointError, RequestError
from munmaek.core.runtime import uniform
from munmaek.data.korean import is_syllable
from munmaek.run.model import Model, load

SAMPLE_STREAM = 0x6E
NEVER = ("pad", "unk", "cls", "sep", "mask")
"""Special tokens that are never written; the one that ends a text ends it."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        temperature: what logits are divided by; 0 always takes the likeliest token.
        top_k: only the k likeliest tokens; 0 is all. top_p: only the fewest tokens that together have this probability
            (Holtzman 2020 §3.1).
        max_tokens: longest continuation. stop: strings that end it; they are not part of it.
        seed: where randomness starts; the same seed gives the same text.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    max_tokens: int = 100
    stop: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        checks = (
            ("--temperature", self.temperature, 0 <= self.temperature < float("inf"), "0 or more"),
            ("--top-k", self.top_k, self.top_k >= 0, "0 (all tokens) or more"),
            ("--top-p", self.top_p, 0 < self.top_p <= 1, "more than 0, at most 1"),
            ("--max-tokens", self.max_tokens, self.max_tokens >= 1, "1 or more"),
        )
        for name, value, sound, wanted in checks:
            if not sound:
                raise RequestError(f"it is {value:g}", where=name, fix=f"Give {wanted}.")
        if not all(self.stop):
            raise RequestError("a stop string is empty", where="--stop", fix="Leave it out, or give some text.")


@dataclass(frozen=True)
class Generated:
    """A continuation.

    Attributes:
        prompt: as given. text: what was written after it. num_tokens: how many tokens that took.
        finished: "end": the model ended the text; "stop": at a stop string; "length": max_tokens were written.
    """

    prompt: str
    text: str
    num_tokens: int
    finished: str


def generate(
    model: Model | str | Path,
    prompt: str = "",
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    max_tokens: int = 100,
    stop: Sequence[str] = (),
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Generated:
    """Continue a prompt; see `Sampling` for the arguments.

    Args:
        model: a folder, or a loaded model. progress: gets each piece of the text as soon as it is settled.
    Raises:
        RequestError: an argument out of range, or a system that predicts no next token.
    """
    model = model if isinstance(model, Model) else load(model)
    stop = (stop,) if isinstance(stop, str) else tuple(stop)
    pieces = stream(model.language_model(), prompt, Sampling(temperature, top_k, top_p, max_tokens, stop, seed))
    while True:
        try:
            piece = next(pieces)
        except StopIteration as end:
            return end.value
        if progress is not None:
            progress(piece)


def stream(model: LanguageModel, prompt: str, sampling: Sampling) -> Generator[str, None, Generated]:
    """The pieces of a continuation as they are settled, none empty; its value at the end is the whole."""
    writing = _Writing(model.tokenizer, prompt, sampling.stop)
    never = _never_written(model)
    logits, state = model.begin(prompt)
    ids: list[int] = []
    finished = "length"
    while len(ids) < sampling.max_tokens:
        token = choose(logits, sampling, len(ids), never)
        if token == model.end:
            finished = "end"
            break
        ids.append(token)
        piece = writing.add(token)
        if piece:
            yield piece
        if writing.stopped:
            finished = "stop"
            break
        if len(ids) < sampling.max_tokens:
            logits, state = model.advance(state, token)
    rest = writing.rest()
    if rest:
        yield rest
    return Generated(prompt, writing.text, len(ids), finished)


def choose(logits: NDArray[np.floating], sampling: Sampling, place: int, never: Sequence[int] = ()) -> int:
    """The token at a place of the continuation, a pure function of (logits, sampling, place)."""
    shares = probabilities(logits, sampling, never)
    if sampling.temperature == 0:
        return int(shares.argmax())
    sums = np.cumsum(shares)
    found = int(np.searchsorted(sums, float(uniform(sampling.seed, SAMPLE_STREAM, place)) * sums[-1], side="right"))
    return min(found, int(np.flatnonzero(shares)[-1]))


def probabilities(logits: NDArray[np.floating], sampling: Sampling, never: Sequence[int] = ()) -> NDArray[np.float64]:
    """What each token is drawn with, `(vocab,)`, adding up to 1: temperature first, then top-k, then top-p.

    CheckpointError where logits are no numbers.
    """
    values = np.asarray(logits, dtype=np.float64).copy()
    if np.isnan(values).any() or not np.isfinite(values).any():
        raise CheckpointError("the model's outputs are not numbers: its weights are damaged", fix="Train it again.")
    values[list(never)] = -np.inf
    order = np.argsort(-values, kind="stable")
    if sampling.temperature == 0:
        return np.eye(1, len(values), order[0])[0]
    if sampling.top_k:
        values[order[sampling.top_k :]] = -np.inf
    shares = np.exp((values - values.max()) / sampling.temperature)
    shares /= shares.sum()
    if sampling.top_p < 1:
        before = np.cumsum(shares[order]) - shares[order]
        shares[order[before >= sampling.top_p]] = 0
        shares /= shares.sum()
    return shares


def _never_written(model: LanguageModel) -> list[int]:
    found: set[int] = set()
    for role in NEVER:
        with suppress(RequestError):
            found.add(model.tokenizer.token_id(role))
    return sorted(found - {model.end})


class _Writing:
    """Tokens to text: what has been handed out, and what the next token may still change.

    Attributes:
        text: the whole continuation so far, cut at a stop string. stopped: whether one was found.
    """

    def __init__(self, tokenizer: Tokenizer, prompt: str, stop: Sequence[str]) -> None:
        self.tokenizer, self.stop = tokenizer, stop
        self.ids = tokenizer.encode(prompt, special=False).ids
        self.prompt = tokenizer.decode(self.ids)
        self.text = self.given = ""
        self.stopped = False

    def add(self, token: int) -> str:
        """One more token; returns the text that is settled by it and was not handed out yet."""
        self.ids.append(token)
        whole = self.tokenizer.decode(self.ids)
        self.text = whole[_shared(whole, self.prompt) :]
        places = [place for place in map(self.text.find, self.stop) if place >= 0]
        if places:
            self.text, self.stopped = self.text[: min(places)], True
        return self._hand_out(self.text if self.stopped else self._settled())

    def rest(self) -> str:
        """What is left to hand out at the end."""
        return self._hand_out(self.text)

    def _hand_out(self, text: str) -> str:
        if not text.startswith(self.given):
            return ""  # the last piece changed under a later token: nothing more until it is passed
        piece, self.given = text[len(self.given) :], text
        return piece

    def _settled(self) -> str:
        """The text without its unfinished end: part of a character, a syllable without its final, part of a stop."""
        text = self.text.rstrip("\N{REPLACEMENT CHARACTER}")
        if self.tokenizer.kind == "jamo":
            while text and _open(text[-1]):
                text = text[:-1]
        for length in range(min(len(text), max(map(len, self.stop), default=1) - 1), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self.stop):
                return text[:-length]
        return text


def _shared(first: str, second: str) -> int:
    """How many characters two texts have in common at their beginning."""
    for place, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return place
    return min(len(first), len(second))


def _open(character: str) -> bool:
    """Whether a jamo may still join a character: a syllable without a final consonant, or a jamo by itself."""
    code = ord(character)
    return 0x1100 <= code < 0x1200 or (is_syllable(character) and (code - 0xAC00) % 28 == 0)
