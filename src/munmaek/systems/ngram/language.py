"""An n-gram model as a language model: texts scored, and written word by word; and why it has no vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Encoding, Likelihood, Tokenizer
from munmaek.core.errors import RequestError
from munmaek.systems.ngram.model import Ngram
from munmaek.systems.ngram.objective import NgramObjective


class NgramLanguageModel:
    """`contracts.LanguageModel`; see there. The state is the history, the nearest word first."""

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        assert isinstance(model, Ngram)
        self.model, self.tokenizer = model, tokenizer
        self._objective = NgramObjective(tokenizer, model.config.order)
        self.end: int | None = self._objective.end
        self._unknown = getattr(tokenizer, "special", {}).get("unk", -1)

    def likelihood(self, texts: Sequence[str], batch_tokens: int = 8192) -> Likelihood:
        """Score texts; see `contracts.LanguageModel`."""
        encoded = [encoding.ids for encoding in self.tokenizer.encode_batch(texts, special=False)]
        ids = np.array([0, *(token for text in encoded for token in text)], dtype=np.int64)
        lengths = np.array([len(text) for text in encoded], dtype=np.int64)
        ends = np.cumsum(lengths) + 1
        text = np.repeat(np.arange(len(texts)), lengths + 1)
        before = np.arange(len(text)) - np.repeat(np.cumsum(lengths + 1) - lengths - 1, lengths + 1)
        nats = 0.0
        for start in range(0, len(text), batch_tokens):
            rows = text[start : start + batch_tokens]
            windows = self._objective.windows(
                ids, (ends - lengths)[rows], ends[rows], before[start : start + batch_tokens]
            )
            with torch.no_grad():
                found = self.model(*map(torch.from_numpy, windows))
            nats -= float(found.double().sum())
        unknown = int((ids[1:] == self._unknown).sum())
        return Likelihood(nats, len(text), sum(map(len, texts)), unknown)

    def begin(self, text: str) -> tuple[NDArray[np.float32], Any]:
        """Read a prompt; ln p `(vocab,)` of the next token, and the history."""
        words = [self._objective.begin, *self.tokenizer.encode(text, special=False).ids]
        return self._after(tuple(reversed(words)))

    def advance(self, state: Any, token: int) -> tuple[NDArray[np.float32], Any]:
        """Read one more token; ln p `(vocab,)` of the one after it, and the history."""
        return self._after((token, *state))

    def _after(self, history: tuple[int, ...]) -> tuple[NDArray[np.float32], tuple[int, ...]]:
        size, room = self.model.config.vocab_size, self.model.config.order - 1
        history = history[:room]
        row = torch.tensor([*history, *[-1] * (room - len(history))], dtype=torch.int64)
        with torch.no_grad():
            found: Tensor = self.model(row.expand(size, room), torch.arange(size))
        return found.numpy(), history


class NoVectors:
    """`contracts.Encoder` of a system that has none: every question is answered with the reason."""

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        self.module, self.tokenizer = model, tokenizer
        self.dim = self.num_layers = 0
        self.max_length = 1 << 20

    def _refuse(self) -> RequestError:
        return RequestError(
            "an n-gram model counts which word follows which, it has no vectors",
            where="ngram",
            fix="Use it to score or to write texts; for vectors and tasks pretrain another system.",
        )

    def tokenize(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> list[Encoding]:
        """RequestError: no vectors."""
        raise self._refuse()

    def collate(self, encodings: Sequence[Encoding]) -> dict[str, NDArray[Any]]:
        """RequestError: no vectors."""
        raise self._refuse()

    def forward(self, inputs: Mapping[str, Tensor], all_layers: bool = False) -> Tensor:
        """RequestError: no vectors."""
        raise self._refuse()

    def summary(self, states: Tensor, mask: Tensor, pooling: str) -> Tensor:
        """RequestError: no vectors."""
        raise self._refuse()

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """RequestError: no vectors."""
        raise self._refuse()
