"""A GPT as a model of the next token: how likely texts are, and one token after another with a key-value cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from munmaek.core.contracts import Likelihood, Tokenizer
from munmaek.core.errors import RequestError
from munmaek.data.tokenizers import unknown_id
from munmaek.systems.gpt.model import GptForPreTraining, Past


@dataclass(frozen=True)
class Reading:
    """What was read so far: its ids, and the keys and values of the last of them."""

    ids: tuple[int, ...]
    past: Past


class GptLanguageModel:
    """`contracts.LanguageModel` over a GPT; see there.

    A text longer than the context is scored in windows that overlap by half, so that from the second window on each
    token is predicted from at least half a context. Writing past the context goes on from its last half.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        assert isinstance(model, GptForPreTraining)
        self._gpt = model.gpt
        self.tokenizer = tokenizer
        self.most = model.config.max_positions
        self.first: tuple[int, ...] = (tokenizer.token_id("cls"),) if model.config.start else ()
        self.end: int | None = tokenizer.token_id("sep") if model.config.start else None

    # ---- scoring --------------------------------------------------------------------------------------------------

    def likelihood(self, texts: Sequence[str], batch_tokens: int = 8192) -> Likelihood:
        """Score texts, each a document of its own, read from its beginning, and its end token.

        Where the model knows no start and end token (the published GPT-1), neither a text's first token nor its end
        is predicted.
        """
        unknown = unknown_id(self.tokenizer)
        nats, num_tokens, num_unknown = 0.0, 0, 0
        windows: list[tuple[list[int], int]] = []
        last = () if self.end is None else (self.end,)
        for encoding in self.tokenizer.encode_batch(texts, special=False):
            num_unknown += encoding.ids.count(unknown)
            windows += self._windows([*self.first, *encoding.ids, *last])
        windows.sort(key=lambda window: len(window[0]))
        while windows:
            rows = max(1, batch_tokens // len(windows[-1][0]))
            part, windows = windows[-rows:], windows[:-rows]
            found, count = self._score(part)
            nats, num_tokens = nats + found, num_tokens + count
        return Likelihood(nats, num_tokens, sum(map(len, texts)), num_unknown)

    def _windows(self, ids: list[int]) -> list[tuple[list[int], int]]:
        """Pieces of a sequence, each with how many of its tokens are context only; every other token is in one."""
        found: list[tuple[list[int], int]] = []
        scored = 1
        while scored < len(ids):
            begin = 0 if scored == 1 else scored - self.most // 2
            piece = ids[begin : begin + self.most + 1]
            found.append((piece, scored - begin))
            scored = begin + len(piece)
        return found

    def _score(self, windows: list[tuple[list[int], int]]) -> tuple[float, int]:
        gpt, length = self._gpt, max(len(ids) for ids, _ in windows) - 1
        ids = np.zeros((len(windows), length + 1), dtype=np.int64)
        wanted = np.zeros((len(windows), length), dtype=bool)
        for row, (piece, given) in enumerate(windows):
            ids[row, : len(piece)] = piece
            wanted[row, given - 1 : len(piece) - 1] = True
        device = gpt.words.weight.device
        tokens, mask = torch.from_numpy(ids).to(device), torch.from_numpy(wanted).to(device)
        with torch.no_grad():
            loss, _ = gpt.next_word_loss(gpt(tokens[:, :-1]), mask, tokens[:, 1:])
        return float(loss), int(wanted.sum())

    # ---- writing --------------------------------------------------------------------------------------------------

    def begin(self, text: str) -> tuple[NDArray[np.float32], Any]:
        """Logits `(vocab,)` after a prompt, and the state; of a prompt past the context the last half of it is read.

        RequestError where the prompt is empty and the model knows no token that begins a text.
        """
        ids = (*self.first, *self.tokenizer.encode(text, special=False).ids)
        if not ids:
            raise RequestError(
                "the prompt is empty, and this model knows no token that begins a text",
                where="prompt",
                fix="Give the beginning of a text.",
            )
        return self._read(Reading((), ()), ids if len(ids) <= self.most else ids[-(self.most // 2) :])

    def advance(self, state: Any, token: int) -> tuple[NDArray[np.float32], Any]:
        """Logits `(vocab,)` after one more token, and the state; the old state stays as it was."""
        assert isinstance(state, Reading)
        if len(state.ids) >= self.most:
            half = (*state.ids, token)[-(self.most // 2) :]
            return self._read(Reading((), ()), half)
        return self._read(state, (token,))

    def _read(self, state: Reading, ids: tuple[int, ...]) -> tuple[NDArray[np.float32], Reading]:
        gpt = self._gpt
        tokens = torch.tensor([ids], device=gpt.words.weight.device)
        with torch.no_grad():
            states, past = gpt.read_on(tokens, state.past)
            logits = gpt.logits(states[:, -1])[0]
        return logits.float().cpu().numpy(), Reading((*state.ids, *ids), past)
