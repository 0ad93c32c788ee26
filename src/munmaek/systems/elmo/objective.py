"""The next word in both directions: shards to batches, outputs to a loss (Peters 2018 §3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.config import check_value
from munmaek.core.contracts import Batch, LossParts, Tokenizer
from munmaek.core.errors import DataError, RequestError
from munmaek.core.positions import walk
from munmaek.core.runtime import permutation, world
from munmaek.data.chunks import Ints, batches_of, cut
from munmaek.nn.softmax import start_at_frequencies
from munmaek.systems.elmo.characters import Speller

OPTIONS = {
    "carry": "hand cell states on from batch to batch, along streams of text: true or false (default false)",
}
"""Options a user may set."""
_STREAM = 0xE1


@dataclass(frozen=True)
class _Rows:
    """The rows of one epoch: tokens [start, stop) of the corpus, and whether they begin and end a document.

    With `carry` a row is a whole document, and `order` the documents as they follow one another in the stream.
    """

    shards: Any
    starts: Ints
    stops: Ints
    begins: NDArray[np.bool_]
    ends: NDArray[np.bool_]


class ElmoObjective:
    """Joint forward and backward language model: parts "forward" and "backward".

    A row is a document, or a piece of a long one: begin, w1 ... wn read forward predicts w1 ... wn, end; end, wn ... w1
    read backward predicts wn ... w1, begin. Where a piece does not begin or end its document, that last word is not
    asked for. With `carry` the documents follow one another in streams that are cut into windows of `max_length`, each
    batch the next window of every stream, and the states at a window's end are those at the next one's beginning.

    Attributes:
        carried: what `carry` hands on, a part of every checkpoint: "hidden" and "cells", (streams, layers, 2, width).
    """

    def __init__(
        self, tokenizer: Tokenizer, max_length: int, *, characters: str = "bytes", max_symbols: int = 50,
        carry: Any = False,
    ) -> None:  # fmt: skip
        if max_length < 8:
            raise RequestError(f"max_length is {max_length}", where="max_length", fix="Give 8 tokens or more.")
        check_value("carry", carry, bool, "carry")
        self.carry = carry
        if self.carry and world()[1] > 1:
            raise RequestError("carry needs one process", where="carry", fix="Start without torchrun, or carry=false.")
        self.max_length = max_length
        self.begin, self.end = tokenizer.token_id("cls"), tokenizer.token_id("sep")
        self.pad = tokenizer.token_id("pad")
        self.speller = Speller(tokenizer, characters, max_symbols)
        self.carried: dict[str, Tensor] = {}
        self._measured: dict[str, Tensor] = {}
        self._known: list[_Rows] = []

    def start_softmax(self, model: nn.Module, data: Any) -> None:
        """See `contracts.StartingObjective`; of both directions, whose last labels are the marks of a document."""
        counts = 2 * data.counts()
        counts[[self.begin, self.end]] += data.num_documents
        start_at_frequencies(model.softmax_bias, counts)  # type: ignore[arg-type]

    # ---- data -----------------------------------------------------------------------------------------------------

    def _look_at(self, data: Any) -> _Rows:
        for rows in self._known:
            if rows.shards is data:
                return rows
        borders = np.asarray(data.sentence_offsets)[np.asarray(data.document_offsets)]
        if self.carry:
            starts, stops = borders[data.documents], borders[np.asarray(data.documents) + 1]
            begins = ends = np.ones(len(starts), dtype=bool)
        else:
            chunks = cut(data, self.max_length - 1)
            starts, stops = chunks.starts, chunks.stops
            begins, ends = starts == borders[chunks.documents], stops == borders[chunks.documents + 1]
        if not len(starts):
            raise DataError("the corpus has no text to train on", where="corpus", fix="Run munmaek doctor on it.")
        rows = _Rows(data, starts, stops, begins, ends)
        self._known = [*self._known[-3:], rows]
        return rows

    def _streams(self, rows: _Rows, batch_tokens: int) -> tuple[int, int, int]:
        """(streams, tokens of a window, windows) that the documents in a row make; what is left over waits an epoch."""
        total = int((rows.stops - rows.starts).sum()) + len(rows.starts)
        window = min(self.max_length, batch_tokens, total)
        streams = max(1, min(batch_tokens // window, total // window))
        return streams, window, total // streams // window

    def epoch_batches(self, data: Any, *, seed: int, epoch: int, batch_tokens: int) -> int:
        """How many batches one epoch has."""
        rows = self._look_at(data)
        if self.carry:
            return self._streams(rows, batch_tokens)[2]
        return len(batches_of(rows.stops - rows.starts + 1, batch_tokens, seed, epoch))

    def batches(
        self,
        data: Any,
        *,
        seed: int,
        position: int = 0,
        batch_tokens: int,
        progress: Callable[[int], float] = lambda k: 0.0,
    ) -> Iterator[Batch]:
        """Endless batches from `position` on; see `contracts.Objective`."""
        rows = self._look_at(data)
        made = self._windows if self.carry else self._groups
        yield from walk(position, lambda epoch: made(rows, batch_tokens, seed, epoch))

    def _groups(self, rows: _Rows, batch_tokens: int, seed: int, epoch: int) -> tuple[int, Callable[[int, int], Batch]]:
        groups = batches_of(rows.stops - rows.starts + 1, batch_tokens, seed, epoch)
        return len(groups), lambda place, following: self._rows_of(rows, groups[place], following)

    def _rows_of(self, rows: _Rows, chosen: Ints, position: int) -> Batch:
        lengths = rows.stops[chosen] - rows.starts[chosen]
        column = np.arange(int(lengths.max()) + 1)
        text = column < lengths[:, None]
        read = column <= lengths[:, None]
        last = column == lengths[:, None]
        forward = np.full(read.shape, -1, dtype=np.int64)
        backward = forward.copy()
        forward[text] = rows.shards.ids[(rows.starts[chosen, None] + column)[text]]
        backward[text] = rows.shards.ids[(rows.stops[chosen, None] - 1 - column)[text]]
        inputs = [np.roll(side, 1, axis=1) for side in (forward, backward)]
        for side, first in zip(inputs, (self.begin, self.end), strict=True):
            side[:, 0] = first
            side[~read] = self.pad
        forward[last] = np.where(rows.ends[chosen], self.end, -1)
        backward[last] = np.where(rows.begins[chosen], self.begin, -1)
        return self._batch(inputs[0], inputs[1], forward, backward, lengths + 1, position, chosen)

    def _windows(
        self, rows: _Rows, batch_tokens: int, seed: int, epoch: int
    ) -> tuple[int, Callable[[int, int], Batch]]:
        streams, window, num = self._streams(rows, batch_tokens)
        order = permutation(len(rows.starts), seed, epoch, _STREAM)
        sizes = (rows.stops - rows.starts)[order] + 1
        edges = np.concatenate([[0], np.cumsum(sizes)])
        opens = (np.arange(streams) * num * window)[:, None]

        def at(places: Ints, backward: bool) -> tuple[Ints, Ints]:
            """The inputs and the labels that stand at places of the stream; each document begins with its mark."""
            document = np.searchsorted(edges, places, side="right") - 1
            inside, size = places - edges[document], sizes[document]
            first, stop = rows.starts[order[document]], rows.stops[order[document]]
            mark, other = (self.end, self.begin) if backward else (self.begin, self.end)
            ids = rows.shards.ids

            def word(number: Ints, otherwise: int, where: NDArray[np.bool_]) -> Ints:
                source = np.where(where, stop - number if backward else first + number - 1, 0)
                return np.where(where, ids[source].astype(np.int64), otherwise)

            return word(inside, mark, inside > 0), word(inside + 1, other, inside + 1 < size)

        def batch_at(place: int, following: int) -> Batch:
            places = opens + place * window + np.arange(window)
            ahead, ahead_labels = at(places, False)
            back, back_labels = at(places, True)
            lengths = np.full(streams, window)
            chosen = place * streams + np.arange(streams)
            extra = {"stream": np.arange(streams), "fresh": np.full(streams, place == 0)}
            return self._batch(ahead, back, ahead_labels, back_labels, lengths, following, chosen, extra)

        return num, batch_at

    def _batch(
        self, ahead: Ints, back: Ints, ahead_labels: Ints, back_labels: Ints, lengths: Ints, position: int,
        chosen: Ints, extra: Mapping[str, NDArray[Any]] | None = None,
    ) -> Batch:  # fmt: skip
        arrays: dict[str, NDArray[Any]] = {
            "input_ids": ahead,
            "backward_ids": back,
            "forward_labels": ahead_labels,
            "backward_labels": back_labels,
            "lengths": lengths,
            **(extra or {}),
        }
        counts = {"forward": int((ahead_labels >= 0).sum()), "backward": int((back_labels >= 0).sum())}
        return Batch(arrays, int(lengths.sum()), counts, position, chosen)

    # ---- loss -----------------------------------------------------------------------------------------------------

    def loss(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> LossParts:
        """Summed cross entropy, nats, float32, of the words in each direction."""
        ids = torch.stack([inputs["input_ids"], inputs["backward_ids"]])
        labels = torch.stack([inputs["forward_labels"], inputs["backward_labels"]])
        different, words = torch.unique(ids, return_inverse=True)
        characters = torch.from_numpy(self.speller.rows(different.cpu().numpy())).to(ids.device)
        store = self.carried if model.training else self._measured
        start = self._taken(store, inputs) if self.carry else None
        output = model(characters, words, labels, inputs["lengths"], start)
        if self.carry:
            self._kept(store, inputs, output.carried)
        names = ("forward", "backward")
        counts = {name: int((side >= 0).sum()) for name, side in zip(names, labels, strict=True)}
        hits = {name: value for name, value in zip(names, output.hits, strict=True) if value is not None}
        return LossParts(dict(zip(names, output.losses, strict=True)), counts, hits)

    def _taken(self, store: dict[str, Tensor], inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...] | None:
        """The memory of some streams; None at the beginning of an epoch, whose streams are dealt anew."""
        if not store or bool(inputs["fresh"].any()):
            return None
        kept = (store[name].to(inputs["stream"].device)[inputs["stream"]] for name in ("hidden", "cells"))
        return tuple(part.permute(1, 2, 0, 3) for part in kept)

    def _kept(self, store: dict[str, Tensor], inputs: Mapping[str, Tensor], carried: tuple[Tensor, ...]) -> None:
        """Remember the memory of some streams; tensors are replaced, never written into."""
        streams = inputs["stream"]
        for name, value in zip(("hidden", "cells"), carried, strict=True):
            value = value.detach().permute(2, 0, 1, 3).float()
            old = store.get(name, value[:0])
            size = max(len(old), int(streams.max()) + 1)
            whole = value.new_zeros((size, *value.shape[1:]))
            whole[: len(old)] = old
            whole[streams] = value
            store[name] = whole
