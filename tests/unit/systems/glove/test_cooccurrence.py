from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek.core.errors import DataError
from munmaek.systems.glove import cooccurrence, kernels
from munmaek.systems.glove.cooccurrence import Counter, Counting, Limits, cooccurrences

VOCABULARY = 9
SKIPPED = (0, 1)


class Text:
    """What counting reads of shards, from lists of documents of sentences of ids."""

    def __init__(self, documents: list[list[list[int]]], chosen: list[int] | None = None) -> None:
        sentences = [sentence for document in documents for sentence in document]
        self.ids = np.array([word for sentence in sentences for word in sentence], dtype=np.uint16)
        self.sentence_offsets = np.cumsum([0, *map(len, sentences)])
        self.document_offsets = np.cumsum([0, *map(len, documents)])
        self.documents = np.arange(len(documents)) if chosen is None else np.array(chosen, dtype=np.int64)
        self.vocab_size = VOCABULARY
        self.chosen = [sentence for number in self.documents for sentence in documents[number]]
        self.num_tokens = sum(map(len, self.chosen))

    def counts(self) -> np.ndarray:
        return np.bincount([word for sentence in self.chosen for word in sentence], minlength=self.vocab_size)


def slowly(documents: list[list[list[int]]], counting: Counting) -> dict[tuple[int, int], float]:
    """X by the book: every pair of places of every context."""
    frequency = Counts(word for document in documents for sentence in document for word in sentence)
    found: dict[tuple[int, int], float] = {}
    for document in documents:
        whole = [[word for sentence in document for word in sentence]]
        for context in document if counting.context == "sentence" else whole:
            kept = [word for word in context if word not in SKIPPED and frequency[word] >= counting.min_count]
            for place, word in enumerate(kept):
                for other in range(len(kept)):
                    distance = place - other
                    near = 0 < distance <= counting.window or (counting.symmetric and 0 < -distance <= counting.window)
                    if near:
                        pair = (word, kept[other])
                        found[pair] = found.get(pair, 0.0) + (1 / abs(distance) if counting.inverse else 1.0)
    return found


def counted(text: Text, counting: Counting, limits: Limits) -> tuple[dict[tuple[int, int], float], int]:
    with TemporaryDirectory() as folder:
        work = Counter(text, counting, SKIPPED, limits, Path(folder), lambda what, share: None)
        num = work.write(Path(folder) / "entries.bin")
        records = np.fromfile(Path(folder) / "entries.bin", "<u4").reshape(-1, 3)
        assert [path.name for path in Path(folder).iterdir()] == ["entries.bin"]
    pairs = {(int(a), int(b)): float(c) for (a, b, _), c in zip(records, records.view("<f4")[:, 2], strict=True)}
    assert len(pairs) == len(records) == num
    return pairs, work.num_tokens


SENTENCES = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=12)
DOCUMENTS = st.lists(st.lists(SENTENCES, min_size=1, max_size=3), min_size=1, max_size=6)
COUNTINGS = st.builds(
    Counting, st.integers(1, 5), st.booleans(), st.booleans(), st.sampled_from(["sentence", "document"]),
    st.integers(1, 3),
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(DOCUMENTS, COUNTINGS, st.sampled_from([1, 2]), st.sampled_from([10**6, 40, 0]))
def test_counting_equals_a_dictionary(
    documents: list[list[list[int]]], counting: Counting, threads: int, held: int
) -> None:
    """Whether all is in memory, the finished entries go to disk, or every block does, too; with one thread or two."""
    longest = max(sum(map(len, document)) for document in documents)
    limits = Limits(10**6, 10**6, 10**6) if held > 10**5 else Limits(longest, held, 7)
    expected = slowly(documents, counting)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cooccurrence, "num_threads", lambda: threads)
        if not expected:
            with pytest.raises(DataError, match="near each other"):
                counted(Text(documents), counting, limits)
            return
        found, num_tokens = counted(Text(documents), counting, limits)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-6)
    frequency = Counts(word for document in documents for sentence in document for word in sentence)
    assert num_tokens == sum(n for word, n in frequency.items() if word not in SKIPPED and n >= counting.min_count)


def test_a_context_longer_than_a_block_is_cut() -> None:
    words = [2, 3, 4, 5, 6, 7] * 10
    found, num = counted(Text([[words]]), Counting(window=1), Limits(6, 100, 100))
    assert num == 60
    assert found == slowly([[[2, 3, 4, 5, 6, 7]] * 10], Counting(window=1))


def test_a_part_of_a_corpus_is_counted_alone() -> None:
    documents = [[[2, 3]], [[4, 5]], [[6, 7, 6]]]
    found, _ = counted(Text(documents, [0, 2]), Counting(), Limits(10**6, 10**6, 10**6))
    assert found == pytest.approx(slowly([documents[0], documents[2]], Counting()))


def test_shuffling_keeps_every_record_and_is_even() -> None:
    """Each record lands at each place about as often as at any other."""
    counts = np.zeros((6, 6))
    for stream in range(3000):
        records = np.repeat(np.arange(6, dtype=np.uint32)[:, None], 3, axis=1)
        kernels.shuffle(records, 1_000_003 * stream)
        assert sorted(records[:, 0].tolist()) == list(range(6))
        assert (records == records[:, :1]).all()
        counts[records[:, 0], np.arange(6)] += 1
    assert abs(counts - 500).max() < 5 * (3000 / 6 * 5 / 6) ** 0.5


def test_counting_is_done_once_and_never_reused_wrongly(
    shards_of: Callable[..., Any], documents: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = shards_of(documents)
    told: list[tuple[str, float]] = []

    def count(data: Any = shards, **changes: Any) -> Any:
        return cooccurrences(data, Counting(**changes), [0, 1, 2, 3, 4], 10**8, lambda *said: told.append(said))

    first = count()
    folder = next(shards.folder.parent.glob("*.cooccurrence-*"))
    assert {what for what, _ in told} == {"counting co-occurrences", "shuffling co-occurrences"}
    assert told[-2] == ("counting co-occurrences", 1.0)
    told.clear()
    again = count()
    assert told == []
    assert np.array_equal(first.entries, again.entries)
    assert first.num_tokens == again.num_tokens
    seen = [np.array(first.entries)]
    frequent = int(np.median(np.bincount(shards.ids)[np.unique(shards.ids)]))
    changes = ({"window": 2}, {"symmetric": False}, {"inverse": False}, {"context": "document"},
               {"min_count": frequent}, {"data": shards.subset(range(60))})  # fmt: skip
    for change in changes:
        told.clear()
        other = count(**change).entries
        assert told, f"counted anew with {change}"
        assert not any(np.array_equal(other, entries) for entries in seen)
        seen.append(other)
    whole = {path: path.read_bytes() for path in folder.iterdir()}
    for path in (folder / "entries.bin", folder / cooccurrence.FACTS):
        path.write_bytes(whole[path][:-4])
        told.clear()
        assert np.array_equal(count().entries, seen[0])
        assert told, f"{path.name} was cut: counted anew"
        assert path.read_bytes() == whole[path]
    assert not list(shards.folder.parent.glob("*.tmp"))
