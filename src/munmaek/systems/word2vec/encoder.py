"""A Word2Vec as a source of vectors: one layer, and a word's vector is the same wherever it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Encoding, Tokenizer
from munmaek.data.encodings import cut, limit, padded
from munmaek.data.normalise import normalise
from munmaek.data.tokenizers import special_ids
from munmaek.nn.pooling import pool
from munmaek.systems.word2vec import subwords
from munmaek.systems.word2vec.model import Word2Vec, Word2VecConfig

TEXT_WORDS = 12
"""Words of the text whose expected direction is taken off with `sif`."""


class Word2VecEncoder:
    """`contracts.Encoder` over word vectors; see there.

    A word that the vocabulary lacks is composed of its n-grams where the model has subwords; it gets a number past the
    vocabulary, which this encoder remembers. Without subwords it has the vector zero and counts for nothing.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        assert isinstance(model, Word2Vec)
        self._model = model
        self.module: nn.Module = model
        self.tokenizer = tokenizer
        self.dim, self.num_layers, self.max_length = model.config.dim, 1, model.config.max_positions
        self._special = np.array(special_ids(tokenizer), dtype=np.int64)
        self._unknown = getattr(tokenizer, "special", {}).get("unk", -1)
        self._entries = entries_of(model.config, tokenizer)
        self._unseen: dict[str, int] = {}
        self._unseen_rows: list[NDArray[np.int64]] = []
        self._weights, self._common = _sif(model, self) if model.config.sif else (None, None)

    def tokenize(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> list[Encoding]:
        """Words without special tokens, cut to `max_length`, the longer of a pair first."""
        most = limit(max_length, self.max_length, least=1)
        found = self.tokenizer.encode_batch(texts, pairs, special=False)
        seconds = [""] * len(texts) if pairs is None else pairs
        return [cut(self._named(e, t), most) for e, *t in zip(found, texts, seconds, strict=True)]

    def _named(self, encoding: Encoding, texts: Sequence[str]) -> Encoding:
        """The encoding with a number for each word that the vocabulary lacks, where it can be composed."""
        if self._model.config.subwords == "none" or self._unknown not in encoding.ids:
            return encoding
        ids = list(encoding.ids)
        for place, word in enumerate(ids):
            if word == self._unknown:
                start, end = encoding.offsets[place]
                ids[place] = self.number_of(texts[encoding.type_ids[place]][start:end])
        return Encoding(ids, encoding.offsets, encoding.tokens, encoding.special, encoding.type_ids)

    def number_of(self, word: str) -> int:
        """The number of a word that the vocabulary lacks: the unknown word's where there are no subwords."""
        config, word = self._model.config, normalise(word)
        if config.subwords == "none" or not word:
            return self._unknown
        if word not in self._unseen:
            _, buckets = subwords.rows_of(
                [word], config.subwords, config.shortest_gram, config.longest_gram, config.num_buckets
            )
            self._unseen[word] = config.vocab_size + len(self._unseen_rows)
            self._unseen_rows.append(buckets + config.vocab_size)
        return self._unseen[word]

    def collate(self, encodings: Sequence[Encoding]) -> dict[str, NDArray[Any]]:
        """Padded arrays `(batch, seq)`: input_ids, attention_mask (bool); words without a vector are not attended."""
        pad = max(0, getattr(self.tokenizer, "special", {}).get("pad", 0))
        ids, mask = padded([encoding.ids for encoding in encodings], pad)
        return {"input_ids": ids, "attention_mask": mask & ~np.isin(ids, self._special)}

    def forward(self, inputs: Mapping[str, Tensor], all_layers: bool = False) -> Tensor:
        """Vectors `(batch, seq, dim)`, or the one layer `(1, batch, seq, dim)`; times its weight where `sif` is on."""
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        states = self.vectors(ids) * mask[:, :, None]
        return states[None] if all_layers else states

    def vectors(self, ids: Tensor) -> Tensor:
        """The vectors of words by number, `(*ids, dim)`."""
        if self._weights is None:
            return self._plain(ids)
        return self._plain(ids) * self._weights.to(ids.device)[ids.clamp(max=len(self._weights) - 1)][..., None]

    def _plain(self, ids: Tensor) -> Tensor:
        if self._model.config.subwords == "none":
            return self._model(ids.flatten())[:, : self.dim].reshape(*ids.shape, self.dim)
        words, places = torch.unique(ids, return_inverse=True)
        rows, borders = self._gathered(words.cpu().numpy())
        found = self._model(torch.from_numpy(rows).to(ids.device), torch.from_numpy(borders).to(ids.device))
        return found[places, : self.dim]

    def _gathered(self, words: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        size = self._model.config.vocab_size
        known, unseen = words[words < size], words[words >= size]
        rows, borders = subwords.gathered(self._entries, known)
        parts = [rows, *(self._unseen_rows[word - size] for word in unseen.tolist())]
        lengths = np.array([len(part) for part in parts], dtype=np.int64)
        return np.concatenate(parts), np.concatenate([borders, np.cumsum(lengths)[:-1]])

    def summary(self, states: Tensor, mask: Tensor, pooling: str) -> Tensor:
        """One vector a text, `(batch, dim)`: "mean" (with `sif` Arora 2017's), "max", "first" or "last"."""
        found = pool(states, mask, pooling)
        if self._common is None or pooling != "mean":
            return found
        common = self._common.to(found.device)
        return found - (found @ common)[:, None] * common

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The input vectors; the outputs are of no use after pre-training."""
        return [[self._model.inputs]]


def entries_of(config: Word2VecConfig, tokenizer: Tokenizer) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows that every word of a tokenizer's vocabulary is the mean of; see `subwords.entries_of`."""
    if config.subwords == "none":
        return subwords.entries_of([], "none", 1, 1, 1)
    return subwords.entries_of(
        words_of(tokenizer), config.subwords, config.shortest_gram, config.longest_gram, config.num_buckets
    )


def words_of(tokenizer: Tokenizer) -> list[str]:
    """The token strings of a vocabulary, in the order of their ids."""
    found = [""] * tokenizer.vocab_size
    for word, number in tokenizer.vocab().items():  # type: ignore[attr-defined]
        found[number] = word
    return found


def all_vectors(encoder: Word2VecEncoder) -> NDArray[np.float32]:
    """The plain vectors of the whole vocabulary, (vocabulary, dim)."""
    with torch.no_grad():
        parts = torch.arange(encoder.tokenizer.vocab_size).split(16_384)
        return np.concatenate([encoder._plain(part).numpy() for part in parts])


def _sif(model: Word2Vec, encoder: Word2VecEncoder) -> tuple[Tensor, Tensor]:
    """The weight of every word, a / (a + p), and the direction that texts share (Arora 2017, algorithm 1).

    Deviates: that direction is the first eigenvector of the second moment that a text of `TEXT_WORDS` independent words
    would have, which the vectors and counts alone give; the paper takes it from the texts at hand.
    """
    share = model.counts.cpu().double().numpy() / max(1, int(model.counts.sum()))
    weights = model.config.sif / (model.config.sif + share)
    weighted = all_vectors(encoder) * weights[:, None]
    mean = share @ weighted
    moment = (weighted * share[:, None]).T @ weighted / TEXT_WORDS + (1 - 1 / TEXT_WORDS) * np.outer(mean, mean)
    common = np.linalg.eigh(moment)[1][:, -1]
    return torch.from_numpy(weights).float(), torch.from_numpy(common).float()
