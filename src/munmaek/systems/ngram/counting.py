"""Counting n-grams by sorting: shards to the distinct n-grams of every length, block by block.

The n-gram of length k that ends at a place is its suffix of length k - 1, by number, and one more word to the left: a
pair of numbers in 64 bits, whatever the length. A block's pairs are sorted and counted; sorted blocks are merged.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core import files
from munmaek.core.errors import DataError

BLOCK_BYTES = 64
"""Memory that counting takes for each word of a block."""
LEAST_MEMORY = 16_000_000
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """The n-grams of one length: `keys` as in `model.Level`, and how often each occurs."""

    keys: Places
    counts: Places


def texts_of(shards: Any, context: str) -> tuple[Places, Places]:
    """First and last token of every text: a document, or a sentence."""
    if context == "sentence":
        sentences = shards.sentences()
        return shards.sentence_offsets[sentences], shards.sentence_offsets[sentences + 1]
    documents = shards.documents
    starts = shards.sentence_offsets[shards.document_offsets[documents]]
    return starts, shards.sentence_offsets[shards.document_offsets[documents + 1]]


def count(
    shards: Any, order: int, *, begin: int, end: int, context: str, memory: int, progress: Callable[[float], None]
) -> list[Counts]:
    """The n-grams of each length up to `order`, of texts that `begin` stands before and `end` after.

    Single words are the whole vocabulary, whether they occur or not.

    Raises:
        DataError: no text. JobError: no room for 12 bytes a word beside the shards while counting.
    """
    starts, ends = texts_of(shards, context)
    if not len(starts):
        raise DataError("the corpus has no text to count", where="corpus", fix="Run munmaek doctor on it.")
    total = int((ends - starts).sum()) + 2 * len(starts)
    folder = shards.folder.parent / f".ngram.{os.getpid()}.tmp"
    files.sweep(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
    files.require_room(folder.parent, 12 * total)
    try:
        folder.mkdir(parents=True)
        return _Counting(shards, starts, ends, total, begin, end, memory, folder, progress).levels(order)
    except OSError as error:
        raise files.no_room(folder.parent, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Counting:
    """All words in a row, and the number of the n-gram that ends at each, both mapped from files."""

    def __init__(
        self, shards: Any, starts: Places, ends: Places, total: int, begin: int, end: int, memory: int, folder: Path,
        progress: Callable[[float], None],
    ) -> None:  # fmt: skip
        self.size, self.begin, self.progress = int(shards.vocab_size), begin, progress
        self.block = max(1, memory // BLOCK_BYTES)
        self.words: NDArray[np.int32] = np.memmap(folder / "words", np.int32, "w+", shape=(total,))
        self.places: Places = np.memmap(folder / "places", np.int64, "w+", shape=(total,))
        self._write_words(shards, starts, ends, end)

    def _write_words(self, shards: Any, starts: Places, ends: Places, end: int) -> None:
        lengths = ends - starts + 2
        borders = np.concatenate([[0], np.cumsum(lengths)])
        first = 0
        while first < len(starts):
            last = max(first + 1, int(np.searchsorted(borders, borders[first] + self.block, side="right")) - 1)
            here = np.full(int(borders[last] - borders[first]), self.begin, np.int32)
            here[borders[first + 1 : last + 1] - borders[first] - 1] = end
            inner = np.ones(len(here), bool)
            inner[borders[first:last] - borders[first]] = False
            inner[borders[first + 1 : last + 1] - borders[first] - 1] = False
            sizes = lengths[first:last] - 2
            tokens = np.arange(int(sizes.sum())) + np.repeat(starts[first:last] - (np.cumsum(sizes) - sizes), sizes)
            here[inner] = shards.ids[tokens]
            self.words[borders[first] : borders[last]] = here
            first = last
        self.places[:] = self.words

    def levels(self, order: int) -> list[Counts]:
        """Count length after length."""
        singles = np.zeros(self.size, np.int64)
        for start, stop in self._blocks():
            singles += np.bincount(self.words[start:stop], minlength=self.size)
        found = [Counts(np.arange(self.size, dtype=np.int64), singles)]
        for length in range(2, order + 1):
            found.append(self._level(length, order))
        return found

    def _blocks(self) -> Iterator[tuple[int, int]]:
        for start in range(0, len(self.words), self.block):
            yield start, min(start + self.block, len(self.words))

    def _level(self, length: int, order: int) -> Counts:
        runs: list[Counts] = []
        blocks = list(self._blocks())
        inverse = np.zeros(0, np.int64)
        for number, block in enumerate(blocks):
            keys, _ = self._keys(length, *block)
            run, inverse = distinct(keys, with_inverse=len(blocks) == 1 and length < order)
            runs.append(run)
            while len(runs) > 1 and len(runs[-2].keys) < 2 * len(runs[-1].keys):
                runs[-2:] = [merged(runs[-2], runs[-1])]
            self.progress((length - 2 + (number + 1) / len(blocks)) / (order - 1))
        while len(runs) > 1:
            runs[-2:] = [merged(runs[-2], runs[-1])]
        if length < order:
            for start, stop in blocks:
                keys, valid = self._keys(length, start, stop)
                if len(blocks) > 1:
                    run, inverse = distinct(keys, with_inverse=True)
                    inverse = np.searchsorted(runs[0].keys, run.keys)[inverse]
                numbers = np.full(stop - start, -1, np.int64)
                numbers[valid] = inverse
                self.places[start:stop] = numbers
        return runs[0]

    def _keys(self, length: int, start: int, stop: int) -> tuple[Places, NDArray[np.bool_]]:
        """Keys of the n-grams that end in [start, stop), and at which places one does: none goes past a beginning."""
        suffixes = np.array(self.places[start:stop])
        begun = start - length + 1
        around = np.array(self.words[max(0, begun) : stop])
        around = np.concatenate([np.full(max(0, -begun), self.begin, np.int32), around])
        first, second = around[: stop - start], around[1 : 1 + stop - start]
        valid = (suffixes >= 0) & (second != self.begin)
        return suffixes[valid] * self.size + first[valid], valid


def distinct(keys: Places, *, with_inverse: bool) -> tuple[Counts, Places]:
    """Distinct keys, ascending, with how often each occurs; and which of them each key is, where asked for."""
    order = np.argsort(keys) if with_inverse else None
    ordered = np.sort(keys) if order is None else keys[order]
    new = np.ones(len(ordered), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    borders = np.flatnonzero(new)
    inverse = np.empty(len(keys) if order is not None else 0, np.int64)
    if order is not None:
        inverse[order] = np.cumsum(new) - 1
    return Counts(ordered[borders], np.diff(borders, append=len(ordered))), inverse


def merged(one: Counts, other: Counts) -> Counts:
    """Both together; equal keys become one."""
    keys = np.concatenate([one.keys, other.keys])
    order = np.argsort(keys, kind="stable")  # two ascending runs are merged, not sorted
    keys, counts = keys[order], np.concatenate([one.counts, other.counts])[order]
    borders = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)])
    return Counts(keys[borders], np.add.reduceat(counts, borders) if len(borders) else counts)
