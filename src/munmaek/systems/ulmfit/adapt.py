"""How ULMFiT is fine-tuned: the classifier's head, and the settings of Howard 2018 §3.2 and §3.3."""

# ruff: noqa: F722
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from munmaek.core.contracts import Adaptation
from munmaek.nn.heads import BatchNorm
from munmaek.nn.transformer import Dropout

FACTOR = 2.6
"""A layer learns so many times faster than the one below it (§3.2)."""
HIDDEN = 50
"""Units of the head's hidden layer (§4.1)."""


class ConcatHead(nn.Module):
    """Two linear blocks with batch normalisation and dropout, a ReLU between (§3.3); any width of vector.

    The first dropout is the one asked for; the second 0.1, as in the released code.
    """

    def __init__(self, dim: int, num_outputs: int, dropout: float) -> None:
        super().__init__()
        self.norm = BatchNorm(dim)
        self.dropout = Dropout(dropout)
        self.hidden = nn.Linear(dim, HIDDEN)
        self.hidden_norm = BatchNorm(HIDDEN)
        self.hidden_dropout = Dropout(min(dropout, 0.1))
        self.output = nn.Linear(HIDDEN, num_outputs)

    def forward(self, vectors: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch outputs"]:
        """Scores before any softmax."""
        hidden = torch.relu(self.hidden(self.dropout(self.norm(vectors))))
        return self.output(self.hidden_dropout(self.hidden_norm(hidden)))


def head(dim: int, num_outputs: int, dropout: float, seed: int) -> nn.Module:
    """A fresh head, its weights a pure function of the arguments."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ConcatHead(dim, num_outputs, dropout)


def settings(num_labels: int, per_token: bool = False) -> Mapping[str, Any]:
    """Concat pooling, discriminative rates, slanted triangles and gradual unfreezing, for a number of labels."""
    epochs = 15 if num_labels <= 3_000 else 6 if num_labels <= 30_000 else 3
    return {
        "learning_rate": 4e-3, "head_rate": 1.0, "layer_decay": 1 / FACTOR, "decay": "slanted", "warmup": 0.1,
        "unfreeze": 1.0, "pooling": "concat", "dropout": 0.4, "epochs": epochs,
    }  # fmt: skip


ADAPTATION = Adaptation(
    settings=settings,
    head=head,
    apart=True,
    going_on={
        "optimizer": "adamw",
        "layer_decay": 1 / FACTOR,
        "decay": "slanted",
        "warmup": 0.1,
        "learning_rate": 4e-3,
    },
)
