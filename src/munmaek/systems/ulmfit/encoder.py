"""A ULMFiT as a source of vectors: texts to the states of every layer, each made from one side of the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Encoding, Tokenizer
from munmaek.core.errors import RequestError
from munmaek.data.encodings import cut, limit, padded
from munmaek.nn.pooling import pool
from munmaek.systems.ulmfit.model import AwdLstm, UlmfitForPreTraining


class UlmfitEncoder:
    """`contracts.Encoder` over an AWD-LSTM; see there."""

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        assert isinstance(model, UlmfitForPreTraining)
        self._lstm: AwdLstm = model.encoder
        self.module: nn.Module = model.encoder
        self.tokenizer = tokenizer
        self.dim = model.config.dim
        self.num_layers = model.config.num_layers + 1
        self.max_length = model.config.max_positions
        self._backward = model.config.direction == "backward"
        self._border, self._pad = tokenizer.token_id("sep"), tokenizer.token_id("pad")

    def tokenize(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> list[Encoding]:
        """Texts as border A, pairs as border A border B; for a backward model A border, A border B border.

        The border is what stood between the documents of the pre-training: the tokenizer's "sep". The longer of a
        pair is cut first.
        """
        most = limit(max_length, self.max_length)
        found = [self._bordered(encoding, 0) for encoding in self.tokenizer.encode_batch(texts, special=False)]
        if pairs is not None:
            if len(pairs) != len(texts):
                raise RequestError(f"{len(texts)} first texts came with {len(pairs)} second texts")
            second = self.tokenizer.encode_batch(pairs, special=False)
            found = [_joined(a, self._bordered(b, 1)) for a, b in zip(found, second, strict=True)]
        return [cut(encoding, most) for encoding in found]

    def _bordered(self, encoding: Encoding, kind: int) -> Encoding:
        border = Encoding([self._border], [(0, 0)], [""], [True], [kind])
        text = Encoding(encoding.ids, encoding.offsets, encoding.tokens, encoding.special, [kind] * len(encoding.ids))
        return _joined(text, border) if self._backward else _joined(border, text)

    def collate(self, encodings: Sequence[Encoding]) -> dict[str, NDArray[Any]]:
        """Arrays `(batch, seq)` padded on the right: input_ids, attention_mask (bool)."""
        ids, mask = padded([encoding.ids for encoding in encodings], self._pad)
        return {"input_ids": ids, "attention_mask": mask}

    def forward(self, inputs: Mapping[str, Tensor], all_layers: bool = False) -> Tensor:
        """Last states `(batch, seq, dim)`, or all, the embeddings first: `(layers, batch, seq, widest)`."""
        return self._lstm(inputs["input_ids"], inputs["attention_mask"], all_layers=all_layers)

    def summary(self, states: Tensor, mask: Tensor, pooling: str) -> Tensor:
        """One vector a text: "mean", "max", "first", "last" `(batch, dim)`, or "concat" `(batch, 3 * dim)`.

        "last" and the first third of "concat" are where reading ended: at the left end for a backward model.
        """
        if self._backward and pooling in ("last", "first", "concat"):
            states, mask = states.flip(1), mask.flip(1)
            if pooling == "first":  # padding comes first now; the first token read is the border
                return pool(states.flip(1), mask.flip(1), "last")
        return pool(states, mask, pooling)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Embeddings, and each LSTM layer from the bottom up."""
        return [list(part.parameters()) for part in (self._lstm.words, *self._lstm.layers)]


def _joined(first: Encoding, second: Encoding) -> Encoding:
    return Encoding(
        first.ids + second.ids, first.offsets + second.offsets, first.tokens + second.tokens,
        first.special + second.special, first.type_ids + second.type_ids,
    )  # fmt: skip
