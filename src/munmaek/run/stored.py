"""The states of a frozen encoder, computed once and read from memory or the disk as often as they are wanted."""

from __future__ import annotations

import math
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
"""Bytes of states that a fine-tuning keeps in memory."""
MOST_STORED = 4 << 30
"""Bytes of states that test rows take on the disk."""


class StoredEncoder:
    """`contracts.Encoder` over states that are there already: an id is the number of a token among the stored ones.

    Args:
        states: (tokens, layers, dim). layers: those to be read, in that order; None is all.
    """

    def __init__(self, source: Encoder, states: NDArray[Any], layers: Sequence[int] | None = None) -> None:
        self._source, self._states = source, states
        self._layers = np.arange(states.shape[1]) if layers is None else np.array(list(layers))
        self.module: nn.Module = nn.Module()
        self.tokenizer, self.max_length = source.tokenizer, source.max_length
        self.dim, self.num_layers = int(states.shape[2]), len(self._layers)

    def only(self, layers: Sequence[int]) -> StoredEncoder:
        """The same tokens with some of the layers."""
        return StoredEncoder(self._source, self._states, layers)

    def sizes(self, tokens: NDArray[np.integer]) -> NDArray[np.float32]:
        """The root mean square of each layer's numbers over some tokens, `(layers,)`."""
        total = np.zeros(self.num_layers)
        for start in range(0, len(tokens), TOKENS_AT_ONCE):
            part = self._states[tokens[start : start + TOKENS_AT_ONCE, None], self._layers].astype(np.float32)
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
        layers = self._layers if all_layers else self._layers[-1:]
        found = self._states[ids.cpu().numpy()[..., None], layers].astype(np.float32)
        states = torch.from_numpy(found).movedim(2, 0).to(ids.device)
        return states if all_layers else states[0]

    def summary(self, states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
        """One vector a text, `(batch, dim)`, as the encoder whose states these are."""
        return self._source.summary(states, mask, pooling)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """None: what is stored does not learn."""
        return []


def store(
    model: Model, parts: Sequence[Labelled], folder: Path, precision: str, *, all_layers: bool = True
) -> tuple[StoredEncoder, list[Labelled]]:
    """Compute every layer's state of every token of some rows, and hand the rows back with numbers of tokens as ids.

    The states lie in a file without a name in `folder`, 2 bytes a number, and are gone when the encoder is.

    Args:
        precision: "fp32" or "bf16". all_layers: else the last alone.
    Raises:
        JobError: there is no room on the disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbered, count = _numbered(parts)
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the array below holds it
    shape: tuple[int, ...] = (0, 0)
    try:
        for first, vectors in _states(model.encoder, model, parts, precision, all_layers=all_layers):
            shape = vectors.shape[1:]
            file.seek(first * shape[0] * shape[1] * KEPT_AS().itemsize)
            file.write(vectors.data)
        file.flush()
    except OSError as error:
        raise files.no_room(folder / "states", error) from error
    states = np.memmap(file, KEPT_AS, "r", shape=(count, *shape))
    return StoredEncoder(model.encoder, states), numbered


@contextmanager
def states_kept(
    model: Model, network: TaskModel, train: Labelled, dev: Labelled | None, *, same: bool = True
) -> Generator[tuple[Labelled, Labelled | None]]:
    """Within it a network with a frozen body looks its states up in memory, where they are computed once.

    Gives the rows as the network reads them then. Nothing changes where the body learns or is a mere table of vectors,
    where the rows are not the `same` in each epoch, or where the states would take more than `MOST_KEPT` bytes.
    """
    encoder, rows = network.encoder, [train] if dev is None else [train, dev]
    numbered, count = _numbered(rows)
    if not (same and _is_fixed(model, network)) or _bytes(shape := _shape(model, network, count)) > MOST_KEPT:
        yield train, dev
        return
    network.eval()
    states = np.empty(shape, KEPT_AS)
    for first, vectors in _states(encoder, model, rows, _fastest(model), all_layers=shape[1] > 1):
        states[first : first + len(vectors)] = vectors
    with _looked_up(network, StoredEncoder(encoder, states)):
        yield numbered[0], numbered[1] if dev is not None else None


class StoredRows:
    """Rows that several networks on one model's frozen body are asked about: its states of them are computed once.

    Args:
        folder: where the states lie, as in `store`, while this lives.
    """

    def __init__(self, model: Model, rows: Labelled, folder: Path) -> None:
        self._model, self._rows, self._folder = model, rows, folder
        self._stored: tuple[StoredEncoder, Labelled] | None = None
        self._room = True

    @contextmanager
    def under(self, network: TaskModel) -> Generator[Labelled]:
        """The rows as a network reads them that has the model's own body; within it the network looks states up.

        Nothing changes where the body has learnt or is a mere table of vectors, where the states would take more than
        `MOST_STORED` bytes, or where there is no room for them.
        """
        fixed = _is_fixed(self._model, network)
        if fixed and self._room and self._stored is None:
            self._compute(network)
        if not fixed or self._stored is None:
            yield self._rows
            return
        with _looked_up(network, self._stored[0]):
            yield self._stored[1]

    def _compute(self, network: TaskModel) -> None:
        model, shape = self._model, _shape(self._model, network, len(self._rows.ids))
        self._room = _bytes(shape) <= MOST_STORED
        if not self._room:
            return
        try:
            encoder, (rows,) = store(model, [self._rows], self._folder, _fastest(model), all_layers=shape[1] > 1)
        except JobError:
            self._room = False
        else:
            self._stored = encoder, rows


def _is_fixed(model: Model, network: TaskModel) -> bool:
    """Whether a network's body stays as it is, and is more than a table of vectors."""
    return network.frozen and model.num_layers > 1


def _shape(model: Model, network: TaskModel, count: int) -> tuple[int, int, int]:
    """Tokens, layers that the network reads, and their width."""
    several = network.reader is not None or isinstance(network.head, Agreement)
    encoder = network.encoder
    return (count, model.num_layers, widest(encoder)) if several else (count, 1, encoder.dim)


def _bytes(shape: tuple[int, int, int]) -> int:
    """What states take."""
    return KEPT_AS().itemsize * math.prod(shape)


def _fastest(model: Model) -> str:
    """The precision that the model's machine multiplies fastest."""
    return distributed.pick_precision("auto", model.device)


@contextmanager
def _looked_up(network: TaskModel, stored: StoredEncoder) -> Generator[None]:
    """Within it the network's body is another."""
    own, network.encoder = network.encoder, stored
    try:
        yield
    finally:
        network.encoder = own


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
