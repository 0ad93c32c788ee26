"""What stands on an encoder: vectors to classes, values or words."""

# ruff: noqa: F722
from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from munmaek.nn.transformer import Dropout, LayerNorm


class Linear(nn.Module):
    """Dropout and one linear map (Devlin 2018 §4.1): a text's or a token's vector to class scores, or to one value.

    Args:
        dim: width of the vector. num_outputs: classes, or 1 for a value. dropout: before the map.
    """

    def __init__(self, dim: int, num_outputs: int, dropout: float = 0.1, std: float = 0.02) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(dim, num_outputs)
        nn.init.normal_(self.output.weight, std=std)
        nn.init.zeros_(self.output.bias)

    def forward(self, vectors: Float[Tensor, "*rows dim"]) -> Float[Tensor, "*rows outputs"]:
        """Scores before any softmax."""
        return self.output(self.dropout(vectors))


class WordTransform(nn.Module):
    """Dense, GELU, norm: what stands between the states and the tied word embeddings (Devlin 2018's released code)."""

    def __init__(self, dim: int, epsilon: float = 1e-12) -> None:
        super().__init__()
        self.dense = nn.Linear(dim, dim)
        self.activation = nn.GELU()
        self.norm = LayerNorm(dim, epsilon)

    def forward(self, states: Float[Tensor, "*rows dim"]) -> Float[Tensor, "*rows dim"]:
        """States ready to be compared with the word embeddings."""
        return self.norm(self.activation(self.dense(states)))
