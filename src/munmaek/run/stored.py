"""The states of a frozen encoder, computed once and read from memory or the disk as often as they are wanted."""

from __future__ import annotations

import math
import mmap
import shutil
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from munmaek.core import files
from munmaek.core.contracts import Encoder, Encoding
from munmaek.core.errors import JobError
from munmaek.data.encodings import padded
from munmaek.nn.heads import Agreement
from munmaek.run.model import Model
from munmaek.tasks.labelled import MARKED, Labelled, by_length
from munmaek.tasks.network import TaskModel, widest
from munmaek.train import distributed

TOKENS_AT_ONCE = 8_192
KEPT_AS = np.float16
"""11 bits of precision; the half of what is on the disk otherwise."""
MOST_KEPT = 1 << 30
"""Bytes of states that are kept in memory."""
MOST_STORED = 16 << 30
"""Bytes of more states that are kept on the disk, if they take no more than half of what is free there."""
LET_GO: int | None = getattr(mmap, "MADV_DONTNEED", None)
"""What tells the system that pages of a file need not stay in memory, where it can be told: they would count as the
process's own."""


class StoredEncoder:
    """`contracts.Encoder` over states that are there already: an id is the number of a token among the stored ones.

    Args:
        states: (tokens, layers, dim). layers: those to be read, in that order; None is all.
        mapped: the file that the states lie in, if they do: what was read of it is let go again.
    """

    def __init__(
        self,
        source: Encoder,
        states: NDArray[Any],
        layers: Sequence[int] | None = None,
        mapped: mmap.mmap | None = None,
    ) -> None:
        self._source, self._states, self._mapped = source, states, mapped
        self._layers = np.arange(states.shape[1]) if layers is None else np.array(list(layers))
        self.module: nn.Module = nn.Module()
        self.tokenizer, self.max_length = source.tokenizer, source.max_length
        self.dim, self.num_layers = int(states.shape[2]), len(self._layers)

    def only(self, layers: Sequence[int]) -> StoredEncoder:
        """The same tokens with some of the layers."""
        return StoredEncoder(self._source, self._states, layers, self._mapped)

    def _read(self, tokens: NDArray[np.integer], layers: NDArray[np.integer]) -> NDArray[np.float32]:
        """The states `(..., layers, dim)` of tokens `(...)`."""
        found = self._states[tokens[..., None], layers].astype(np.float32)
        if self._mapped is not None and LET_GO is not None:
            self._mapped.madvise(LET_GO)
        return found

    def sizes(self, tokens: NDArray[np.integer]) -> NDArray[np.float32]:
        """The root mean square of each layer's numbers over some tokens, `(layers,)`."""
        total = np.zeros(self.num_layers)
        for start in range(0, len(tokens), TOKENS_AT_ONCE):
            part = self._read(tokens[start : start + TOKENS_AT_ONCE], self._layers)
            total += np.square(part).mean(axis=2).sum(axis=0)
        return np.sqrt(total / max(1, len(tokens))).astype(np.float32)

    def tokenize(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> list[Encoding]:
        """As the encoder whose states these are; the ids are its own, not those of stored tokens."""
        return self._source.tokenize(texts, pairs, max_length)

    def collate(self, encodings: Sequence[Encoding]) -> dict[str, NDArray[Any]]:
        """Padded arrays `(batch, seq)`: input_ids, the numbers of stored tokens, and attention_mask."""
        ids, mask = padded([encoding.ids for encoding in encodings], 0)
        return {"input_ids": ids, "attention_mask": mask}

    def forward(self, inputs: Mapping[str, torch.Tensor], all_layers: bool = False) -> torch.Tensor:
        """The states `(batch, seq, dim)` of the last of the layers, or `(layers, batch, seq, dim)`; no gradient."""
        ids = inputs["input_ids"]
        found = self._read(ids.cpu().numpy(), self._layers if all_layers else self._layers[-1:])
        states = torch.from_numpy(found).movedim(2, 0).to(ids.device)
        return states if all_layers else states[0]

    def summary(self, states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
        """One vector a text, `(batch, dim)`, as the encoder whose states these are."""
        return self._source.summary(states, mask, pooling)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """None: what is stored does not learn."""
        return []


def store(
    model: Model, parts: Sequence[Labelled], folder: Path | None, precision: str, *, all_layers: bool = True,
    encoder: Encoder | None = None,
) -> tuple[StoredEncoder, list[Labelled]]:  # fmt: skip
    """Compute every layer's state of every token of some rows, and hand the rows back with numbers of tokens as ids.

    The states, 2 bytes a number, lie in memory, or in a file without a name in `folder`, and are gone when the encoder
    is.

    Args:
        precision: "fp32" or "bf16". all_layers: else the last alone. encoder: instead of the model's own.
    Raises:
        JobError: there is no room on the disk.
    """
    encoder = encoder or model.encoder
    numbered, count = _numbered(parts)
    computed = _states(encoder, model, parts, precision, all_layers=all_layers)
    if folder is None:
        return StoredEncoder(encoder, _in_memory(computed, count)), numbered
    states, mapped = _on_disk(computed, count, folder)
    return StoredEncoder(encoder, states, mapped=mapped), numbered


def _in_memory(computed: Iterator[tuple[int, NDArray[Any]]], count: int) -> NDArray[Any]:
    states = np.empty((count, 0, 0), KEPT_AS)
    for first, vectors in computed:
        if not states.size:
            states = np.empty((count, *vectors.shape[1:]), KEPT_AS)
        states[first : first + len(vectors)] = vectors
    return states


def _on_disk(computed: Iterator[tuple[int, NDArray[Any]]], count: int, folder: Path) -> tuple[NDArray[Any], mmap.mmap]:
    folder.mkdir(parents=True, exist_ok=True)
    shape: tuple[int, ...] = (0, 0)
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            for first, vectors in computed:
                shape = vectors.shape[1:]
                file.seek(first * shape[0] * shape[1] * KEPT_AS().itemsize)
                file.write(vectors.data)
            file.flush()
        except OSError as error:
            raise files.no_room(folder / "states", error) from error
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, KEPT_AS).reshape(count, *shape), mapped


class StoredRows:
    """Rows that networks on one frozen body read: its states of them are computed once, and looked up from then on.

    Args:
        parts: the rows, in parts. folder: where states lie while this lives that are too many for memory, see `store`.
    """

    def __init__(self, model: Model, parts: Sequence[Labelled], folder: Path | None = None) -> None:
        self._model, self._parts, self._folder = model, list(parts), folder
        self._stored: tuple[StoredEncoder, list[Labelled]] | None = None
        self._room = True

    @contextmanager
    def under(self, network: TaskModel) -> Generator[list[Labelled]]:
        """The parts as a network reads them within; the body of every network that is given is the same.

        Nothing changes where the body learns or is a mere table of vectors, where the states would take more than
        `MOST_KEPT` bytes of memory or `MOST_STORED` of the disk, or where there is no room for them.
        """
        fixed = _is_fixed(self._model, network)
        if fixed and self._room and self._stored is None:
            self._compute(network)
        if not fixed or self._stored is None:
            yield self._parts
            return
        own, network.encoder = network.encoder, self._stored[0]
        try:
            yield self._stored[1]
        finally:
            network.encoder = own

    def _compute(self, network: TaskModel) -> None:
        model, shape = self._model, _shape(self._model, network, sum(len(part.ids) for part in self._parts))
        size = KEPT_AS().itemsize * math.prod(shape)
        folder = None if size <= MOST_KEPT else self._folder
        self._room = size <= _most(folder)
        if not self._room:
            return
        network.eval()
        precision = distributed.pick_precision("auto", model.device)
        try:
            self._stored = store(
                model, self._parts, folder, precision, all_layers=shape[1] > 1, encoder=network.encoder
            )  # fmt: skip
        except JobError:
            self._room = False


def _most(folder: Path | None) -> float:
    """Bytes that states may take in a folder; without one, in memory."""
    if folder is None:
        return MOST_KEPT
    folder.mkdir(parents=True, exist_ok=True)
    return min(MOST_STORED, shutil.disk_usage(folder).free / 2)


def _is_fixed(model: Model, network: TaskModel) -> bool:
    """Whether a network's body stays as it is, and is more than a table of vectors."""
    return network.frozen and model.num_layers > 1


def _shape(model: Model, network: TaskModel, count: int) -> tuple[int, int, int]:
    """Tokens, layers that the network reads, and their width."""
    several = network.reader is not None or isinstance(network.head, Agreement)
    encoder = network.encoder
    return (count, model.num_layers, widest(encoder)) if several else (count, 1, encoder.dim)


def _numbered(parts: Sequence[Labelled]) -> tuple[list[Labelled], int]:
    """The rows with the numbers of their tokens among all tokens as ids, and how many tokens there are."""
    numbered: list[Labelled] = []
    count = 0
    for part in parts:
        numbered.append(replace(part, ids=np.arange(count, count + len(part.ids), dtype=np.uint32)))
        count += len(part.ids)
    return numbered, count


def _states(
    encoder: Encoder, model: Model, parts: Sequence[Labelled], precision: str, *, all_layers: bool
) -> Iterator[tuple[int, NDArray[Any]]]:
    """The number of each reading's first token, and its states `(tokens, layers, dim)`, of all layers or the last."""
    begin = 0
    for part in parts:
        for chosen in by_length(part.lengths, TOKENS_AT_ONCE):
            inputs = distributed.to_tensors(part.arrays(encoder, chosen), model.device)
            inputs = {name: tensor.flatten(0, -2) for name, tensor in inputs.items() if name != MARKED}
            with torch.inference_mode(), distributed.autocast(model.device, precision):
                states = encoder.forward(inputs, all_layers)
            found = (states if all_layers else states[None]).float().cpu().numpy().transpose(1, 2, 0, 3)
            texts = (part.readings * chosen[:, None] + np.arange(part.readings)).ravel()
            for text, vectors in zip(texts.tolist(), found, strict=True):
                start, stop = part.offsets[text : text + 2].tolist()
                yield begin + start, np.ascontiguousarray(vectors[: stop - start].astype(KEPT_AS))
        begin += len(part.ids)
