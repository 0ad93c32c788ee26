"""What stands on an encoder: vectors to classes, values or words."""

# ruff: noqa: F722
from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from munmaek.nn.transformer import Dropout, LayerNorm


class Linear(nn.Module):
    """Dropout and one linear map (Devlin 2018 §4.1): a text's or a token's vector to class scores, or to one value.

    The map is in float32 whatever the precision around it. A head that starts at a probe takes the mean of the vectors
    off by its bias, and weights rounded to bfloat16 leave a rest of that which tips every answer to one side.

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
        with torch.autocast(vectors.device.type, enabled=False):
            return self.output(self.dropout(vectors).float())


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation in float32 that takes a row on its own by the statistics so far."""

    def forward(self, input: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """Normalised over the batch while training, by the running statistics otherwise."""
        alone = self.training and len(input) < 2
        rows = input.float()
        if alone:
            return functional.batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias,
                                         eps=self.eps)  # fmt: skip
        return super().forward(rows)


class Meeting(Linear):
    """One linear map of how two texts meet, each number of it standardised first: products of vectors are small.

    Args:
        dim: width of what `meet` gives.
    """

    def __init__(self, dim: int, num_outputs: int, dropout: float = 0.1) -> None:
        super().__init__(dim, num_outputs, dropout)
        self.norm = BatchNorm(dim, affine=False)

    def forward(self, vectors: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch outputs"]:
        """Scores before any softmax."""
        return super().forward(self.norm(vectors))


def meet(one: Float[Tensor, "batch dim"], other: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch wide"]:
    """What two vectors have to do with each other, 4 dim + 1 numbers: u, v, |u - v|, u * v and their cosine.

    Conneau 2017, "Supervised Learning of Universal Sentence Representations", §3.1; the cosine is ours: the
    numbers of the product have to be weighed one by one to give it.
    """
    u, v = one.float(), other.float()
    return torch.cat([u, v, (u - v).abs(), u * v, functional.cosine_similarity(u, v)[:, None]], 1)


def meeting_width(dim: int) -> int:
    """How many numbers `meet` gives for two vectors of `dim`."""
    return 4 * dim + 1


class Agreement(Linear):
    """How far two usages of a word agree, layer by layer, as one linear map: twice as many cosines as layers.

    A cosine is of the word's two vectors, or of the means of what else stands there; what all usages have in common is
    taken off first (Mu 2018, "All-but-the-Top", §2). So few numbers hold no word by heart: a map of the vectors
    themselves learns which words mean the same, which says nothing of new sentences.

    Attributes:
        centre: (2, layers, dim) what all usages have in common: of the word, and of what else stands there.
    """

    centre: Tensor

    def __init__(self, num_layers: int, dim: int, num_outputs: int) -> None:
        super().__init__(2 * num_layers, num_outputs, dropout=0.0, std=0.0)
        self.register_buffer("centre", torch.zeros(2, num_layers, dim))

    def compare(self, usages: Float[Tensor, "batch 2 2 layers dim"]) -> Float[Tensor, "batch twice"]:
        """The cosines of rows of two usages, each a word and what else stands there."""
        one, other = (usages - self.centre).unbind(1)
        return functional.cosine_similarity(one, other, dim=-1).flatten(1)


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
