"""A GPT as a source of vectors: texts to the states of every layer, each state made from what came before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Encoding, Tokenizer
from munmaek.data.encodings import cut, limit, padded
from munmaek.nn.pooling import pool
from munmaek.systems.gpt.model import Gpt, GptForPreTraining


class GptEncoder:
    """`contracts.Encoder` over a GPT; see there."""

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        assert isinstance(model, GptForPreTraining)
        self._gpt: Gpt = model.gpt
        self.module: nn.Module = model.gpt
        self.tokenizer = tokenizer
        self.dim = model.config.dim
        self.num_layers = model.config.num_layers + 1
        self.max_length = model.config.max_positions

    def tokenize(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> list[Encoding]:
        """Texts as start A extract, pairs as start A delimiter B extract (Radford 2018 §3.3), the longer cut first.

        Delimiter and extract token are one, the tokenizer's "sep", which ended every document of the pre-training.
        """
        most = limit(max_length, self.max_length)
        return [cut(encoding, most) for encoding in self.tokenizer.encode_batch(texts, pairs)]

    def collate(self, encodings: Sequence[Encoding]) -> dict[str, NDArray[Any]]:
        """Arrays `(batch, seq)` padded on the right: input_ids, attention_mask (bool)."""
        ids, mask = padded([encoding.ids for encoding in encodings], self.tokenizer.token_id("pad"))
        return {"input_ids": ids, "attention_mask": mask}

    def forward(self, inputs: Mapping[str, Tensor], all_layers: bool = False) -> Tensor:
        """Last states `(batch, seq, dim)`, or all, the embeddings first: `(layers, batch, seq, dim)`."""
        return self._gpt(inputs["input_ids"], inputs["attention_mask"], all_layers=all_layers)

    def summary(self, states: Tensor, mask: Tensor, pooling: str) -> Tensor:
        """One vector a text, `(batch, dim)`: "last" (the extract token's, Radford 2018), "mean", "max", "first"."""
        return pool(states, mask, pooling)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Embeddings, and each layer from the bottom up."""
        gpt = self._gpt
        groups = [[*gpt.words.parameters(), *gpt.positions.parameters()]]
        groups += [list(block.parameters()) for block in gpt.blocks]
        groups[-1] += list(gpt.norm.parameters())
        return groups
