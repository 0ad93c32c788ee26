"""Shards to single predictions, a history and the word that follows it; outputs to a loss; and the counting itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Batch, LossParts, Tokenizer
from munmaek.core.errors import RequestError
from munmaek.core.positions import walk
from munmaek.core.runtime import permutation
from munmaek.core.sizes import parse_bytes
from munmaek.systems.ngram.counting import LEAST_MEMORY, texts_of

PART = "lm"
ORDER_STREAM = 0x46
RUN = 32
"""Predictions in a row that an epoch moves together."""
OPTIONS = {
    "context": "what a text is, with a beginning and an end: document or sentence (default document)",
    "memory": "memory that counting may take beside the model itself: 2GB, 500MB (default 2GB)",
}
"""Options a user may set."""


class NgramObjective:
    """Next words after histories of `order` - 1 words; the loss is the negative log likelihood, nats.

    Attributes:
        begin, end: ids that stand before and after a text: [CLS] and [SEP]. predicted: (vocab,) what may follow.
        notes: what a person should know; filled when the model is counted.
    """

    def __init__(
        self, tokenizer: Tokenizer, order: int, *, context: str = "document", memory: str | int = "2GB"
    ) -> None:
        if context not in ("document", "sentence"):
            raise RequestError(f"context is {context!r}", where="context", fix="It is document or sentence.")
        self.order, self.context = order, context
        self.memory = parse_bytes(memory, "memory", LEAST_MEMORY)
        self.begin, self.end, self.predicted = symbols(tokenizer)
        self.notes: list[str] = []

    def epoch_batches(self, data: Any, *, seed: int, epoch: int, batch_tokens: int) -> int:
        """How many batches of `batch_tokens` predictions one epoch has."""
        starts, ends = texts_of(data, self.context)
        return -(-int((ends - starts + 1).sum()) // batch_tokens)

    def batches(
        self,
        data: Any,
        *,
        seed: int,
        position: int = 0,
        batch_tokens: int,
        progress: Callable[[int], float] = lambda k: 0.0,
    ) -> Iterator[Batch]:
        """Endless batches of `batch_tokens` predictions from `position` on; see `contracts.Objective`."""
        starts, ends = texts_of(data, self.context)
        borders = np.cumsum(ends - starts + 1)
        total = -(-int(borders[-1]) // batch_tokens)

        def epoch_of(epoch: int) -> tuple[int, Callable[[int, int], Batch]]:
            runs = permutation(-(-int(borders[-1]) // RUN), seed, ORDER_STREAM, epoch)
            order = _Order(runs, int(borders[-1]))

            def batch_at(number: int, following: int) -> Batch:
                chosen = order.places(number * batch_tokens, (number + 1) * batch_tokens)
                text = np.searchsorted(borders, chosen, side="right")
                before = chosen - (borders[text] - (ends - starts + 1)[text])
                histories, labels = self.windows(data.ids, starts[text], ends[text], before)
                arrays: dict[str, NDArray[Any]] = {"histories": histories, "labels": labels}
                return Batch(arrays, len(chosen), {PART: len(chosen)}, following, chosen)

            return total, batch_at

        yield from walk(position, epoch_of)

    def windows(
        self, ids: NDArray[Any], starts: NDArray[np.int64], ends: NDArray[np.int64], before: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Histories `(rows, order - 1)`, the nearest word first, and labels `(rows,)`.

        Row by row: the text ids[start:end], and how many of its words stand before the one to predict.
        """
        distances = np.arange(1, self.order)
        place = before[:, None] - distances
        histories = ids[np.maximum(starts[:, None] + place, 0)].astype(np.int64)
        histories[place == -1] = self.begin
        histories[place < -1] = -1
        last = before == ends - starts
        labels = ids[np.where(last, 0, starts + before)].astype(np.int64)
        labels[last] = self.end
        return histories, labels

    def loss(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> LossParts:
        """Summed negative log likelihood of the labels, nats."""
        found: Tensor = model(inputs["histories"], inputs["labels"])
        return LossParts({PART: -found.double().sum()}, {PART: len(found)})


class _Order:
    """The order of an epoch's predictions: runs of `RUN`, moved; the last, shorter one takes the last place."""

    def __init__(self, runs: NDArray[np.int64], num: int) -> None:
        self.num = num
        self.runs = np.concatenate([runs[runs != len(runs) - 1], [len(runs) - 1]])

    def places(self, start: int, stop: int) -> NDArray[np.int64]:
        """Which predictions stand at [start, stop) of the epoch."""
        run, within = np.divmod(np.arange(start, min(stop, self.num)), RUN)
        return self.runs[run] * RUN + within


def symbols(tokenizer: Tokenizer) -> tuple[int, int, NDArray[np.bool_]]:
    """The ids before and after a text, and which tokens may follow: not [PAD], [MASK] or the beginning.

    Raises:
        RequestError: the vocabulary has no [CLS] or [SEP].
    """
    begin, end = tokenizer.token_id("cls"), tokenizer.token_id("sep")
    predicted = np.ones(tokenizer.vocab_size, bool)
    predicted[begin] = False
    for role in ("pad", "mask"):
        try:
            predicted[tokenizer.token_id(role)] = False
        except RequestError:  # a vocabulary of another tool may lack one
            continue
    return begin, end, predicted
