"""Word2Vec: two vectors a word, and nothing between them (Mikolov 2013a §3, 2013b §2)."""

# ruff: noqa: F722
from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from munmaek.core.errors import RequestError
from munmaek.systems.word2vec.subwords import MODES
from munmaek.systems.word2vec.tiles import LANES

PRESETS = {
    "tiny": {"dim": 50},
    "mini": {"dim": 100},
    "small": {"dim": 200},
    "medium": {"dim": 300},
    "base": {"dim": 300, "subwords": "jamo"},
}
"""300 is the width of the vectors that the authors published; base adds the subwords of Park 2018."""


@dataclass(frozen=True)
class Word2VecConfig:
    """The shape of a Word2Vec.

    Attributes:
        vocab_size: entries of the vocabulary. dim: numbers of a vector.
        subwords: "none"; "characters", n-grams of a word's characters (Bojanowski 2017); "jamo" (Park 2018).
        shortest_gram, longest_gram: their lengths; a longest of 0 is 6 characters or 5 jamo, as published.
        num_buckets: vectors that the n-grams share; 0 without subwords.
        sif: a of Arora 2017 §3: a text's vector weighs a word of frequency p by a / (a + p), and loses the direction
            that all texts share; 0 is the plain mean, 1e-3 the published value.
    """

    vocab_size: int
    dim: int = 100
    subwords: str = "none"
    shortest_gram: int = 3
    longest_gram: int = 0
    num_buckets: int = 262_144
    sif: float = 0.0

    def __post_init__(self) -> None:
        if self.subwords not in MODES:
            raise RequestError(f"no subwords {self.subwords!r}", where="subwords", fix=f"One of {', '.join(MODES)}.")
        if self.subwords == "none":
            object.__setattr__(self, "num_buckets", 0)
        elif self.longest_gram == 0:
            object.__setattr__(self, "longest_gram", 6 if self.subwords == "characters" else 5)
        grams = self.subwords == "none" or (1 <= self.shortest_gram <= self.longest_gram <= 64 and self.num_buckets > 0)
        if min(self.vocab_size, self.dim) < 1 or not grams or not 0 <= self.sif < 1:
            raise RequestError(
                f"vocabulary {self.vocab_size}, dim {self.dim}, n-grams of {self.shortest_gram} to {self.longest_gram} "
                f"in {self.num_buckets} buckets, sif {self.sif:g}: sizes must be positive, sif from 0 to below 1",
                where="model settings",
                fix=f"Leave them out to take a preset ({', '.join(PRESETS)}).",
            )

    @property
    def max_positions(self) -> int:
        """Tokens that a text is read to; word vectors themselves know no length."""
        return 1 << 16

    @property
    def row(self) -> int:
        """Floats of a stored row: dim filled up with zeros, so that vector instructions fit."""
        return -(-self.dim // LANES) * LANES


class Word2Vec(nn.Module):
    """The vectors.

    Attributes:
        inputs: (vocabulary + buckets, row), v of Mikolov 2013b: what is used afterwards; n-grams below the words.
        outputs: (vocabulary, row), v': of words, or of the inner nodes of the Huffman tree.
        counts: (vocabulary,) how often each word occurs in the corpus trained on; zeros before.
        notes: what was left out where the vectors are from another tool's file.
    """

    counts: Tensor

    def __init__(self, config: Word2VecConfig) -> None:
        super().__init__()
        self.config = config
        self.notes: list[str] = []
        self.inputs = nn.Parameter(torch.zeros(config.vocab_size + config.num_buckets, config.row))
        self.outputs = nn.Parameter(torch.zeros(config.vocab_size, config.row))
        self.register_buffer("counts", torch.zeros(config.vocab_size, dtype=torch.int64))
        # the original program: inputs evenly from -0.5/dim to 0.5/dim, outputs zero
        nn.init.uniform_(self.inputs[:, : config.dim], -0.5 / config.dim, 0.5 / config.dim)

    def forward(
        self, rows: Int[Tensor, " entries"], borders: Int[Tensor, " words"] | None = None
    ) -> Float[Tensor, "words row"]:
        """Vectors of words; with `borders`, where each word's entries begin, the mean of its entries' rows."""
        if borders is None:
            return nn.functional.embedding(rows, self.inputs)
        return nn.functional.embedding_bag(rows, self.inputs, borders, mode="mean")
