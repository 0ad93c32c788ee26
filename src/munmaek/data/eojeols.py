"""Ids of texts through a memory of words already cut: words repeat, and finding one costs less than cutting it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from tokenizers import pre_tokenizers

WORDS_KEPT = 1 << 19
Encode = Callable[[Sequence[str]], list[list[int]]]


def is_clean(text: str) -> bool:
    """Whether no normaliser would change a text and its only white space is the ordinary space."""
    return text.isprintable() and unicodedata.is_normalized("NFC", text)


class EojeolMemory:
    """Tokenises texts word by word, remembering the ids of the first 524,288 different words.

    Right for tokenizers that cut at white space before all else, so that a text's ids are its words' ids in a row.

    Args:
        encode: cuts any text. encode_clean: cuts words that need no normalisation, faster.
        kept: how many words are remembered.
    """

    def __init__(self, encode: Encode, encode_clean: Encode, kept: int = WORDS_KEPT) -> None:
        self._encode, self._encode_clean, self._kept = encode, encode_clean, kept
        self._number: dict[str, int] = {}
        self._ids: NDArray[np.int32] = np.zeros(0, np.int32)
        self._borders: NDArray[np.int64] = np.zeros(1, np.int64)

    def flat(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The ids of all texts in a row, and how many each text has."""
        if is_clean(" ".join(texts)):
            return self._clean(texts)
        clean = np.fromiter(map(is_clean, texts), np.bool_, len(texts))
        easy, easy_lengths = self._clean([text for text, flag in zip(texts, clean, strict=True) if flag])
        hard = self._encode([text for text, flag in zip(texts, clean, strict=True) if not flag])
        lengths = np.zeros(len(texts), np.int64)
        lengths[clean] = easy_lengths
        lengths[~clean] = [len(ids) for ids in hard]
        result = np.zeros(int(lengths.sum()), np.int32)
        is_easy = np.repeat(clean, lengths)
        result[is_easy] = easy
        result[~is_easy] = list(chain.from_iterable(hard))
        return result, lengths

    def _clean(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        split = [text.split(" ") for text in texts]
        words = list(chain.from_iterable(split))
        number = self._number
        new = [word for word in dict.fromkeys(words) if word not in number]
        remembered = len(number)
        self._learn(new)
        places = np.fromiter(map(number.__getitem__, words), np.int64, len(words))
        starts = self._borders[places]
        lengths = self._borders[places + 1] - starts
        ends = np.cumsum(lengths)
        gather = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
        ids = self._ids[gather]
        counts = np.fromiter(map(len, split), np.int64, len(split))
        totals = np.concatenate((np.zeros(1, np.int64), ends))
        last = np.cumsum(counts)
        if len(number) > self._kept:
            self._forget(new, max(self._kept, remembered))
        return ids, totals[last] - totals[last - counts]

    def _learn(self, words: list[str]) -> None:
        if not words:
            return
        found = self._encode_clean(words)
        first = len(self._number)
        self._number.update(zip(words, range(first, first + len(words)), strict=True))
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        ids = np.fromiter(chain.from_iterable(found), np.int32, int(lengths.sum()))
        self._ids = np.concatenate((self._ids, ids))
        self._borders = np.concatenate((self._borders, self._borders[-1] + np.cumsum(lengths)))

    def _forget(self, words: list[str], kept: int) -> None:
        for word in words:
            if self._number[word] >= kept:
                del self._number[word]
        self._borders = self._borders[: kept + 1]
        self._ids = self._ids[: int(self._borders[-1])]


class GreedyPieces:
    """WordPiece's longest-match-first cutting (Wu 2016 §4.1) of clean words: the same ids as the `tokenizers` model.

    Args:
        vocabulary: token -> id. unknown: the id of a word that cannot be cut. inside: what marks a piece inside a word.
        most: longer runs are left to `otherwise`, which cuts any word.
    """

    def __init__(
        self, vocabulary: Mapping[str, int], unknown: int, otherwise: Encode, inside: str = "##", most: int = 64
    ) -> None:
        self._first = {token: i for token, i in vocabulary.items() if not token.startswith(inside)}
        marked = {token: i for token, i in vocabulary.items() if token.startswith(inside) and token != inside}
        self._inside = {token.removeprefix(inside): i for token, i in marked.items()}
        self._longest = max(map(len, chain(self._first, self._inside)), default=1)
        self._unknown, self._otherwise, self._most = unknown, otherwise, most

    def __call__(self, words: Sequence[str]) -> list[list[int]]:
        """The ids of each word; a word is an eojeol, with its punctuation."""
        cut, pieces = self._cut, punctuation().findall
        long = {word: None for word in words if len(word) > self._most}
        others = dict(zip(long, self._otherwise(list(long)), strict=True)) if long else {}
        return [
            others[word]
            if len(word) > self._most
            else cut(word)
            if word.isalnum()
            else [i for piece in pieces(word) for i in cut(piece)]
            for word in words
        ]

    def _cut(self, word: str) -> list[int]:
        ids: list[int] = []
        vocabulary, start, size, longest = self._first, 0, len(word), self._longest
        while start < size:
            end = min(size, start + longest)
            while end > start:
                found = vocabulary.get(word[start:end])
                if found is not None:
                    break
                end -= 1
            else:
                return [self._unknown]
            ids.append(found)
            vocabulary, start = self._inside, end
        return ids

    def vary(self, word: str, rate: float, numbers: Iterator[float]) -> list[int]:
        """The ids of a word without punctuation, matches of two characters or more passed over with chance `rate`.

        A word that cannot be cut that way is cut as usual.
        """
        ids: list[int] = []
        vocabulary, start, size, longest = self._first, 0, len(word), self._longest
        if size > self._most:
            return self._otherwise([word])[0]
        while start < size:
            for end in range(min(size, start + longest), start, -1):
                found = vocabulary.get(word[start:end])
                if found is not None and (end == start + 1 or next(numbers) >= rate):
                    break
            else:
                return self._cut(word)
            ids.append(found)
            vocabulary, start = self._inside, end
        return ids


@lru_cache(maxsize=1)
def punctuation() -> re.Pattern[str]:
    """Finds runs without punctuation, and single marks: what BERT's pre-tokenizer makes of a word without spaces."""
    cutter = pre_tokenizers.BertPreTokenizer()
    candidates = (chr(code) for code in range(0x21, 0x20000))
    marks = "".join(
        mark
        for mark in candidates
        if mark.isprintable() and not mark.isalnum() and len(cutter.pre_tokenize_str(f"a{mark}a")) == 3
    )
    return re.compile(f"[^{re.escape(marks)}]+|[{re.escape(marks)}]")
