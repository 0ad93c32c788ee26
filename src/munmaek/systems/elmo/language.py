"""An ELMo's forward direction as a model of the next word: how likely texts are, and one word after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Encoding, Likelihood, Tokenizer
from munmaek.core.errors import CheckpointError
from munmaek.systems.elmo.characters import Speller
from munmaek.systems.elmo.model import ElmoForPreTraining


class ElmoLanguageModel:
    """`contracts.LanguageModel` over the forward direction; see there.

    Words beyond the vocabulary are read by their characters, and predicted, where they stand in a text, as [UNK].

    Raises:
        CheckpointError: the model came without its softmax, as the released ones do.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        assert isinstance(model, ElmoForPreTraining)
        if not bool(model.softmax_weight.any()):
            raise CheckpointError(
                "bilm-tf's files do not hold the softmax, so this model predicts no words",
                where="language model",
                fix="Train on with: munmaek pretrain elmo --init RUN",
            )
        self._model = model
        self.tokenizer = tokenizer
        self.speller = Speller(tokenizer, model.config.characters, model.config.max_symbols)
        self.first, end = self.speller.ends
        self.end: int | None = end

    def likelihood(self, texts: Sequence[str], batch_tokens: int = 8192) -> Likelihood:
        """Score texts, each a document of its own, read from its beginning; long ones in windows, states handed on."""
        encodings = sorted(self._encode(texts), key=lambda encoding: len(encoding.ids))
        nats, num_tokens, num_unknown, start = 0.0, 0, 0, 0
        while start < len(encodings):
            stop = start + 1
            while stop < len(encodings) and (len(encodings[stop].ids) + 1) * (stop + 1 - start) <= batch_tokens:
                stop += 1
            rows = [encoding.ids for encoding in encodings[start:stop]]
            nats += self._score(rows)
            num_tokens += sum(len(ids) + 1 for ids in rows)
            num_unknown += sum(number >= self.speller.size or number == self.speller.unknown
                               for ids in rows for number in ids)  # fmt: skip
            start = stop
        return Likelihood(nats, num_tokens, sum(map(len, texts)), num_unknown)

    def begin(self, text: str) -> tuple[NDArray[np.float32], Any]:
        """Logits `(vocab,)` of the word after a prompt, and the state."""
        return self._read([self.first, *self._encode([text])[0].ids], None)

    def advance(self, state: Any, token: int) -> tuple[NDArray[np.float32], Any]:
        """Logits `(vocab,)` of the word after one more, and the state; the old state stays as it was."""
        return self._read([token], state)

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        found = self.tokenizer.encode_batch(texts, special=False)
        return [self.speller.with_characters(e, (text,)) for e, text in zip(found, texts, strict=True)]

    def _score(self, rows: list[list[int]]) -> float:
        """Nats of some texts' words and ends."""
        lengths = np.array([len(ids) + 1 for ids in rows])
        ids = np.full((len(rows), int(lengths.max())), self.speller.ends[1], dtype=np.int64)
        labels = np.full(ids.shape, -1, dtype=np.int64)
        for row, words in enumerate(rows):
            ids[row, : len(words) + 1] = [self.first, *words]
            labels[row, : len(words) + 1] = [*words, self.speller.ends[1]]
        labels[labels >= self.speller.size] = self.speller.unknown
        carried: tuple[Tensor, Tensor] | None = None
        total, window = 0.0, self._model.config.max_positions
        for begin in range(0, ids.shape[1], window):
            part = slice(begin, begin + window)
            left = np.clip(lengths - begin, 1, ids[:, part].shape[1])
            characters, words = self._spelt(ids[:, part])
            with torch.no_grad():
                output = self._model(characters, words[None], self._tensor(labels[None, :, part]),
                                    self._tensor(left), carried)  # fmt: skip
            total, carried = total + float(output.losses[0]), output.carried
        return total

    def _read(
        self, ids: list[int], carried: tuple[Tensor, Tensor] | None
    ) -> tuple[NDArray[np.float32], tuple[Tensor, Tensor]]:
        characters, words = self._spelt(np.array([ids], dtype=np.int64))
        model, elmo = self._model, self._model.elmo
        with torch.no_grad():
            layers, after = elmo.read(elmo.words(characters), words.t()[None], self._tensor([len(ids)]), carried)
            logits = nn.functional.linear(layers[-1][0, -1, 0], model.softmax_weight, model.softmax_bias)
        return logits.float().cpu().numpy(), after

    def _spelt(self, ids: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Symbols of the different words, and which of them each is."""
        different, words = np.unique(ids, return_inverse=True)
        return self._tensor(self.speller.rows(different)), self._tensor(words.reshape(ids.shape))

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(np.asarray(values)).to(self._model.softmax_bias.device)
