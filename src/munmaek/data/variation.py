"""The same text cut another way each time: subword regularisation for fine-tuning on labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path

import numpy as np

from munmaek.core.contracts import Encoding
from munmaek.core.errors import RequestError
from munmaek.core.runtime import uniform
from munmaek.data.eojeols import GreedyPieces, is_clean, punctuation
from munmaek.data.tokenizers import TextTokenizer

STREAM = 0x5D
NUMBERS_A_CHARACTER = 4


def can_vary(tokenizer: object) -> bool:
    """Whether there is another way to cut: WordPiece vocabularies made here."""
    return isinstance(tokenizer, TextTokenizer) and tokenizer.kind == "wordpiece" and tokenizer.normaliser is not None


class VariedTokenizer:
    """A wordpiece tokenizer that passes over matches at random: MaxMatch-Dropout (Hiraoka 2022, algorithm 1).

    Longest-match-first cutting, but a match of two characters or more is passed over with probability `rate`, so that
    rare words are also seen as the pieces of others. The cuts are a pure function of (seed, epoch, number of the text
    since the tokenizer was made). Made to be given to an encoder; characters of tokens are not kept.

    Raises:
        RequestError: a tokenizer of another kind.
    """

    def __init__(self, tokenizer: TextTokenizer, rate: float, seed: int, epoch: int) -> None:
        if not can_vary(tokenizer):
            raise RequestError(
                f"a {tokenizer.kind} tokenizer cuts each text in one way only", where="subword_dropout",
                fix="Set it to 0, or pre-train with --tokenizer wordpiece.",
            )  # fmt: skip
        self._tokenizer = tokenizer
        self._greedy = GreedyPieces(tokenizer.vocab(), tokenizer.special["unk"], tokenizer.encode_ids)
        self._rate, self._seed, self._epoch = rate, seed, epoch
        self._done = 0
        self.kind, self.vocab_size = tokenizer.kind, tokenizer.vocab_size

    def token_id(self, name: str) -> int:
        """The id of a special token by its role, or of any token by its string."""
        return self._tokenizer.token_id(name)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens left out."""
        return self._tokenizer.decode(ids)

    def save(self, folder: Path) -> None:
        """Write the tokenizer that is varied."""
        self._tokenizer.save(folder)

    def encode(self, text: str, pair: str | None = None, *, special: bool = True) -> Encoding:
        """Ids and token types of a text or a pair."""
        return self.encode_batch([text], None if pair is None else [pair], special=special)[0]

    def encode_batch(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, special: bool = True
    ) -> list[Encoding]:
        """Ids and token types of texts or pairs, as `TextTokenizer.encode_batch` lays them out."""
        first = self._cut(texts)
        second = repeat(None) if pairs is None else self._cut(pairs)
        cls, sep = ([self._tokenizer.special[name]] if special else [] for name in ("cls", "sep"))
        encodings: list[Encoding] = []
        for ids, others in zip(first, second, strict=pairs is not None):
            tail = [] if others is None else [*others, *sep]
            flags = [special] * len(cls) + [False] * len(ids) + [special] * len(sep)
            flags += [] if others is None else [False] * len(others) + [special] * len(sep)
            head = [*cls, *ids, *sep]
            types = [0] * len(head) + [1] * len(tail)
            row = [*head, *tail]
            encodings.append(Encoding(row, [(0, 0)] * len(row), [""] * len(row), flags, types))
        return encodings

    def _cut(self, texts: Sequence[str]) -> list[list[int]]:
        normaliser = self._tokenizer.normaliser
        assert normaliser is not None
        found: list[list[int]] = []
        for text in texts:
            text = normaliser(text)
            numbers = self._numbers(len(text))
            if is_clean(text):
                words = (
                    w for word in text.split() for w in ([word] if word.isalnum() else punctuation().findall(word))
                )
                found.append(list(chain.from_iterable(self._greedy.vary(word, self._rate, numbers) for word in words)))
            else:
                found.extend(self._tokenizer.encode_ids([text]))
        return found

    def _numbers(self, length: int) -> Iterator[float]:
        """Enough random numbers for the matches in a text of `length` characters, and then the same again."""
        size = NUMBERS_A_CHARACTER * length + 8
        drawn: list[float] = uniform(self._seed, STREAM, self._epoch, self._done, np.arange(size)).tolist()
        self._done += 1
        return chain.from_iterable(repeat(drawn))
