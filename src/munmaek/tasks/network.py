"""An encoder with a task's head on top: what fine-tuning trains, and how it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from munmaek.core.contracts import Encoder
from munmaek.nn.heads import Agreement, Linear, Meeting, meet
from munmaek.nn.mix import ScalarMix
from munmaek.nn.pooling import pool
from munmaek.tasks.labelled import MARKED, Labelled, by_length


def make_head(dim: int, num_outputs: int, dropout: float = 0.1, seed: int = 0, *, apart: bool = False) -> Linear:
    """A fresh head whose weights are a pure function of (dim, num_outputs, seed); `apart`, for how two texts meet."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return (Meeting if apart else Linear)(dim, num_outputs, dropout)


def widest(encoder: Encoder) -> int:
    """How wide the states of all layers are together: as the widest layer, which may be wider than the last."""
    device = next(encoder.module.parameters()).device
    arrays = encoder.collate(encoder.tokenize(["."]))
    inputs = {name: torch.from_numpy(np.ascontiguousarray(array)).to(device) for name, array in arrays.items()}
    with torch.no_grad():
        return int(encoder.forward(inputs, all_layers=True).shape[-1])


Auxiliary = Callable[[nn.Module, torch.Tensor, Mapping[str, torch.Tensor]], tuple[torch.Tensor, int]]
"""(module, last states, inputs) -> summed loss in nats, number of targets; see `contracts.Adaptation`."""


class TaskModel(nn.Module):
    """Encoder, pooling and head.

    Attributes:
        body: the encoder's module. head: the task's. pooling: how token states become one vector a text.
        auxiliary: the system's auxiliary loss on the task's texts; None without one.
        reader: makes one state a token of all the encoder's layers; None takes the last layer.
        frozen: the body is evaluated only, and gets no gradient.
        chooses: a row's readings are alternatives, each with an output of its own; else their vectors are added.
        per_token: the head is given each token's state, and nothing is pooled.
        apart: a row's two readings are the texts of a pair, and the head is given how their vectors meet.
    """

    def __init__(
        self, encoder: Encoder, head: nn.Module, pooling: str, auxiliary: Auxiliary | None = None,
        reader: nn.Module | None = None, frozen: bool = False, chooses: bool = False,
        per_token: bool = False, apart: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.body = encoder.module.requires_grad_(not frozen)
        self.head = head
        self.reader = reader
        self.encoder, self.pooling, self.auxiliary, self.frozen = encoder, pooling, auxiliary, frozen
        self.chooses, self.per_token, self.apart = chooses, per_token, apart

    @property
    def output(self) -> nn.Linear:
        """The head's last map, which every head has under this name."""
        last = self.head.get_submodule("output")
        assert isinstance(last, nn.Linear)
        return last

    @property
    def only_mix(self) -> ScalarMix | None:
        """The mix of layers that is all the reader does; None where it does more, and without one."""
        return getattr(self.reader, "only_mix", None)

    def train(self, mode: bool = True) -> TaskModel:
        """Training mode; a frozen body stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.body.eval()
        return self

    def top(self) -> dict[str, torch.Tensor]:
        """The tensors of all that stands on the encoder, by name."""
        found = self.head.state_dict()
        return found if self.reader is None else found | self.reader.state_dict(prefix="reader.")

    def put_top(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put back what `top` gave."""
        self.head.load_state_dict({name: t for name, t in tensors.items() if not name.startswith("reader.")})
        if self.reader is not None:
            inner = {name.removeprefix("reader."): t for name, t in tensors.items() if name.startswith("reader.")}
            self.reader.load_state_dict(inner)

    def forward(self, inputs: Mapping[str, torch.Tensor], auxiliary: bool = False) -> Any:
        """Inputs as the encoder collates them, `(batch, seq)` each, to outputs `(batch, num_outputs)`,
        or `(batch, seq, num_outputs)` where each token is answered.

        Of rows with several readings, `(batch, readings, seq)`, the vectors are added before the head; where it
        `chooses`, each has one output of the head: `(batch, readings)` (Radford 2018 §3.3, figure 1). Where a word is
        marked in both readings, the head is an `Agreement`, of all layers. With `auxiliary` a pair: the outputs, and
        that loss with its number of targets, of all readings.
        """
        vectors, states, flat = self._read(inputs)
        outputs = self.head(vectors)
        if self.chooses:
            outputs = outputs.view(len(inputs["attention_mask"]), -1)
        if not auxiliary:
            return outputs
        assert self.auxiliary is not None
        return outputs, self.auxiliary(self.body, states, flat)

    def vectors(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """What the head is given: `(batch, width)`; where it `chooses`, `(batch, readings, width)`."""
        found = self._read(inputs)[0]
        return found.unflatten(0, (len(inputs["attention_mask"]), -1)) if self.chooses else found

    def usages(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The marked words of both readings, and what else stands there: `(batch, 2 readings, 2, layers, dim)`."""
        flat = {name: tensor.flatten(0, 1) for name, tensor in inputs.items()}
        marks = flat.pop(MARKED)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            states = self.encoder.forward(flat, all_layers=True)
        rest = flat["attention_mask"] & ~marks
        found = [torch.stack([pool(layer, where) for layer in states], 1) for where in (marks, rest)]
        return torch.stack(found, 1).unflatten(0, (-1, 2)).float()

    def _read(self, inputs: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        """The head's vectors, the tokens' states, and the inputs, of all readings one after the other."""
        if isinstance(self.head, Agreement):
            usages = self.usages(inputs)
            return self.head.compare(usages), usages, {}
        several = inputs["attention_mask"].ndim == 3
        flat = {name: tensor.flatten(0, 1) for name, tensor in inputs.items()} if several else dict(inputs)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            states = self.encoder.forward(flat, all_layers=self.reader is not None)
        if self.reader is not None:
            states = self.reader(states, flat["attention_mask"])
        vectors = states if self.per_token else self.encoder.summary(states, flat["attention_mask"], self.pooling)
        if several and not self.chooses:
            rows = vectors.unflatten(0, (len(inputs["attention_mask"]), -1))
            vectors = meet(rows[:, 0], rows[:, 1]) if self.apart else rows.sum(1)
        return vectors, states, flat


def centre(model: TaskModel, data: Labelled) -> None:
    """Set what all usages of words have in common, for an `Agreement` to take off: their mean over some rows."""
    assert isinstance(model.head, Agreement)
    totals = [torch.from_numpy(found).sum((0, 1)) for _, found in _computed(model, model.usages, data, 8_192)]
    model.head.centre.copy_(torch.stack(totals).sum(0) / (2 * len(data)))


def outputs(model: TaskModel, data: Labelled, batch_tokens: int = 8_192) -> NDArray[np.float32]:
    """Outputs `(rows, num_outputs)` of every row, or `(rows, readings)` of alternatives, in the order of `data`.

    Where each token is answered, `(tokens, num_outputs)`: those of all rows one after the other, as `data.offsets` say.

    The caller chooses mode and precision. Rows of about equal length are computed together, so hardly any padding is.
    """
    width = data.readings if model.chooses else model.output.out_features
    found = np.zeros((len(data.ids) if model.per_token else len(data), width), dtype=np.float32)
    for rows, computed in _computed(model, model, data, batch_tokens):
        if not model.per_token:
            found[rows] = computed
            continue
        for row, states in zip(rows.tolist(), computed, strict=True):
            start, stop = data.offsets[row : row + 2].tolist()
            found[start:stop] = states[: stop - start]
    return found


def vectors(model: TaskModel, data: Labelled, batch_tokens: int = 8_192) -> NDArray[np.float32]:
    """What the head is given of every row: `(rows, width)`, or `(rows, readings, width)` of alternatives.

    As `outputs` otherwise; not for a head that answers tokens.
    """
    shape = (len(data), data.readings) if model.chooses else (len(data),)
    found = np.zeros((*shape, model.output.in_features), dtype=np.float32)
    for rows, computed in _computed(model, model.vectors, data, batch_tokens):
        found[rows] = computed
    return found


def _computed(
    model: TaskModel, ask: Callable[[Mapping[str, torch.Tensor]], torch.Tensor], data: Labelled, batch_tokens: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Rows of about equal length, and what is asked of them, without gradients."""
    device = next(model.parameters()).device
    for rows in by_length(data.lengths, batch_tokens):
        arrays = data.arrays(model.encoder, rows)
        inputs = {name: torch.from_numpy(np.ascontiguousarray(array)).to(device) for name, array in arrays.items()}
        with torch.no_grad():
            computed = ask(inputs)
        yield rows, computed.float().cpu().numpy()
