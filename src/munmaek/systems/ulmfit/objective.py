"""The next token of running text: shards to batches, outputs to a loss (Merity 2018 §4-5, Howard 2018 §3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.config import FROM_0, check_value
from munmaek.core.contracts import Batch, LossParts, Tokenizer
from munmaek.core.errors import DataError, RequestError
from munmaek.core.positions import walk
from munmaek.core.runtime import world
from munmaek.data.chunks import batches_of
from munmaek.nn.softmax import start_at_frequencies
from munmaek.systems.ulmfit.stream import SHORTEST, Lanes, Rows, Stream

MODES = ("auto", "documents", "stream")
OPTIONS = {
    "rows": "documents (each from a fresh state), stream (the state is carried on), auto (documents where most fit)",
    "window": "tokens of running text in a row of a stream, on average (default 70)",
    "activation": "weight of the last layer's mean squared activation, AR (default 2)",
    "change": "weight of its mean squared change from token to token, TAR (default 1)",
}
"""Options a user may set."""
Ints = NDArray[np.int64]


class UlmfitObjective:
    """Next-token prediction over whole documents, or over one stream of all of them with the states carried on.

    Attributes:
        carried: of a stream, "state.N" and "cell.N", (lanes, size): where each layer stands in each lane. Of whole
            documents, nothing. A validation carries its own, which are not here.
        notes: what a person should know about how the corpus is used.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_length: int,
        direction: str = "forward",
        *,
        rows: str = "auto",
        window: Any = 70,
        activation: Any = 2.0,
        change: Any = 1.0,
    ) -> None:
        if rows not in MODES:
            raise RequestError(f"no rows of {rows!r}", where="rows", fix=f"Rows: {', '.join(MODES)}.")
        check_value("window", window, int, "window", FROM_0)
        if min(max_length, window) < SHORTEST + 3:
            raise RequestError(f"{min(max_length, window)} tokens a row", where="max_length", fix="Give 8 or more.")
        for name, weight in (("activation", activation), ("change", change)):
            check_value(name, weight, float, name, FROM_0)
        if rows == "stream" and world()[1] > 1:
            fix = "Use one process, or rows=documents."
            raise RequestError("several processes cannot carry the states of one stream", where="rows", fix=fix)
        self.max_length, self.backward = max_length, direction == "backward"
        self.mode, self.window = rows, window
        self.weights = {"activation": float(activation), "change": float(change)}
        self.border, self.pad = tokenizer.token_id("sep"), tokenizer.token_id("pad")
        self.carried: dict[str, Tensor] = {}
        self.notes: list[str] = []
        self._watched: dict[str, Tensor] = {}
        self._rows: list[tuple[Any, Rows]] = []

    def start_softmax(self, model: nn.Module, data: Any) -> None:
        """See `contracts.StartingObjective`; the border is each document's last label."""
        counts = data.counts()
        counts[self.border] += data.num_documents
        start_at_frequencies(model.word_bias, counts)  # type: ignore[arg-type]

    # ---- data -----------------------------------------------------------------------------------------------------

    def is_stream(self, data: Any) -> bool:
        """Whether a corpus is read as one stream; judged by the whole of it, not by the part that `data` may be."""
        if self.mode != "auto" or world()[1] > 1:
            return self.mode == "stream"
        tokens = np.diff(np.asarray(data.sentence_offsets)[np.asarray(data.document_offsets)])
        share = float(tokens[tokens < self.max_length].sum() / max(1, tokens.sum()))
        note = f"{share:.0%} of the text is in documents of at most {self.max_length} tokens: "
        note += "each is a row" if share > 0.5 else "it is read as one stream, the states carried on"
        self.notes = [note]
        return share <= 0.5

    def rows(self, data: Any) -> Rows:
        """A corpus as rows of whole documents, made once; DataError where there is no text."""
        for known, rows in self._rows:
            if known is data:
                return rows
        rows = Rows.of(Stream.of(data, self.border, self.backward), self.max_length)
        if not len(rows.begins):
            raise DataError("the corpus has no text to train on", where="corpus", fix="Run munmaek doctor on it.")
        self._rows = [*self._rows[-3:], (data, rows)]
        return rows

    def lanes(self, data: Any, seed: int, epoch: int, batch_tokens: int) -> Lanes:
        """One epoch of a corpus as a stream."""
        return Lanes.of(data, self.border, self.backward, self.window, batch_tokens, seed, epoch)

    def epoch_batches(self, data: Any, *, seed: int, epoch: int, batch_tokens: int) -> int:
        """How many batches one epoch has."""
        if self.is_stream(data):
            return len(self.lanes(data, seed, epoch, batch_tokens).cuts) - 1
        return len(batches_of(self.rows(data).lengths, batch_tokens, seed, epoch))

    def batches(
        self,
        data: Any,
        *,
        seed: int,
        position: int = 0,
        batch_tokens: int,
        progress: Callable[[int], float] = lambda k: 0.0,
    ) -> Iterator[Batch]:
        """Endless batches from `position` on; see `contracts.Objective`. The states of a stream are not in them."""

        def windows(epoch: int) -> tuple[int, Callable[[int, int], Batch]]:
            lanes = self.lanes(data, seed, epoch, batch_tokens)
            return len(lanes.cuts) - 1, lambda place, following: self._window(lanes, place, following)

        def documents(epoch: int) -> tuple[int, Callable[[int, int], Batch]]:
            rows = self.rows(data)
            groups = batches_of(rows.lengths, batch_tokens, seed, epoch)
            return len(groups), lambda place, following: self._documents(rows, groups[place], following)

        yield from walk(position, windows if self.is_stream(data) else documents)

    def _documents(self, rows: Rows, chosen: Ints, position: int) -> Batch:
        lengths = rows.lengths[chosen]
        column = np.arange(int(lengths.max()))
        real = column < lengths[:, None]
        tokens = rows.stream.at(rows.begins[chosen, None] + np.arange(len(column) + 1))
        arrays = {
            "input_ids": np.where(real, tokens[:, :-1], self.pad),
            "attention_mask": real,
            "labels": np.where(real, tokens[:, 1:], self.pad),
        }
        return self._batch(arrays, int(lengths.sum()), position, chosen)

    def _window(self, lanes: Lanes, place: int, position: int) -> Batch:
        begin, end = int(lanes.cuts[place]), int(lanes.cuts[place + 1])
        lane = np.arange(lanes.count)
        tokens = lanes.stream.at(lane[:, None] * int(lanes.cuts[-1]) + np.arange(begin, end + 1))
        arrays = {
            "input_ids": tokens[:, :-1],
            "attention_mask": np.ones((lanes.count, end - begin), dtype=bool),
            "labels": tokens[:, 1:],
            "lanes": lane,
            "goes_on": np.full(lanes.count, place > 0),
        }
        rate = (end - begin) / self.window
        return self._batch(arrays, lanes.count * (end - begin), position, place * lanes.count + lane, rate)

    def _batch(
        self, arrays: dict[str, NDArray[Any]], num: int, position: int, samples: Ints, rate: float = 1.0
    ) -> Batch:
        counts = {"lm": num, "activation": num, "change": num - len(samples)}
        return Batch(arrays, num, counts, position, samples, rate)

    # ---- loss -----------------------------------------------------------------------------------------------------

    def loss(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> LossParts:
        """Summed cross entropy of the next tokens, nats, float32: "lm"; while training also AR and TAR.

        "activation" is the squared last states after dropout, "change" the squared difference of two states in
        succession before it, each the mean over the coordinates, summed over tokens (Merity 2018 §4.5).
        """
        rows = inputs["input_ids"], inputs["attention_mask"], inputs["labels"]
        if "lanes" in inputs:
            output = model(*rows, self._states(model, inputs))
            self._carry(model, inputs["lanes"], output.ends)
        else:
            output = model(*rows)
        num = int(rows[1].sum())
        parts = LossParts({"lm": output.loss}, {"lm": num}, {} if output.hits is None else {"lm": output.hits})
        if model.training:
            mask = rows[1].t()
            squares = output.dropped.square().mean(2), (output.states[1:] - output.states[:-1]).square().mean(2)
            sums = {"activation": (squares[0] * mask).sum(), "change": (squares[1] * mask[1:]).sum()}
            parts.sums |= {name: sums[name] for name, weight in self.weights.items() if weight}
            parts.counts |= {"activation": num, "change": num - len(rows[0])}
            parts.weights |= self.weights
        return parts

    def _states(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]] | None:
        """Where the lanes of these rows stand; None at the start of an epoch, or where nobody has read before."""
        lanes, known = inputs["lanes"], self.carried if model.training else self._watched
        if not bool(inputs["goes_on"][0]) or not known or len(known["state.0"]) <= int(lanes.max()):
            return None
        return [(known[f"state.{n}"][lanes], known[f"cell.{n}"][lanes]) for n in range(len(known) // 2)]

    def _carry(self, model: nn.Module, lanes: Tensor, ends: list[tuple[Tensor, Tensor]]) -> None:
        """Remember where the lanes of these rows stand now; the old tensors stay as they were."""
        known = self.carried if model.training else self._watched
        most = int(lanes.max()) + 1
        for number, pair in enumerate(ends):
            for name, value in zip(("state", "cell"), pair, strict=True):
                old = known.get(f"{name}.{number}", value.new_zeros((0, value.shape[1])))
                room = torch.cat([old, old.new_zeros((max(0, most - len(old)), value.shape[1]))])
                known[f"{name}.{number}"] = room.index_copy(0, lanes, value.detach())
