"""Counting which words stand near which: shards to the entries of X (Pennington 2014 §3), in bounded memory.

A word's row is the sum over its occurrences of its neighbours, so it is added up in one dense array of the vocabulary
that stays in the cache: no hashing, no sorting. A corpus that does not fit into memory is counted block by block; each
block leaves a run of rows on the disk, and rows of the same word are added up run by run in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core import files
from munmaek.core.errors import DataError, MunmaekError
from munmaek.core.runtime import num_threads
from munmaek.systems.glove import kernels

VERSION = 1
FACTS = "cooccurrence.json"
RECORD = 12
"""Bytes of an entry: word and neighbour as uint32, the count as float32."""
LEAST_MEMORY = 32_000_000
AHEAD = 4
"""Pieces of rows for each thread that are made before they are put away."""
SHUFFLE_STREAM = 0x510F
Records = NDArray[np.uint32]
Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class Counting:
    """What is counted.

    Attributes:
        window: farthest neighbour, in words. symmetric: neighbours on both sides, or only those before the word.
        inverse: a neighbour at distance d counts 1/d, or 1. context: "sentence" or "document", what no window leaves.
        min_count: words that the corpus has less often are left out, before windows are laid.
    """

    window: int = 10
    symmetric: bool = True
    inverse: bool = True
    context: str = "sentence"
    min_count: int = 1

    def weights(self) -> NDArray[np.float64]:
        """(window + 1,) what a neighbour at each distance counts; distance 0 does not occur."""
        distances = np.arange(1, self.window + 1, dtype=np.float64)
        return np.concatenate([[0.0], 1.0 / distances if self.inverse else np.ones(self.window)])


@dataclass(frozen=True)
class Limits:
    """How much is held at a time.

    Attributes:
        block: words of a block, 8 bytes each. held: entries kept in memory before they go to disk.
        piece: entries that one thread makes at a time, more where one row has more.
    """

    block: int
    held: int
    piece: int

    @staticmethod
    def of(memory: int) -> Limits:
        """A quarter of the memory for a block, two for entries while they are shuffled, a sixteenth for those made."""
        return Limits(
            memory // 32, memory // 4 // RECORD, min(1 << 19, memory // (16 * AHEAD * num_threads()) // RECORD)
        )


@dataclass(frozen=True)
class Cooccurrences:
    """The entries of X in random order.

    Attributes:
        entries: (entries, 3) uint32, memory-mapped: word, neighbour, and the bits of the float32 count.
        num_tokens: words that were counted.
    """

    entries: Records
    num_tokens: int


def cooccurrences(shards: Any, counting: Counting, skipped: Sequence[int], memory: int, tell: Tell) -> Cooccurrences:
    """The entries of X of a corpus or of a part of it, counted once and then kept beside the shards.

    Args:
        skipped: ids that are no words. memory: bytes, about, that counting may take beside the mapped corpus.
        tell: called with what is being done and the share done.
    Raises:
        DataError: no two words stand near each other. JobError: no room on the disk.
    """
    folder = shards.folder.parent / f"{shards.folder.name}.cooccurrence-{_key(shards, counting, skipped)}"
    found = _open(folder)
    if found is None:
        files.sweep(folder.parent)
        with files.atomic_folder(folder, kind="cooccurrence") as temporary:
            work = Counter(shards, counting, skipped, Limits.of(memory), temporary, tell)
            num_entries = work.write(temporary / "entries.bin")
            facts = {"version": VERSION, "num_entries": num_entries, "num_tokens": work.num_tokens}
            files.write_json(temporary / FACTS, facts | asdict(counting))
        found = _open(folder)
        assert found is not None
    return found


def _key(shards: Any, counting: Counting, skipped: Sequence[int]) -> str:
    """Equal exactly when corpus, tokenizer, the part of the corpus and what is counted are."""
    documents = np.ascontiguousarray(shards.documents, dtype="<i8")
    part = hashlib.sha256(documents.data).hexdigest()
    words = f"{VERSION} {shards.key} {part} {sorted(asdict(counting).items())} {sorted(skipped)}"
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def _open(folder: Path) -> Cooccurrences | None:
    try:
        facts = files.read_json(folder / FACTS)
        num_entries, num_tokens = int(facts["num_entries"]), int(facts["num_tokens"])
        if facts["version"] != VERSION or (folder / "entries.bin").stat().st_size != num_entries * RECORD:
            return None
    except (MunmaekError, KeyError, TypeError, ValueError, OSError):
        return None
    return Cooccurrences(np.memmap(folder / "entries.bin", "<u4", "r", shape=(num_entries, 3)), num_tokens)


class Counter:
    """One counting: blocks of the corpus, runs of rows, and the pile of finished entries.

    Attributes:
        num_tokens: words counted so far.
    """

    def __init__(
        self, shards: Any, counting: Counting, skipped: Sequence[int], limits: Limits, folder: Path, tell: Tell
    ) -> None:
        self.shards, self.counting, self.limits, self.folder, self.tell = shards, counting, limits, folder, tell
        self.num_tokens = 0
        self.threads = num_threads()
        self.vocab_size = int(shards.vocab_size)
        self.scratch: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
        for _ in range(self.threads):
            self.scratch.put((np.zeros(self.vocab_size), np.zeros(self.vocab_size, np.int64)))
        self.keep = np.arange(self.vocab_size, dtype=np.int32)
        self.keep[list(skipped)] = -1
        if counting.min_count > 1:
            self.keep[self.shards.counts() < counting.min_count] = -1

    def write(self, path: Path) -> int:
        """Count everything and write the entries in random order; returns how many there are."""
        pile = Pile(self.folder / "pile.tmp", self.limits.held)
        total = max(1, self.shards.num_tokens)
        runs: list[tuple[Records, NDArray[np.int64]]] = []
        seen = 0
        with ThreadPoolExecutor(self.threads) as pool:
            for starts, ends, last in self._blocks():
                tokens = int((ends - starts).sum())
                only = last and not runs
                run = pile if only else Pile(self.folder / f"run-{len(runs)}.tmp", 0)
                rows = self._count(pool, starts, ends, run, seen / total, tokens / total)
                seen += tokens
                if not only:
                    runs.append((run.mapped(), rows))
            self._merge(pool, runs, pile)
        if not len(pile):
            raise DataError("no two words of the corpus stand near each other", where="corpus",
                            fix="Give more text, or a tokenizer that knows its words.")  # fmt: skip
        self.tell("shuffling co-occurrences", 0.0)
        pile.write_shuffled(path)
        del runs
        for leaving in self.folder.glob("*.tmp"):
            leaving.unlink()
        return len(pile)

    def _blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], bool]]:
        """Contexts (first and last token) of at most `limits.block` tokens together, and whether these are the last.

        A context longer than a block is cut.
        """
        shards, most = self.shards, self.limits.block
        first, last = shards.document_offsets[shards.documents], shards.document_offsets[shards.documents + 1]
        ends = np.cumsum(shards.sentence_offsets[last] - shards.sentence_offsets[first])
        begin = 0
        while begin < len(ends):
            before = int(ends[begin - 1]) if begin else 0
            stop = max(begin + 1, int(np.searchsorted(ends, before + most, side="right")))
            borders = self._contexts(first[begin:stop], last[begin:stop])
            pieces = list(_fitting(*borders, most))
            for number, (starts, stops) in enumerate(pieces):
                yield starts, stops, stop == len(ends) and number == len(pieces) - 1
            begin = stop

    def _contexts(
        self, first: NDArray[np.int64], last: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        offsets = self.shards.sentence_offsets
        if self.counting.context == "document":
            return offsets[first], offsets[last]
        lengths = last - first
        steps = np.arange(int(lengths.sum()), dtype=np.int64)
        sentences = steps + np.repeat(first - (np.cumsum(lengths) - lengths), lengths)
        return offsets[sentences], offsets[sentences + 1]

    def _count(
        self, pool: ThreadPoolExecutor, starts: NDArray[np.int64], ends: NDArray[np.int64], run: Pile, done: float,
        share: float,
    ) -> NDArray[np.int64]:  # fmt: skip
        """Count one block into `run`; returns where each row begins in it, (vocab + 1,)."""
        stream = np.empty(int((ends - starts).sum()) + len(starts) + 1, np.int32)
        length = kernels.fill(np.asarray(self.shards.ids), starts, ends, self.keep, stream)
        places = np.zeros(self.vocab_size + 2, np.int64)
        positions = np.empty(length, np.int32)
        kernels.group(stream, length, places, positions)
        self.num_tokens += int(places[-1])
        weights, symmetric = self.counting.weights(), self.counting.symmetric
        sides = 2 if symmetric else 1
        room = np.minimum(np.diff(places[:-1]) * self.counting.window * sides, self.vocab_size)

        def work(rows: slice, sums: Any, touched: Any) -> tuple[Records, NDArray[np.int64]]:
            records = np.empty((int(room[rows].sum()), 3), np.uint32)
            row_ends = np.empty(rows.stop - rows.start, np.int64)
            num = kernels.count_rows(stream, places, positions, rows.start, rows.stop, weights, symmetric, sums,
                                     touched, records, records.view(np.float32), row_ends)  # fmt: skip
            return records[:num], row_ends

        borders = np.zeros(self.vocab_size + 1, np.int64)
        for rows, (records, row_ends) in self._shared(pool, room, work):
            borders[rows.start + 1 : rows.stop + 1] = len(run) + row_ends
            run.add(records)
            self.tell("counting co-occurrences", done + share * int(places[rows.stop]) / max(1, int(places[-1])))
        return borders

    def _merge(self, pool: ThreadPoolExecutor, runs: list[tuple[Records, NDArray[np.int64]]], pile: Pile) -> None:
        if not runs:
            return
        rows_of = np.sum([np.diff(borders) for _, borders in runs], axis=0)

        def work(rows: slice, sums: Any, touched: Any) -> Records:
            parts = [np.asarray(run[borders[rows.start] : borders[rows.stop]]) for run, borders in runs]
            starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
            within = np.stack([borders[rows.start : rows.stop + 1] - borders[rows.start] for _, borders in runs])
            together = np.concatenate(parts)
            records = np.empty_like(together)
            num = kernels.merge_rows(together, together.view(np.float32), within + starts[:-1, None], sums, touched,
                                     records, records.view(np.float32))  # fmt: skip
            return records[:num]

        for rows, records in self._shared(pool, rows_of, work):
            pile.add(records)
            self.tell("adding up co-occurrences", rows.stop / self.vocab_size)

    def _shared(
        self, pool: ThreadPoolExecutor, room: NDArray[np.int64], work: Callable[..., Any]
    ) -> Iterator[tuple[slice, Any]]:
        """Rows in pieces of at most `limits.piece` entries, a few a thread at a time; results in order."""
        cuts = [0]
        sums = np.cumsum(room)
        while cuts[-1] < len(room):
            before = int(sums[cuts[-1] - 1]) if cuts[-1] else 0
            cuts.append(max(cuts[-1] + 1, int(np.searchsorted(sums, before + self.limits.piece, side="right"))))
        pieces = [slice(start, stop) for start, stop in pairwise(cuts)]

        def one(rows: slice) -> Any:
            held = self.scratch.get()
            try:
                return work(rows, *held)
            finally:
                self.scratch.put(held)

        for start in range(0, len(pieces), AHEAD * self.threads):
            group = pieces[start : start + AHEAD * self.threads]
            yield from zip(group, pool.map(one, group), strict=True)


class Pile:
    """Entries one after the other: in memory up to a limit, then in a file."""

    def __init__(self, path: Path, held: int) -> None:
        self.path, self.most = path, held
        self.parts: list[Records] = []
        self.in_memory = self.on_disk = 0

    def __len__(self) -> int:
        return self.in_memory + self.on_disk

    def add(self, records: Records) -> None:
        """Append records `(rows, 3)`; JobError where the disk is full."""
        self.parts.append(records.copy())
        self.in_memory += len(records)
        if self.in_memory > self.most:
            with self.path.open("ab") as file:
                for part in self.parts:
                    file.write(part.data)
            self.on_disk, self.in_memory, self.parts = self.on_disk + self.in_memory, 0, []

    def mapped(self) -> Records:
        """Everything, mapped from the file; only of a pile that holds nothing back."""
        assert not self.in_memory
        if not self.on_disk:
            return np.zeros((0, 3), np.uint32)
        return np.memmap(self.path, "<u4", "r", shape=(self.on_disk, 3))

    def write_shuffled(self, path: Path) -> None:
        """Write all records in an order that is random and the same for the same records."""
        files.require_room(path.parent, len(self) * RECORD)
        with path.open("wb") as out:
            if not self.on_disk:
                records = np.concatenate(self.parts)
                self.parts = []
                kernels.shuffle(records, SHUFFLE_STREAM)
                out.write(records.data)
                return
            for records in self._scattered():
                kernels.shuffle(records, SHUFFLE_STREAM)
                out.write(records.data)

    def _scattered(self) -> Iterator[Records]:
        """All records in random parts, each small enough for memory."""
        num_piles = -(-len(self) // max(1, self.most // 2))
        piles = [Pile(self.path.with_name(f"part-{number}.tmp"), 0) for number in range(num_piles)]
        for start in range(0, len(self), max(1, self.most)):
            records = np.asarray(self._slice(start, start + max(1, self.most)))
            borders, piled = np.zeros(num_piles + 2, np.int64), np.empty_like(records)
            kernels.scatter(records, num_piles, SHUFFLE_STREAM, borders, piled)
            for number, part in enumerate(piles):
                if borders[number + 1] > borders[number]:
                    part.add(piled[borders[number] : borders[number + 1]])
        for part in piles:
            if len(part):
                yield np.array(part.mapped())

    def _slice(self, start: int, stop: int) -> Records:
        if self.in_memory:  # what is left in memory goes to the file, which then has everything
            most, self.most = self.most, -1
            self.add(np.zeros((0, 3), np.uint32))
            self.most = most
        return self.mapped()[start:stop]


def _fitting(
    starts: NDArray[np.int64], ends: NDArray[np.int64], most: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Contexts in groups of at most `most` tokens; a longer context is cut."""
    if len(starts) and int((ends - starts).max()) > most:
        pieces = [(at, min(at + most, int(end))) for start, end in zip(starts, ends, strict=True)
                  for at in range(int(start), int(end), most)]  # fmt: skip
        starts, ends = np.array(pieces, dtype=np.int64).T.copy()
    sums = np.cumsum(ends - starts)
    begin = 0
    while begin < len(sums):
        before = int(sums[begin - 1]) if begin else 0
        stop = max(begin + 1, int(np.searchsorted(sums, before + most, side="right")))
        yield starts[begin:stop], ends[begin:stop]
        begin = stop
