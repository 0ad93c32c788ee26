"""An ELMo as a source of vectors: texts to the states of every layer, words of any spelling among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Encoding, Tokenizer
from munmaek.data.encodings import cut, limit, padded
from munmaek.nn.pooling import pool
from munmaek.systems.elmo.characters import Speller
from munmaek.systems.elmo.model import Elmo, ElmoForPreTraining


class ElmoEncoder:
    """`contracts.Encoder` over an ELMo; layer 0 is the words' own vectors, twice (bilm-tf's first layer).

    Begin and end of the text are read and have states, as in the release, but no part in a text's vector.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        assert isinstance(model, ElmoForPreTraining)
        self._elmo: Elmo = model.elmo
        self.module: nn.Module = model.elmo
        self.tokenizer = tokenizer
        self.dim = 2 * model.config.dim
        self.num_layers = model.config.num_layers + 1
        self.max_length = model.config.max_positions
        self.speller = Speller(tokenizer, model.config.characters, model.config.max_symbols)
        self._pad = tokenizer.token_id("pad")

    def tokenize(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> list[Encoding]:
        """Texts between begin and end marks, cut to `max_length` tokens, the longer of a pair first.

        A word that the vocabulary lacks has an id past it and its own string: its characters are what is read.
        """
        most = limit(max_length, self.max_length)
        sides = [texts] if pairs is None else [texts, pairs]
        encodings = (cut(encoding, most) for encoding in self.tokenizer.encode_batch(texts, pairs))
        return [self.speller.with_characters(e, t) for e, t in zip(encodings, zip(*sides, strict=True), strict=True)]

    def collate(self, encodings: Sequence[Encoding]) -> dict[str, NDArray[Any]]:
        """Padded arrays `(batch, seq)`: input_ids and attention_mask (bool)."""
        ids, mask = padded([encoding.ids for encoding in encodings], self._pad)
        return {"input_ids": ids, "attention_mask": mask}

    def forward(self, inputs: Mapping[str, Tensor], all_layers: bool = False) -> Tensor:
        """Last states `(batch, seq, dim)`, or all, the words' vectors first: `(layers, batch, seq, dim)`."""
        ids = inputs["input_ids"]
        different, words = torch.unique(ids, return_inverse=True)
        characters = torch.from_numpy(self.speller.rows(different.cpu().numpy())).to(ids.device)
        states, _ = self._elmo.states(characters, words, inputs["attention_mask"])
        return states if all_layers else states[-1]

    def summary(self, states: Tensor, mask: Tensor, pooling: str) -> Tensor:
        """One vector a text, `(batch, dim)`: "mean", "max", "first" or "last" of its words."""
        places = torch.arange(mask.shape[1], device=mask.device)
        last = torch.where(mask, places, 0).amax(1, keepdim=True)
        return pool(states[:, 1:], (mask & (places < last))[:, 1:], pooling)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The character CNN, and each LSTM layer from the bottom up."""
        return [list(part.parameters()) for part in (self._elmo.words, *self._elmo.layers)]
