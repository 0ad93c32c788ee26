"""GloVe: two vectors and two biases a word, and the squares that AdaGrad remembers of each (Pennington 2014 §3)."""

# ruff: noqa: F722
from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from munmaek.core.errors import RequestError

PRESETS = {
    "tiny": {"dim": 50},
    "mini": {"dim": 100},
    "small": {"dim": 200},
    "medium": {"dim": 300},
    "base": {"dim": 300, "x_max": 100.0},
}
"""The widths of the published vectors; x_max as in the released program's demo (10), for base as in the paper (100)."""


@dataclass(frozen=True)
class GloveConfig:
    """The shape of a GloVe and of its cost.

    Attributes:
        vocab_size: words. dim: width of a vector, d.
        x_max: co-occurrences from which on an entry has its whole weight. alpha: power of the weight below (eq. 9).
        max_positions: tokens read of a text by the encoder; the model itself knows no length.
    """

    vocab_size: int
    dim: int = 100
    x_max: float = 10.0
    alpha: float = 0.75
    max_positions: int = 4096

    def __post_init__(self) -> None:
        if min(self.vocab_size, self.dim, self.max_positions) < 1 or not (self.x_max > 0 and self.alpha >= 0):
            raise RequestError(
                f"vocabulary {self.vocab_size}, dim {self.dim}, x_max {self.x_max}, alpha {self.alpha}: "
                "sizes and x_max must be positive",
                where="model settings",
                fix=f"Leave them out to take a preset ({', '.join(PRESETS)}).",
            )


class Glove(nn.Module):
    """Word vectors W, context vectors W~, and their biases as the last column of each.

    Attributes:
        words, contexts: `(vocab, dim + 1)`. word_squares, context_squares: what AdaGrad has summed up of each; it
            begins at 1, so a row of ones is a word that was never learnt from.
    """

    word_squares: Tensor
    context_squares: Tensor

    def __init__(self, config: GloveConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.vocab_size, config.dim + 1)
        self.words = nn.Parameter(torch.empty(shape).uniform_(-0.5, 0.5) / config.dim)
        self.contexts = nn.Parameter(torch.empty(shape).uniform_(-0.5, 0.5) / config.dim)
        self.register_buffer("word_squares", torch.ones(shape))
        self.register_buffer("context_squares", torch.ones(shape))

    def forward(self, rows: Int[Tensor, " entries"], columns: Int[Tensor, " entries"]) -> Float[Tensor, " entries"]:
        """What the model takes ln X of word and neighbour to be: w·w~ + b + b~ (Pennington 2014 eq. 7)."""
        words, contexts = self.words[rows], self.contexts[columns]
        product = (words[:, :-1] * contexts[:, :-1]).sum(1)
        return product + words[:, -1] + contexts[:, -1]

    def vectors(self, ids: Int[Tensor, "*places"]) -> Float[Tensor, "*places dim"]:
        """W + W~ of each id (§4.2); the gradient goes to W alone, so that fine-tuning trains one matrix."""
        return self.words[ids][..., :-1] + self.contexts.detach()[ids][..., :-1]

    @property
    def learnt(self) -> Tensor:
        """Bool `(vocab,)`: words that at least one entry was learnt from."""
        return (self.word_squares != 1).any(1) | (self.context_squares != 1).any(1)
