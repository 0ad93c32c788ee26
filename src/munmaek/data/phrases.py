"""Phrases: words that stand together so often that a tokenizer of whole words reads them as one (Mikolov 2013b §4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from munmaek.core.contracts import Encoding
from munmaek.core.errors import FormatError, RequestError

JOINER = "_"
MOST_PASSES = 10
SHIFT = 32
"""Bits of the second word in the number of a pair."""
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Phrasing:
    """How phrases are found.

    Attributes:
        passes: how often pairs are looked for; the second pass makes phrases of up to four words, and so on.
        threshold: pairs with a higher score are phrases, in the last pass; in each pass before it takes twice as much
            as in the one after. One pass is word2phrase with its defaults, two passes are its `demo-phrases.sh`.
        discount: delta of 2013b eq. 6, which keeps rare words from joining.

    Raises:
        RequestError: a number that no phrase can be found with.
    """

    passes: int = 0
    threshold: float = 100.0
    discount: float = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.passes <= MOST_PASSES:
            raise RequestError(f"{self.passes} passes", where="--phrases", fix=f"Give 0 to {MOST_PASSES}.")
        if not 0 < self.threshold < float("inf"):
            fix = "Give a number above 0; 100 is usual."
            raise RequestError(f"the threshold is {self.threshold:g}", where="--phrase-threshold", fix=fix)
        if not 0 <= self.discount < float("inf"):
            fix = "Give 0 or more; 5 is usual."
            raise RequestError(f"the discount is {self.discount:g}", where="--phrase-discount", fix=fix)

    def threshold_of(self, number: int) -> float:
        """The threshold of a pass, 0 the first."""
        return self.threshold * 2.0 ** (self.passes - 1 - number)


class Pairs:
    """Pairs of words that join in one pass: the numbers of both and of the phrase, `(pairs,)` each, in any order."""

    def __init__(self, first: Ints, second: Ints, phrase: Ints) -> None:
        keys = keys_of(first, second)
        order = np.argsort(keys)
        self._keys: Ints = keys[order]
        self._phrase: Ints = phrase[order]

    def join(self, words: Ints, starts: Ints, begins: NDArray[np.bool_]) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """Words with these pairs joined, from the left: of a b c, where both pairs would do, a_b c is made.

        Args:
            words: (words,) numbers. starts: (words,) whatever goes with each; a phrase keeps that of its first word.
            begins: (words,) True on a word that does not join the one before it: the first of a text.
        Returns:
            The same three of what is left, one for each word or phrase.
        """
        if len(words) < 2 or not len(self._keys):
            return words, starts, begins
        asked = keys_of(words[:-1], words[1:])
        places = np.minimum(np.searchsorted(self._keys, asked), len(self._keys) - 1)
        able = (self._keys[places] == asked) & ~begins[1:]
        # where pairs overlap, the first of them joins, then the third, and so on
        here = np.arange(len(able))
        before = np.maximum.accumulate(np.where(able, -1, here))
        joins = able & ((here - before) % 2 == 1)
        words = words.copy()
        words[:-1][joins] = self._phrase[places[joins]]
        kept = np.append(True, ~joins)
        return words[kept], starts[kept], begins[kept]


class Phrases:
    """The phrases of a tokenizer, whose backend knows every word, phrase and part of a phrase by a number.

    Numbers from `size` on have no vector: words that hardly occur outside phrases, which are then unknown, and phrases
    that hardly occur outside longer ones, which are then read as their two parts.

    Args:
        passes: of each pass its pairs, two words with a space between: "new york", and in the next "new_york times".
        vocabulary: word -> number. size: numbers below are the tokenizer's vocabulary. unknown: that of [UNK].
    """

    def __init__(self, passes: Sequence[Sequence[str]], vocabulary: Mapping[str, int], size: int, unknown: int) -> None:
        self.passes, self.size, self.unknown = [list(pairs) for pairs in passes], size, unknown
        self._names = {number: word for word, number in vocabulary.items()}
        total = max(self._names) + 1
        self._parts: Ints = np.full((total, 2), -1, np.int64)
        self._lengths: Ints = np.ones(total, np.int64)
        self._tables = [self._table(pairs, vocabulary) for pairs in self.passes]
        self._rare: NDArray[np.bool_] = (self._parts[:, 0] >= 0) & (np.arange(total) >= size)

    def _table(self, pairs: list[str], vocabulary: Mapping[str, int]) -> Pairs:
        found = [[vocabulary[word] for word in (*pair.split(" "), joined(pair))] for pair in pairs]
        first, second, phrase = np.array(found, np.int64).reshape(len(pairs), 3).T
        self._parts[phrase] = np.stack([first, second], axis=1)
        self._lengths[phrase] = self._lengths[first] + self._lengths[second]
        return Pairs(first, second, phrase)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, which `from_dict` reads."""
        return {"size": self.size, "passes": self.passes}

    @classmethod
    def from_dict(cls, values: Any, vocabulary: Mapping[str, int], unknown: int, where: str) -> Phrases:
        """Phrases that `as_dict` gave; FormatError, which names `where`, for anything else."""
        facts = cast("dict[str, Any]", values) if isinstance(values, dict) else {}
        size, passes = facts.get("size"), cast("list[list[str]]", facts.get("passes"))
        try:
            if isinstance(size, int) and 0 <= unknown < size <= len(vocabulary):
                return cls([[str(pair) for pair in pairs] for pairs in passes], vocabulary, size, unknown)
        except (KeyError, TypeError, ValueError):  # a word that the vocabulary lacks, no lists, no pair
            pass
        raise FormatError("not the phrases of this tokenizer", where=where, fix="Copy the whole folder again.")

    def join(self, words: Ints, begins: NDArray[np.bool_]) -> tuple[Ints, Ints]:
        """Words with phrases as one.

        Args:
            words: (words,) numbers of the backend. begins: (words,) True where a text begins; no phrase crosses that.
        Returns:
            (left,) numbers below `size`, and which of the given words is the first of each.
        """
        starts = np.arange(len(words))
        for pairs in self._tables:
            words, starts, begins = pairs.join(words, starts, begins)
        while (rare := self._rare[words]).any():
            seconds = np.cumsum(1 + rare)[rare] - 1
            parts = self._parts[words[rare]]
            words, starts = np.repeat(words, 1 + rare), np.repeat(starts, 1 + rare)
            words[seconds - 1], words[seconds] = parts.T
            starts[seconds] += self._lengths[parts[:, 0]]
        return np.where(words < self.size, words, self.unknown), starts

    def join_flat(self, ids: NDArray[np.int32], lengths: Ints) -> tuple[NDArray[np.int32], Ints]:
        """The ids of texts in a row and how many each has, with phrases as one."""
        ends = np.cumsum(lengths)
        begins = np.zeros(len(ids) + 1, np.bool_)
        begins[ends - lengths] = True
        words, starts = self.join(ids.astype(np.int64), begins[:-1])
        borders = np.searchsorted(starts, np.append(0, ends))
        return words.astype(np.int32), np.diff(borders)

    def join_encoding(self, encoding: Encoding) -> Encoding:
        """An encoding with phrases as one, from the first character of the first part to the last of the last."""
        kinds = np.array(encoding.type_ids, np.int64)
        begins = np.append(True, kinds[1:] != kinds[:-1])[: len(kinds)]
        words, starts = (part.tolist() for part in self.join(np.array(encoding.ids, np.int64), begins))
        lasts = [start - 1 for start in (*starts[1:], len(encoding.ids))]
        spans, bounds = encoding.offsets, zip(starts, lasts, strict=False)
        return Encoding(
            words,
            [(spans[first][0], spans[last][1]) for first, last in bounds],
            [self._names[word] for word in words],
            [encoding.special[start] for start in starts],
            [encoding.type_ids[start] for start in starts],
        )

    def apart(self, ids: Sequence[int]) -> list[int]:
        """Ids with every phrase as its words."""
        found: list[int] = []
        waiting = list(reversed(ids))
        while waiting:
            number = waiting.pop()
            first, second = self._parts[number].tolist()
            if first < 0:
                found.append(number)
            else:
                waiting += [second, first]
        return found


def keys_of(first: Ints, second: Ints) -> Ints:
    """One number for each pair of words, ordered as the pairs are."""
    return first << SHIFT | second


def joined(pair: str) -> str:
    """The word that two words with a space between them become."""
    return pair.replace(" ", JOINER)


def phrasing_of(asked: Phrasing | int) -> Phrasing:
    """A number of passes, or all that can be said of them."""
    return asked if isinstance(asked, Phrasing) else replace(Phrasing(), passes=asked)
