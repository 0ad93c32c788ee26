"""Tokenised examples, and the objective that lets the one trainer learn from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from munmaek.core.contracts import Batch, Encoder, Encoding, LossParts
from munmaek.core.errors import DataError
from munmaek.core.positions import walk
from munmaek.core.runtime import draw, permutation
from munmaek.data import choices, usages
from munmaek.tasks.task import NO_TARGET, Answers, Task, Tokens
from munmaek.tasks.windows import is_cut, windows_of

ORDER_STREAM, BATCH_STREAM = 0x0D, 0xBA
SORTED_FROM = 2_000
"""Below this many rows batches are purely random; from here on rows of about equal length go together."""
WINDOW_BATCHES = 50
TOKENISED_AT_ONCE = 4_096
TARGET = "target"
MARKED = "marked"
"""The array that says which tokens hold a marked word."""
PART = "label"
AUXILIARY = "auxiliary"


@dataclass(frozen=True)
class Labelled:
    """Tokenised texts with targets, compact: 5 bytes a token, 13 with its characters.

    A row is what a training draws: a row of the table, or a window of one (see `origins`).

    Attributes:
        ids: (tokens,) uint32, all rows one after the other. type_ids: (tokens,) uint8.
        offsets: (rows x readings + 1,) where each encoding begins.
        targets: (rows,) int64 classes or float32 numbers; empty where nothing is known.
        num_cut: rows that were longer than the model reads.
        readings: encodings of each row: 2 where a pair is read in both orders or apart, or one an alternative.
        spans: (tokens, 2) int32, the characters of each token without spaces at their ends, (0, 0) of a special one;
            None where targets are the rows'. With spans, targets are the tokens': (tokens,), NO_TARGET for none.
        texts: of the table's rows, where there are spans: what their characters are of.
        marks: (tokens,) bool, the tokens that hold the word marked in their text; None where none is.
        origins: (rows,) the table's row that each is a window of, in rising order; None where each is a whole one.
    """

    ids: NDArray[np.uint32]
    type_ids: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    targets: NDArray[Any]
    num_cut: int = 0
    readings: int = 1
    spans: NDArray[np.int32] | None = None
    texts: Sequence[str] = ()
    origins: NDArray[np.int64] | None = None
    marks: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return (len(self.offsets) - 1) // self.readings

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(rows,) tokens that each takes, special ones included: those of its longest reading, for every reading."""
        return np.diff(self.offsets).reshape(-1, self.readings).max(1) * self.readings

    def encodings(self, rows: NDArray[np.int64]) -> list[Encoding]:
        """Some rows, `readings` encodings each, as `Encoder.collate` takes them; offsets and strings are not kept."""
        borders = zip(self.offsets[self._places(rows)], self.offsets[self._places(rows) + 1], strict=True)
        return [
            Encoding(self.ids[start:stop].tolist(), [], [], [], self.type_ids[start:stop].tolist())
            for start, stop in borders
        ]

    def arrays(self, encoder: Encoder, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Some rows collated, `(rows, seq)`, or `(rows, readings, seq)` where there are several."""
        arrays = encoder.collate(self.encodings(rows))
        if self.marks is not None:
            arrays[MARKED] = self._filled(self.marks, self._places(rows), arrays["attention_mask"].shape[1], False)
        if self.readings == 1:
            return arrays
        return {name: array.reshape(len(rows), self.readings, *array.shape[1:]) for name, array in arrays.items()}

    def num_tokens(self, rows: NDArray[np.int64]) -> int:
        """Tokens of some rows, padding left out."""
        return int(np.diff(self.offsets)[self._places(rows)].sum())

    def take(self, rows: NDArray[np.int64]) -> Labelled:
        """Some rows of the table, in that order, with all their windows; targets too where there are any."""
        texts: list[str] = [self.texts[int(row)] for row in rows] if self.texts else []
        origins = None
        if self.origins is not None:
            first, last = (np.searchsorted(self.origins, rows, side) for side in ("left", "right"))
            origins = np.repeat(np.arange(len(rows)), last - first)
            rows = np.concatenate([np.zeros(0, np.int64), *map(np.arange, first, last)])
        chosen = self._places(rows)
        lengths = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.repeat(self.offsets[chosen] - offsets[:-1], lengths) + np.arange(offsets[-1])
        spans = None if self.spans is None else self.spans[places]
        targets = self.targets[rows if spans is None else places] if len(self.targets) else self.targets
        return Labelled(self.ids[places], self.type_ids[places], offsets, targets, self.num_cut, self.readings, spans,
                        texts, origins, None if self.marks is None else self.marks[places])  # fmt: skip

    def targets_of(self, rows: NDArray[np.int64], width: int) -> NDArray[Any]:
        """The targets of some rows, `(rows,)`; those of tokens `(rows, width)`, filled up with NO_TARGET."""
        if self.spans is None:
            return self.targets[rows]
        return self._filled(self.targets, np.asarray(rows), width, NO_TARGET)

    def _filled(self, values: NDArray[Any], places: NDArray[np.int64], width: int, filling: int) -> NDArray[Any]:
        """What the tokens of some encodings have, `(places, width)`, filled up on the right."""
        filled = np.full((len(places), width), filling, dtype=values.dtype)
        for line, place in zip(filled, places.tolist(), strict=True):
            start, stop = self.offsets[place : place + 2].tolist()
            line[: stop - start] = values[start:stop]
        return filled

    @property
    def tokens(self) -> Tokens:
        """Where the tokens stand in the texts; only with spans."""
        assert self.spans is not None
        rows = np.arange(len(self)) if self.origins is None else self.origins
        return Tokens(self.texts, self.offsets, self.spans, rows)

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(rows x readings,) the encodings of some rows."""
        return (np.asarray(rows)[:, None] * self.readings + np.arange(self.readings)).ravel()


def tokenise(
    encoder: Encoder,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    targets: NDArray[Any] | None = None,
    max_length: int | None = None,
    both_orders: bool = False,
    apart: bool = False,
    alternatives: bool = False,
    marked: bool = False,
    per_token: bool = False,
    windows: bool = False,
) -> Labelled:
    """Texts, or pairs read as one input with token types, as ids; `max_length` counts special tokens.

    `both_orders`: each pair is read twice, the second text first the second time (Radford 2018 §3.3).
    `apart`: the texts of each pair are read one by one.
    `alternatives`: each second text is several (`data.choices`), and the first is read once with each.
    `marked`: a word is marked in each text and each second text (`data.usages`), and these are read one by one; where
    the word stands past what is read, all that is read counts as marked.
    `per_token`: the characters of each token are kept. `windows`: they are those of the second texts, and one that is
    longer than fits is read in several windows (`tasks.windows`), each a row.

    Raises:
        DataError: rows have different numbers of alternatives, or a text has no mark.
    """
    limit = min(max_length or encoder.max_length, encoder.max_length)
    places = [[usages.split(text) for text in part] for part in (texts, pairs or ())] if marked else []
    orders = [([text for text, _ in part], None) for part in places] if marked else _readings(
        texts, pairs, both_orders, apart, alternatives
    )  # fmt: skip
    ids: list[NDArray[np.uint32]] = []
    types: list[NDArray[np.uint8]] = []
    spans: list[NDArray[np.int32]] = []
    marks: list[NDArray[np.bool_]] = []
    lengths: list[int] = []
    origins: list[int] = []
    num_cut = 0
    kept = pairs if windows and pairs is not None else texts
    for start in range(0, len(texts), TOKENISED_AT_ONCE):
        part = slice(start, start + TOKENISED_AT_ONCE)
        if windows:
            read = windows_of(encoder, texts[part], kept[part], limit)
            origins += [start + row for row, _ in read]
            encodings = [encoding for _, encoding in read]
            num_cut += len({row for row, encoding in read if is_cut(encoding, texts[start + row], limit)})
        else:
            each = [encoder.tokenize(a[part], None if b is None else b[part], limit) for a, b in orders]
            origins += range(start, start + len(each[0]))
            encodings = [encoding for row in zip(*each, strict=True) for encoding in row]
            num_cut += sum(max(len(encoding.ids) for encoding in row) >= limit for row in zip(*each, strict=True))
        lengths += [len(encoding.ids) for encoding in encodings]
        ids.append(np.fromiter((i for encoding in encodings for i in encoding.ids), dtype=np.uint32))
        types.append(np.fromiter((i for encoding in encodings for i in encoding.type_ids), dtype=np.uint8))
        if marked:
            held = [place for row in zip(*(each[part] for each in places), strict=True) for _, place in row]
            marks += [_marks(encoding, *place) for encoding, place in zip(encodings, held, strict=True)]
        if per_token:
            rows = origins[len(origins) - len(encodings) :]
            spans += [_spans(e, kept[row], int(windows)) for e, row in zip(encodings, rows, strict=True)]
    return Labelled(
        np.concatenate(ids) if ids else np.zeros(0, np.uint32),
        np.concatenate(types) if types else np.zeros(0, np.uint8),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.zeros(0, np.int64) if targets is None else targets,
        num_cut,
        len(orders),
        np.concatenate([np.zeros((0, 2), np.int32), *spans]) if per_token else None,
        kept if per_token else (),
        np.array(origins, dtype=np.int64) if windows else None,
        np.concatenate([np.zeros(0, np.bool_), *marks]) if marked else None,
    )


def _marks(encoding: Encoding, start: int, end: int) -> NDArray[np.bool_]:
    """The tokens that hold some of the characters [start, end); where none does, all tokens."""
    found = usages.held(encoding, start, end)
    marks = np.full(len(encoding.ids), not found)
    marks[found] = True
    return marks


def _spans(encoding: Encoding, text: str, kind: int) -> NDArray[np.int32]:
    """The characters `(tokens, 2)` of each token of the first (0) or second (1) text, without spaces at their ends."""
    found = np.zeros((len(encoding.ids), 2), dtype=np.int32)
    for place, (start, end) in enumerate(encoding.offsets):
        piece = text[start:end]
        if encoding.type_ids[place] == kind and not encoding.special[place] and piece.strip():
            found[place] = end - len(piece.lstrip()), start + len(piece.rstrip())
    return found


def characters(texts: Sequence[str]) -> Tokens:
    """Every character of some texts that is no space as a token of its own."""
    rows = [[place for place, character in enumerate(text) if not character.isspace()] for text in texts]
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    places = np.array([place for row in rows for place in row], dtype=np.int32)
    return Tokens(texts, offsets, np.stack([places, places + 1], axis=1), np.arange(len(texts)))


def with_targets(data: Labelled, task: Task, answers: Answers, labels: Sequence[str], where: str) -> Labelled:
    """Rows with the targets of their labels, or of their tokens where the task answers those."""
    targets = task.targets(answers, labels, where)
    if task.per_token is not None:
        targets = task.per_token.targets(answers, targets, data.tokens)
    return replace(data, targets=targets)


def answer(task: Task, answers: Answers, outputs: NDArray[np.float32], data: Labelled) -> NDArray[Any]:
    """The rows' answers from outputs, of rows or of tokens."""
    found = task.answer(answers, outputs)
    if task.per_token is None:
        return found
    return task.per_token.collect(answers, found, data.tokens)


def _readings(
    texts: Sequence[str], pairs: Sequence[str] | None, both_orders: bool, apart: bool, alternatives: bool
) -> list[tuple[Sequence[str], Sequence[str] | None]]:
    """The texts and second texts of each reading of the rows."""
    if pairs is None or not len(pairs) or not (both_orders or apart or alternatives):
        return [(texts, pairs)]
    if apart:
        return [(texts, None), (pairs, None)]
    if not alternatives:
        return [(texts, pairs), (pairs, texts)]
    rows = [choices.split(pair) for pair in pairs]
    odd = next((row for row, found in enumerate(rows) if len(found) != len(rows[0])), None)
    if odd is not None:
        found = f"row {odd + 1:,} has {len(rows[odd])} alternatives, the first has {len(rows[0])}"
        raise DataError(found, fix="Give every row the same number of alternatives.")
    return [(texts, second) for second in zip(*rows, strict=True)]


def by_length(lengths: NDArray[np.int64], batch_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Every row once, rows of about equal length together, at most `batch_tokens` padded tokens at a time."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + max(1, batch_tokens // max(1, int(lengths[order[start]])))
        stop = min(stop, len(order))
        while stop - start > 1 and (stop - start) * int(lengths[order[stop - 1]]) > batch_tokens:
            stop = start + max(1, min(stop - start - 1, batch_tokens // int(lengths[order[stop - 1]])))
        yield order[start:stop]
        start = stop


class LabelledObjective:
    """The Objective over `Labelled` rows: a task's loss on a `TaskModel`'s outputs.

    The rows of a batch are a pure function of (seed, epoch, batch): a random order of the rows, in windows sorted by
    length, cut into batches of about equal numbers of rows, themselves in random order.

    Args:
        task, encoder: whose loss, whose inputs.
        batch_rows: rows of an optimiser step, fewer where they would pass `batch_tokens` padded tokens.
        auxiliary: weight of the model's auxiliary loss in training; 0 is none.
        variant: epoch -> the same rows tokenised another way; None keeps them as they are.
    """

    def __init__(
        self, task: Task, encoder: Encoder, batch_rows: int, auxiliary: float = 0.0,
        variant: Callable[[int], Labelled] | None = None,
    ) -> None:  # fmt: skip
        self.task, self.encoder, self.batch_rows, self.auxiliary = task, encoder, batch_rows, auxiliary
        self._variant = None if variant is None else lru_cache(maxsize=1)(variant)

    def rows(self, data: Labelled, epoch: int) -> Labelled:
        """The rows as an epoch sees them."""
        return data if self._variant is None else self._variant(epoch)

    def plan(self, data: Labelled, seed: int, epoch: int, batch_tokens: int) -> list[NDArray[np.int64]]:
        """The batches of an epoch, each the numbers of its rows; every row is in one."""
        data = self.rows(data, epoch)
        order = permutation(len(data), seed, ORDER_STREAM, epoch)
        batches: list[NDArray[np.int64]] = []
        lengths = data.lengths
        if len(data) >= SORTED_FROM:
            window = WINDOW_BATCHES * self.batch_rows
            windows = [order[start : start + window] for start in range(0, len(order), window)]
            order = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in windows])
        for part in np.array_split(order, -(-len(order) // self.batch_rows)):
            batches += _fitting(part, lengths, batch_tokens)
        return [batches[place] for place in np.argsort(draw(seed, BATCH_STREAM, epoch, np.arange(len(batches))))]

    def epoch_batches(self, data: Labelled, *, seed: int, epoch: int, batch_tokens: int) -> int:
        """How many batches one epoch has."""
        return len(self.plan(data, seed, epoch, batch_tokens))

    def batches(
        self,
        data: Labelled,
        *,
        seed: int,
        position: int = 0,
        batch_tokens: int,
        progress: Callable[[int], float] = lambda k: 0.0,
    ) -> Iterator[Batch]:
        """Endless batches from `position` on; see `contracts.Objective`."""

        def epoch_of(epoch: int) -> tuple[int, Callable[[int, int], Batch]]:
            plan, rows = self.plan(data, seed, epoch, batch_tokens), self.rows(data, epoch)
            return len(plan), lambda number, follows: self._batch(rows, plan[number], follows)

        yield from walk(position, epoch_of)

    def _batch(self, data: Labelled, rows: NDArray[np.int64], follows: int) -> Batch:
        arrays = data.arrays(self.encoder, rows)
        num_tokens = data.num_tokens(rows)
        targets = data.targets_of(rows, arrays["attention_mask"].shape[-1])
        counts = {PART: max(1, self._count(targets))}
        if self.auxiliary:
            counts[AUXILIARY] = num_tokens - len(rows) * data.readings
        return Batch({**arrays, TARGET: targets}, num_tokens, counts, follows, rows)

    def loss(self, model: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> LossParts:
        """The task's loss, summed, and how many rows or tokens were right; in training with the auxiliary loss."""
        given = {name: tensor for name, tensor in inputs.items() if name != TARGET}
        if not (self.auxiliary and model.training):
            return self._parts(model(given), inputs[TARGET])
        outputs, (nats, count) = model(given, auxiliary=True)
        parts = self._parts(outputs, inputs[TARGET])
        parts.sums[AUXILIARY], parts.counts[AUXILIARY], parts.weights[AUXILIARY] = nats, count, self.auxiliary
        return parts

    def _parts(self, outputs: torch.Tensor, targets: torch.Tensor) -> LossParts:
        total, right = self.task.loss(outputs, targets)
        return LossParts({PART: total}, {PART: self._count(targets)}, {} if right is None else {PART: right})

    def _count(self, targets: Any) -> int:
        """What the mean of the loss is over: rows, or what a task counts that answers tokens."""
        return len(targets) if self.task.per_token is None else self.task.per_token.count(targets)


def _fitting(rows: NDArray[np.int64], lengths: NDArray[np.int64], batch_tokens: int) -> list[NDArray[np.int64]]:
    """Rows in one batch, or in halves until no half passes `batch_tokens` padded tokens."""
    if len(rows) < 2 or len(rows) * int(lengths[rows].max()) <= batch_tokens:
        return [rows]
    middle = len(rows) // 2
    return _fitting(rows[:middle], lengths, batch_tokens) + _fitting(rows[middle:], lengths, batch_tokens)
