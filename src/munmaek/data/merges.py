"""Byte-pair merges from counted words: the training of wordpiece, bpe, jamo and morpheme vocabularies.

Sennrich 2016 "Neural Machine Translation of Rare Words with Subword Units", algorithm 1, on distinct words with their
exact counts. All words lie in one array of symbols; a merge touches only the places where its pair stands, so time and
memory follow the number of distinct words and not the length of the corpus.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Places = NDArray[np.int32]
_SHIFT = 32
_MASK = (1 << _SHIFT) - 1


@dataclass
class Merges:
    """What training found.

    Attributes:
        symbols: every symbol's string, the alphabet first, then one for each merge in order.
        pairs: (left, right) symbol numbers of each merge.
        counts: occurrences of each merge's pair when it was made.
    """

    symbols: list[str]
    pairs: list[tuple[int, int]]
    counts: list[int]


class _Text:
    """All distinct words end to end: symbols with links to their neighbours inside the word (-1 at its ends)."""

    def __init__(self, symbols: NDArray[np.int32], lengths: Ints, counts: Ints) -> None:
        self.symbol: NDArray[np.int32] = symbols.copy()
        self.weight: Ints = np.repeat(counts, lengths)
        place = np.arange(len(symbols), dtype=np.int32)
        self.after: Places = place + 1
        self.before: Places = place - 1
        ends = np.cumsum(lengths)
        used = lengths > 0
        self.after[ends[used] - 1] = -1
        self.before[(ends - lengths)[used]] = -1
        barred = np.flatnonzero(self.symbol < 0)
        self.after[barred] = self.before[barred] = -1
        self.after[barred[barred > 0] - 1] = -1
        self.before[barred[barred < len(symbols) - 1] + 1] = -1

    def keys(self, places: Places) -> Ints:
        """The pair that stands at each place, as one number: left symbol << 32 | right symbol."""
        left = self.symbol[places].astype(np.int64)
        return (left << _SHIFT) | self.symbol[self.after[places]]


def _grouped(keys: Ints, weights: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Distinct keys, their summed weights, and where each one's group starts in the order that sorts the keys."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts = np.concatenate((np.zeros(1, np.int64), starts))
    return ordered[starts], np.add.reduceat(weights[order], starts), starts, order


class _Pairs:
    """Counts of the pairs that may still be merged, the places of each, and a heap of the most frequent.

    A pair gains no place after the merge that made its newer symbol. So pairs rarer than `floor` need no record as long
    as more frequent ones are left; when those run out, `lower` counts all pairs anew. (Where two merges make the same
    string, a pair of it may be counted in two parts, and is then merged a little later than its whole count asks.)
    """

    def __init__(self, text: _Text, least: int, wanted: int) -> None:
        self.text, self.least = text, least
        self.floor = least
        self.count: dict[int, int] = {}
        self.places: dict[int, Places] = {}
        self.heap: list[tuple[int, int]] = []
        self._recount(wanted)

    def _recount(self, wanted: int, ceiling: int | None = None) -> None:
        """Count every pair; the floor is where about `wanted` pairs lie above it, and under the ceiling."""
        self.count, self.places, self.heap = {}, {}, []
        self.floor = self.least
        first = np.flatnonzero(self.text.after >= 0).astype(np.int32)
        if not len(first):
            return
        keys, sums, starts, order = _grouped(self.text.keys(first), self.text.weight[first])
        if len(sums) > wanted:
            self.floor = max(self.least, int(np.partition(sums, -wanted)[-wanted]))
        if ceiling is not None:
            self.floor = max(self.least, min(self.floor, ceiling))
        self._record(keys, sums, starts, first[order])

    def lower(self, wanted: int) -> bool:
        """Take in rarer pairs; False when there are none that may be merged."""
        if self.floor <= self.least:
            return False
        self._recount(wanted, self.floor // 2)
        return True

    def add(self, first: Places, again: bool) -> None:
        """New pairs came to stand at these places; `again` where their symbol is not new."""
        if len(first):
            keys, sums, starts, order = _grouped(self.text.keys(first), self.text.weight[first])
            self._record(keys, sums, starts, first[order], again)

    def _record(self, keys: Ints, sums: Ints, starts: Ints, places: Places, again: bool = False) -> None:
        frequent = np.flatnonzero(sums >= self.floor)
        if again:
            old = [i for i, key in enumerate(keys.tolist()) if key in self.count]
            frequent = np.union1d(frequent, np.asarray(old, dtype=np.int64))
        ends = np.append(starts[1:], len(places))
        chosen = (keys[frequent], sums[frequent], starts[frequent], ends[frequent])
        for key, count, start, end in zip(*(part.tolist() for part in chosen), strict=True):
            here = places[start:end]
            if key in self.count:  # two merges made the same string
                count += self.count[key]
                here = np.concatenate((self.places[key], here))
            self.count[key] = count
            self.places[key] = here
            heapq.heappush(self.heap, (-count, key))

    def take(self, keys: Ints, weights: Ints) -> None:
        """Pairs that no longer stand where they stood."""
        if not len(keys):
            return
        distinct, sums, _, _ = _grouped(keys, weights)
        count = self.count
        for key, total in zip(distinct.tolist(), sums.tolist(), strict=True):
            if key in count:
                count[key] -= total

    def best(self) -> tuple[int, int] | None:
        """The most frequent pair (ties: the smallest key) and its count; None when none reaches the floor."""
        while self.heap:
            negative, key = heapq.heappop(self.heap)
            count = self.count.get(key, 0)
            if count == -negative:
                return (key, count)
            if count >= self.floor:
                heapq.heappush(self.heap, (-count, key))
        return None

    def where(self, key: int) -> Places:
        """The places where a pair stands now, ascending; the pair is forgotten."""
        text = self.text
        del self.count[key]
        places = np.sort(self.places.pop(key))
        left, right = key >> _SHIFT, key & _MASK
        places = places[(text.symbol[places] == left) & (text.after[places] >= 0)]
        return places[text.symbol[text.after[places]] == right]


def _without_overlaps(text: _Text, places: Places) -> Places:
    """Of places where x x stands, those that merge from the left: x x x gives one pair."""
    kept: list[int] = []
    last = -1
    for place, after in zip(places.tolist(), text.after[places].tolist(), strict=True):
        if place != last:
            kept.append(place)
            last = after
    return np.asarray(kept, dtype=np.int32)


def _merge(text: _Text, pairs: _Pairs, key: int, new: int, again: bool) -> None:
    """Replace a pair by a new symbol wherever it stands, and bring the counts of its neighbours up to date."""
    places = pairs.where(key)
    if key >> _SHIFT == key & _MASK:
        places = _without_overlaps(text, places)
    second, previous = text.after[places], text.before[places]
    third = text.after[second]
    has_next, has_previous = third >= 0, previous >= 0
    # Places ascend, so the symbol before a place may be the second half of the merge just before it.
    follows = np.zeros(len(places), dtype=bool)
    follows[1:] = previous[1:] == second[:-1]
    lost = np.concatenate((previous[has_previous & ~follows], second[has_next]))
    keys = text.keys(lost)
    kept = keys != key
    pairs.take(keys[kept], text.weight[lost[kept]])
    text.symbol[places] = new
    text.symbol[second] = -1
    text.after[places] = third
    text.before[third[has_next]] = places[has_next]
    followed = np.append(follows[1:], False)
    pairs.add(np.concatenate((text.before[places][has_previous], places[has_next & ~followed])), again)


def learn_merges(
    words: NDArray[np.int32],
    lengths: Ints,
    counts: Ints,
    alphabet: Sequence[str],
    size: int,
    *,
    join: Callable[[str, str], str],
    least: int = 2,
    longest: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> Merges:
    """Merge the most frequent pair of neighbouring symbols until there are `size` symbols.

    Args:
        words: (num_symbols,) the distinct words end to end as symbol numbers; -1 is a character that never merges.
        lengths: (num_words,) symbols of each. counts: (num_words,) how often each occurs.
        alphabet: the string of each starting symbol.
        size: how many symbols there may be in the end.
        join: the string of a merged pair.
        least: pairs rarer than this are not merged. longest: nor are those with a longer string, in characters.
        progress: called with (symbols so far, size).
    """
    text = _Text(words, lengths, counts)
    symbols = list(alphabet)
    known = {symbol: number for number, symbol in enumerate(symbols)}
    result = Merges(symbols, [], [])
    pairs = _Pairs(text, least, 2 * size)
    while len(symbols) < size:
        best = pairs.best()
        if best is None:
            if not pairs.lower(2 * size):
                break
            continue
        key, count = best
        left, right = key >> _SHIFT, key & _MASK
        merged = join(symbols[left], symbols[right])
        if len(merged) > longest:
            continue
        new = known.setdefault(merged, len(symbols))
        again = new < len(symbols)
        if not again:
            symbols.append(merged)
        result.pairs.append((left, right))
        result.counts.append(count)
        _merge(text, pairs, key, new, again)
        if progress is not None and len(result.pairs) % 256 == 0:
            progress(len(symbols), size)
    return result
