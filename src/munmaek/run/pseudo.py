"""Pseudo-likelihood: how well a masked language model fills in every token of a text, one at a time (Salazar 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from munmaek.core.contracts import Encoding, Likelihood
from munmaek.data.tokenizers import unknown_id
from munmaek.run.model import Model
from munmaek.train import distributed


class PseudoLikelihood:
    """Scores texts as `contracts.LanguageModel.likelihood` does, but each token from both of its sides.

    -sum_t log P(w_t | every other token) (Salazar 2020, equation 2). It is no likelihood: what it says of two masked
    models may be compared, what it says of one and of a model of the next token may not. A text longer than the model
    reads is scored in pieces, and no text's end is predicted.
    """

    def __init__(self, model: Model) -> None:
        assert model.system.masked_words is not None
        self.model, self._words = model, model.system.masked_words

    def likelihood(self, texts: Sequence[str], batch_tokens: int = 8192) -> Likelihood:
        """Score texts; of each token one row is read, with that token masked."""
        tokenizer = self.model.tokenizer
        unknown, most = unknown_id(tokenizer), self.model.encoder.max_length - 2
        pieces: list[list[int]] = []
        for encoding in tokenizer.encode_batch(texts, special=False):
            pieces += [encoding.ids[start : start + most] for start in range(0, len(encoding.ids), most)]
        pieces.sort(key=len)
        nats = sum(self._score(batch) for batch in _batches(pieces, batch_tokens))
        return Likelihood(
            nats, sum(map(len, pieces)), sum(map(len, texts)), sum(piece.count(unknown) for piece in pieces)
        )

    def _score(self, batch: list[tuple[list[int], int]]) -> float:
        """The summed loss of one token of each row."""
        tokenizer, device = self.model.tokenizer, self.model.device
        first, last, mask = (tokenizer.token_id(role) for role in ("cls", "sep", "mask"))
        rows = [[first, *piece[:place], mask, *piece[place + 1 :], last] for piece, place in batch]
        encodings = [Encoding(row, [], [], [], [0] * len(row)) for row in rows]
        inputs = distributed.to_tensors(self.model.encoder.collate(encodings), device)
        places = torch.zeros(inputs["input_ids"].shape, dtype=torch.bool)
        places[np.arange(len(batch)), [place + 1 for _, place in batch]] = True
        wanted = torch.tensor([piece[place] for piece, place in batch], device=device)
        with torch.inference_mode(), distributed.autocast(device, self.model.precision):
            logits = self._words(self.model.module, inputs, places.to(device))
        return float(torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="sum"))


def _batches(pieces: Sequence[list[int]], batch_tokens: int) -> Iterator[list[tuple[list[int], int]]]:
    """Every token of every piece as (piece, place), so many together that they have `batch_tokens` tokens."""
    batch: list[tuple[list[int], int]] = []
    for piece in pieces:
        for place in range(len(piece)):
            batch.append((piece, place))
            if len(batch) * (len(piece) + 2) >= batch_tokens:
                yield batch
                batch = []
    if batch:
        yield batch
