"""An encoder with a task's head on top: what fine-tuning trains, and how it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from munmaek.core.contracts import Encoder
from munmaek.nn.heads import Linear
from munmaek.tasks.labelled import Labelled, by_length


def make_head(dim: int, num_outputs: int, *, dropout: float = 0.1, seed: int = 0) -> Linear:
    """A fresh head whose weights are a pure function of (dim, num_outputs, seed)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Linear(dim, num_outputs, dropout)


class TaskModel(nn.Module):
    """Encoder, pooling and head.

    Attributes:
        body: the encoder's module. head: the task's. pooling: how token states become one vector a text.
    """

    def __init__(self, encoder: Encoder, head: Linear, pooling: str) -> None:
        super().__init__()
        self.body = encoder.module
        self.head = head
        self.encoder, self.pooling = encoder, pooling

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Inputs as the encoder collates them, `(batch, seq)` each, to outputs `(batch, num_outputs)`."""
        states = self.encoder.forward(inputs)
        return self.head(self.encoder.summary(states, inputs["attention_mask"], self.pooling))


def outputs(model: TaskModel, data: Labelled, batch_tokens: int = 8_192) -> NDArray[np.float32]:
    """Outputs `(rows, num_outputs)` of every row, in the order of `data`; the caller chooses mode and precision.

    Rows of about equal length are computed together, so hardly any padding is.
    """
    device = next(model.parameters()).device
    found = np.zeros((len(data), model.head.output.out_features), dtype=np.float32)
    with torch.no_grad():
        for rows in by_length(data.lengths, batch_tokens):
            arrays: Mapping[str, NDArray[Any]] = model.encoder.collate([data.encoding(int(row)) for row in rows])
            inputs = {name: torch.from_numpy(np.ascontiguousarray(array)).to(device) for name, array in arrays.items()}
            found[rows] = model(inputs).float().cpu().numpy()
    return found
