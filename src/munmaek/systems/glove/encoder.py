"""A GloVe as a source of vectors: one layer, and a word's vector is the same wherever it stands."""

# ruff: noqa: F722
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Encoding, Tokenizer
from munmaek.data.encodings import cut, limit, padded
from munmaek.data.tokenizers import unknown_id
from munmaek.nn.pooling import pool
from munmaek.systems.glove.model import Glove


class GloveEncoder:
    """`contracts.Encoder` with one layer; see there. A word outside the vocabulary has no vector, counts nowhere."""

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        assert isinstance(model, Glove)
        self._model = model
        self.module: nn.Module = model
        self.tokenizer = tokenizer
        self.dim, self.num_layers, self.max_length = model.config.dim, 1, model.config.max_positions
        self._unknown = unknown_id(tokenizer)

    def tokenize(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> list[Encoding]:
        """The tokens of texts, or of both texts of pairs, without special ones, cut to `max_length`."""
        most = limit(max_length, self.max_length, least=1)
        return [cut(encoding, most) for encoding in self.tokenizer.encode_batch(texts, pairs, special=False)]

    def collate(self, encodings: Sequence[Encoding]) -> dict[str, NDArray[Any]]:
        """Padded arrays `(batch, seq)`: input_ids, and attention_mask, True on tokens that have a vector."""
        ids, mask = padded([encoding.ids for encoding in encodings], 0)
        return {"input_ids": ids, "attention_mask": mask & (ids != self._unknown)}

    def forward(
        self, inputs: Mapping[str, Tensor], all_layers: bool = False
    ) -> Float[Tensor, "batch seq dim"] | Float[Tensor, "1 batch seq dim"]:
        """The vector of each token, zeros where there is none: the last layer is the only one."""
        ids: Int[Tensor, "batch seq"] = inputs["input_ids"]
        states = self._model.vectors(ids) * inputs["attention_mask"][:, :, None]
        return states[None] if all_layers else states

    def summary(self, states: Tensor, mask: Tensor, pooling: str) -> Tensor:
        """One vector a text, `(batch, dim)`: "mean", "max", "first" or "last"; zeros for a text of unknown words."""
        return pool(states, mask, pooling)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """W; W~ stays as it is, so that one matrix is trained."""
        return [[self._model.words]]
