"""Entries of X to batches, and the weighted least squares that they are learnt by (Pennington 2014 §3, eq. 8 and 9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Batch, LossParts, Tokenizer
from munmaek.core.errors import RequestError
from munmaek.core.positions import walk
from munmaek.core.runtime import draw, num_threads, permutation
from munmaek.core.sizes import parse_bytes
from munmaek.data.tokenizers import special_ids
from munmaek.systems.glove import kernels
from munmaek.systems.glove.cooccurrence import LEAST_MEMORY, Cooccurrences, Counting, Tell, cooccurrences

PART = "glove"
ORDER_STREAM, TURN_STREAM = 0x610, 0x611
RUN = 1024
"""Entries, already in random order, that an epoch moves together."""
FEW = 4096
"""Entries below which a thread is not worth its start."""
OPTIONS = {
    "window": "farthest neighbour that is counted, in words (default 10)",
    "symmetric": "count neighbours on both sides, or only those before the word: true or false (default true)",
    "weighting": "what a neighbour at distance d counts: inverse (1/d) or flat (1) (default inverse)",
    "context": "what no window leaves: sentence or document (default sentence)",
    "min_count": "words that the corpus has less often are left out (default 1: the tokenizer's vocabulary decides)",
    "memory": "memory that counting may take: 2GB, 500MB (default 2GB)",
}
"""Options a user may set."""


class GloveObjective:
    """The cost of GloVe over the entries of X, and AdaGrad as the released program has it; see the README.

    Attributes:
        notes: what a person should know about the corpus; filled by `look_at`, `prepare` or the first batch.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        x_max: float,
        alpha: float,
        *,
        window: int | str = 10,
        symmetric: bool | str = True,
        weighting: str = "inverse",
        context: str = "sentence",
        min_count: int | str = 1,
        memory: str | int = "2GB",
    ) -> None:
        if not isinstance(window, int) or isinstance(window, bool) or not 1 <= window <= 1000:
            raise RequestError(f"window is {window!r}", where="window", fix="Give a whole number from 1 to 1000.")
        if not isinstance(min_count, int) or isinstance(min_count, bool) or min_count < 1:
            raise RequestError(f"min_count is {min_count!r}", where="min_count", fix="Give 1 or more.")
        inverse = _one_of(weighting, "weighting", {"inverse": True, "flat": False})
        sides = _one_of(str(symmetric).lower(), "symmetric", {"true": True, "false": False})
        _one_of(context, "context", {"sentence": True, "document": True})
        self.counting = Counting(window, sides, inverse, context, min_count)
        self.memory = parse_bytes(memory, "memory", LEAST_MEMORY)
        self.x_max, self.alpha = x_max, alpha
        self.skipped = special_ids(tokenizer)
        self.notes: list[str] = []
        self._found: list[tuple[Any, Cooccurrences]] = []

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(num_threads())

    # ---- data -----------------------------------------------------------------------------------------------------

    def prepare(self, data: Any, tell: Tell) -> None:
        """Count the co-occurrences of a corpus, where they are not there; see `contracts.PreparingObjective`."""
        self.look_at(data, tell)

    def look_at(self, data: Any, tell: Tell = lambda what, share: None) -> Cooccurrences:
        """The entries of a corpus, counted or found beside its shards; DataError where there are none."""
        for shards, found in self._found:
            if shards is data:
                return found
        found = cooccurrences(data, self.counting, self.skipped, self.memory, tell)
        note = f"{len(found.entries):,} pairs of words stand near each other in {found.num_tokens:,} words"
        self.notes += [note] if note not in self.notes else []
        self._found = [*self._found[-3:], (data, found)]
        return found

    def epoch_batches(self, data: Any, *, seed: int, epoch: int, batch_tokens: int) -> int:
        """How many batches of `batch_tokens` entries one epoch has."""
        return -(-len(self.look_at(data).entries) // batch_tokens)

    def batches(
        self,
        data: Any,
        *,
        seed: int,
        position: int = 0,
        batch_tokens: int,
        progress: Callable[[int], float] = lambda k: 0.0,
    ) -> Iterator[Batch]:
        """Endless batches of `batch_tokens` entries from `position` on; see `contracts.Objective`."""
        entries = self.look_at(data).entries
        total = -(-len(entries) // batch_tokens)

        def epoch_of(epoch: int) -> tuple[int, Callable[[int, int], Batch]]:
            order = Order(len(entries), seed, epoch)
            return total, lambda number, following: order.batch(
                entries, number * batch_tokens, (number + 1) * batch_tokens, following
            )

        yield from walk(position, epoch_of)

    # ---- loss -----------------------------------------------------------------------------------------------------

    def targets(self, counts: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """ln X and f(X) (eq. 9) of counts X, float32."""
        logs = np.log(counts)
        share = np.exp(np.float32(self.alpha) * (logs - np.float32(np.log(self.x_max))))
        return logs, np.minimum(np.float32(1), share)

    def loss(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> LossParts:
        """The cost f(X) (w·w~ + b + b~ - ln X)² / 2 summed over entries, differentiable."""
        counts = inputs["counts"]
        weights = (counts / self.x_max).pow(self.alpha).clamp(max=1.0)
        difference = model(inputs["rows"], inputs["columns"]) - counts.log()
        return LossParts({PART: (0.5 * weights * difference**2).sum()}, {PART: len(counts)})

    def update(self, model: nn.Module, batch: Batch, rate: float, seed: int) -> LossParts:
        """One AdaGrad step for each entry; with one thread the same to the bit, with several they share the entries.

        Threads write into the same matrices without waiting for one another (Niu 2011), as in the released program.
        """
        matrices = [model.get_parameter(name).detach().numpy() for name in ("words", "contexts")]
        matrices += [model.get_buffer(name).numpy() for name in ("word_squares", "context_squares")]
        columns = [batch.arrays[name] for name in ("rows", "columns", "counts")]
        threads = max(1, min(num_threads(), batch.num_rows // FEW))

        def work(part: int) -> float:
            share = slice(part * batch.num_rows // threads, (part + 1) * batch.num_rows // threads)
            rows, others, counts = (column[share] for column in columns)
            return kernels.learn(*matrices, rows, others, *self.targets(counts), np.float32(rate))

        cost = work(0) if threads == 1 else sum(self._pool.map(work, range(threads)))
        return LossParts({PART: torch.tensor(cost, dtype=torch.float64)}, {PART: batch.num_rows})


class Order:
    """The order of an epoch's entries, a pure function of (entries, seed, epoch), any part of it at once.

    Entries lie in random order already; an epoch turns them to a random beginning and moves runs of them.
    """

    def __init__(self, num_entries: int, seed: int, epoch: int) -> None:
        self.num = num_entries
        self.run = max(1, min(RUN, num_entries // RUN))
        self.turn = int(draw(seed, TURN_STREAM, epoch)) % num_entries
        self.runs = permutation(num_entries // self.run, seed, ORDER_STREAM, epoch)

    def batch(self, entries: NDArray[np.uint32], start: int, stop: int, position: int) -> Batch:
        """The entries that stand at [start, stop) of the epoch; `position` is that of the batch after it."""
        num = min(stop, self.num) - start
        places = np.empty(num, np.int64)
        rows, columns, counts = np.empty(num, np.int32), np.empty(num, np.int32), np.empty(num, np.float32)
        records = np.asarray(entries)
        kernels.gather(records, records.view(np.float32), self.runs, self.run, self.turn, start, places, rows, columns,
                       counts)  # fmt: skip
        return Batch({"rows": rows, "columns": columns, "counts": counts}, num, {PART: num}, position, places)


def _one_of(value: Any, name: str, choices: Mapping[str, bool]) -> bool:
    if value not in choices:
        raise RequestError(f"{name} is {value!r}", where=name, fix=f"It is one of {', '.join(choices)}.")
    return choices[value]
