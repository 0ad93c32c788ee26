"""A ULMFiT as a model of the next token: how likely texts are, and one token after another from the states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from munmaek.core.contracts import Likelihood, Tokenizer
from munmaek.core.errors import RequestError
from munmaek.data.encodings import padded
from munmaek.data.tokenizers import unknown_id
from munmaek.systems.ulmfit.model import State, UlmfitForPreTraining

PIECE = 512
"""Tokens of each text that are read at once; the states are carried from piece to piece."""


class UlmfitLanguageModel:
    """`contracts.LanguageModel` over an AWD-LSTM; see there. A backward model scores texts from their end."""

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        assert isinstance(model, UlmfitForPreTraining)
        self._model = model
        self.tokenizer = tokenizer
        self.backward = model.config.direction == "backward"
        self.end: int | None = tokenizer.token_id("sep")

    def likelihood(self, texts: Sequence[str], batch_tokens: int = 8192) -> Likelihood:
        """Score texts of any length, each from a fresh state: every token, and the border after the last."""
        assert self.end is not None
        nats, num_tokens, num_unknown = 0.0, 0, 0
        unknown = unknown_id(self.tokenizer)
        rows: list[list[int]] = []
        for encoding in self.tokenizer.encode_batch(texts, special=False):
            num_unknown += encoding.ids.count(unknown)
            rows.append([self.end, *(encoding.ids[::-1] if self.backward else encoding.ids), self.end])
        rows.sort(key=len)
        while rows:
            count = max(1, batch_tokens // min(PIECE, len(rows[-1])))
            nats += self._score(rows[-count:])
            num_tokens += sum(len(row) - 1 for row in rows[-count:])
            rows = rows[:-count]
        return Likelihood(nats, num_tokens, sum(map(len, texts)), num_unknown)

    def _score(self, rows: list[list[int]]) -> float:
        assert self.end is not None
        ids, real = padded(rows, self.end)
        device = self._model.word_bias.device
        tokens, mask = torch.from_numpy(ids).to(device), torch.from_numpy(real[:, 1:]).to(device)
        total, state = 0.0, None
        with torch.no_grad():
            for begin in range(0, mask.shape[1], PIECE):
                part = slice(begin, begin + PIECE)
                output = self._model(tokens[:, :-1][:, part], mask[:, part], tokens[:, 1:][:, part], state)
                total, state = total + float(output.loss), output.ends
        return total

    def begin(self, text: str) -> tuple[NDArray[np.float32], Any]:
        """Logits `(vocab,)` after a prompt read from its beginning, and the states.

        RequestError for a backward model, which writes from the end of a text.
        """
        if self.backward:
            raise RequestError(
                "a backward model predicts the token before, so it cannot go on from a prompt",
                where="generate",
                fix="Use a forward model.",
            )
        assert self.end is not None
        return self._read([self.end, *self.tokenizer.encode(text, special=False).ids], None)

    def advance(self, state: Any, token: int) -> tuple[NDArray[np.float32], Any]:
        """Logits `(vocab,)` after one more token, and the states; the old ones stay as they were."""
        return self._read([token], state)

    def _read(self, ids: list[int], state: State | None) -> tuple[NDArray[np.float32], State]:
        with torch.no_grad():
            tokens = torch.tensor(ids, device=self._model.word_bias.device)[:, None]
            reading = self._model.encoder.read(tokens, state)
            logits = self._model.logits(reading.layers[-1][-1, 0])
        return logits.float().cpu().numpy(), reading.ends
