"""The next token of running text: shards to batches, outputs to a loss (Radford 2018 §3.1, equation 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Batch, LossParts, Tokenizer
from munmaek.core.errors import DataError, RequestError
from munmaek.core.positions import walk
from munmaek.data.chunks import batches_of

OPTIONS: dict[str, str] = {}
"""Options a user may set: none."""
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """The rows of one corpus. A document of n tokens is a sequence start, t1 ... tn, end; a row reads a window of it.

    Each token after the start is predicted once in an epoch, from at most `max_length` tokens before it.

    Attributes:
        shards: the corpus.
        firsts: (rows,) place in the shards of the document's first token. totals: (rows,) its n.
        begins: (rows,) where in the sequence the window begins. lengths: (rows,) tokens that it reads.
    """

    shards: Any
    firsts: Ints
    totals: Ints
    begins: Ints
    lengths: Ints


class GptObjective:
    """Next-token prediction; no row holds two documents, so nothing attends from one to another."""

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        if max_length < 8:
            raise RequestError(f"max_length is {max_length}", where="max_length", fix="Give 8 tokens or more.")
        self.max_length = max_length
        self.start, self.end = tokenizer.token_id("cls"), tokenizer.token_id("sep")
        self.pad = tokenizer.token_id("pad")
        self._windows: list[Windows] = []

    def windows(self, data: Any) -> Windows:
        """A corpus as rows, made once; DataError where there is no text."""
        for windows in self._windows:
            if windows.shards is data:
                return windows
        documents = np.asarray(data.documents, dtype=np.int64)
        borders, offsets = np.asarray(data.document_offsets), np.asarray(data.sentence_offsets)
        firsts = offsets[borders[documents]].astype(np.int64)
        totals = offsets[borders[documents + 1]].astype(np.int64) - firsts
        if not totals.sum():
            raise DataError("the corpus has no text to train on", where="corpus", fix="Run munmaek doctor on it.")
        pieces = -(-(totals + 1) // self.max_length)
        rows = np.repeat(np.arange(len(documents)), pieces)
        begins = (np.arange(len(rows)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * self.max_length
        lengths = np.minimum(totals[rows] + 1 - begins, self.max_length)
        windows = Windows(data, firsts[rows], totals[rows], begins, lengths)
        self._windows = [*self._windows[-3:], windows]
        return windows

    def epoch_batches(self, data: Any, *, seed: int, epoch: int, batch_tokens: int) -> int:
        """How many batches one epoch has."""
        return len(batches_of(self.windows(data).lengths, batch_tokens, seed, epoch))

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
        windows = self.windows(data)

        def epoch_of(epoch: int) -> tuple[int, Callable[[int, int], Batch]]:
            groups = batches_of(windows.lengths, batch_tokens, seed, epoch)
            return len(groups), lambda place, following: self._collate(windows, groups[place], following)

        yield from walk(position, epoch_of)

    def _collate(self, windows: Windows, chosen: Ints, position: int) -> Batch:
        lengths, totals = windows.lengths[chosen], windows.totals[chosen, None]
        place = windows.begins[chosen, None] + np.arange(int(lengths.max()))
        real = np.arange(int(lengths.max())) < lengths[:, None]
        ids = windows.shards.ids
        source = windows.firsts[chosen, None] + place
        last = len(ids) - 1
        inputs = np.where(place == 0, self.start, ids[np.clip(source - 1, 0, last)].astype(np.int64))
        labels = np.where(place >= totals, self.end, ids[np.minimum(source, last)].astype(np.int64))
        arrays: dict[str, NDArray[Any]] = {
            "input_ids": np.where(real, inputs, self.pad),
            "attention_mask": real,
            "labels": np.where(real, labels, self.pad),
        }
        num = int(lengths.sum())
        return Batch(arrays, num, {"lm": num}, position, chosen)

    def loss(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> LossParts:
        """Summed cross entropy, nats, float32, of the next tokens: "lm"."""
        output = model(**inputs)
        count = int(inputs["attention_mask"].sum())
        return LossParts({"lm": output.loss}, {"lm": count}, {} if output.hits is None else {"lm": output.hits})
