"""A BERT as a source of vectors: texts to the states of every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Encoding, Tokenizer
from munmaek.data.encodings import cut, limit, padded
from munmaek.nn.pooling import pool
from munmaek.systems.bert.model import Bert, BertForPreTraining


class BertEncoder:
    """`contracts.Encoder` over the encoder of a BERT; see there."""

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        assert isinstance(model, BertForPreTraining)
        self._bert: Bert = model.bert
        self.module: nn.Module = model.bert
        self.tokenizer = tokenizer
        self.dim = model.config.dim
        self.num_layers = model.config.num_layers + 1
        self.max_length = model.config.max_positions

    def tokenize(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> list[Encoding]:
        """Texts as [CLS] A [SEP] or [CLS] A [SEP] B [SEP], cut to `max_length` tokens, the longer of a pair first."""
        most = limit(max_length, self.max_length)
        return [cut(encoding, most) for encoding in self.tokenizer.encode_batch(texts, pairs)]

    def collate(self, encodings: Sequence[Encoding]) -> dict[str, NDArray[Any]]:
        """Padded arrays `(batch, seq)`: input_ids, attention_mask (bool), token_type_ids."""
        ids, mask = padded([encoding.ids for encoding in encodings], self._bert.config.pad_id)
        types, _ = padded([encoding.type_ids for encoding in encodings], 0)
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}

    def forward(self, inputs: Mapping[str, Tensor], all_layers: bool = False) -> Tensor:
        """Last states `(batch, seq, dim)`, or all, the embeddings first: `(layers, batch, seq, dim)`."""
        return self._bert(
            inputs["input_ids"], inputs["attention_mask"], inputs["token_type_ids"], all_layers=all_layers
        )

    def summary(self, states: Tensor, mask: Tensor, pooling: str) -> Tensor:
        """One vector a text, `(batch, dim)`: "mean", "max", "first", "last", or "pooler" (Devlin 2018's own)."""
        return self._bert.pool(states) if pooling == "pooler" else pool(states, mask, pooling)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Embeddings, and each layer from the bottom up, the pooler with the top one, which a mean does without."""
        groups = [list(part.parameters()) for part in (self._bert.embeddings, *self._bert.blocks)]
        groups[-1] += list(self._bert.pooler.parameters())
        return groups
