"""An n-gram model with back-off: sorted n-grams, their probabilities, and what is left for shorter histories.

N-grams are stored by their ends, as a tree read backwards: an n-gram of length k is a child of its last k - 1 words,
and its key is that parent's place times the vocabulary's size, plus its first word. Keys of one length are sorted, so
one binary search a word walks down the tree, and the longest n-gram that is known is the last one found.
"""

# ruff: noqa: F722
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.errors import RequestError

PRESETS = {
    "tiny": {"order": 2},
    "mini": {"order": 3},
    "small": {"order": 4},
    "medium": {"order": 5},
    "base": {"order": 5},
}
NEVER = -1e4
"""Logarithm of the probability of what is never predicted: exp of it is 0, and files hold it."""


@dataclass(frozen=True)
class NgramConfig:
    """The shape of an n-gram model.

    Attributes:
        vocab_size: tokens. order: words of the longest n-gram, N.
        max_positions: longest text, for the house's sake; a text may have any length.
    """

    vocab_size: int
    order: int = 3
    max_positions: int = 1 << 20

    def __post_init__(self) -> None:
        if not 1 <= self.order <= 8 or self.vocab_size < 1:
            raise RequestError(f"order {self.order}, vocabulary {self.vocab_size}", where="model settings",
                               fix="The order lies between 1 and 8; 3 to 5 are usual.")  # fmt: skip


@dataclass(frozen=True)
class Level:
    """The n-grams of one length.

    Attributes:
        keys: (n-grams,) int64, ascending: place of the last k - 1 words times the vocabulary, plus the first word;
            of single words the words themselves.
        log_probs: (n-grams,) float32, nats: ln p(last word | the words before).
        backoffs: (n-grams,) float32, nats: ln of what the n-gram as a history leaves to shorter ones; the longest: 0.
    """

    keys: NDArray[np.int64]
    log_probs: NDArray[np.float32]
    backoffs: NDArray[np.float32]


class Ngram(nn.Module):
    """The model; before it is filled every word is as likely as any other.

    Attributes:
        log_probs, backoffs: of each length, see `Level`. Keys of length k are the buffer `keys_k`.
    """

    def __init__(self, config: NgramConfig) -> None:
        super().__init__()
        self.config = config
        size, order = config.vocab_size, config.order
        flat = [torch.full((size,), -math.log(size)), *(torch.empty(0) for _ in range(order - 1))]
        self.log_probs = nn.ParameterList([nn.Parameter(values, requires_grad=False) for values in flat])
        none = [torch.zeros(size), *(torch.empty(0) for _ in range(order - 1))]
        self.backoffs = nn.ParameterList([nn.Parameter(values, requires_grad=False) for values in none])
        for length in range(2, order + 1):
            self.register_buffer(f"keys_{length}", torch.empty(0, dtype=torch.int64))

    def fill(self, levels: Sequence[Level]) -> None:
        """Take in the n-grams of every length, single words first: all of the vocabulary."""
        assert len(levels) == self.config.order
        assert len(levels[0].keys) == self.config.vocab_size
        for place, level in enumerate(levels):
            self.log_probs[place] = nn.Parameter(torch.from_numpy(level.log_probs), requires_grad=False)
            self.backoffs[place] = nn.Parameter(torch.from_numpy(level.backoffs), requires_grad=False)
            if place:
                setattr(self, f"keys_{place + 1}", torch.from_numpy(level.keys))

    def levels(self) -> list[Level]:
        """What `fill` takes."""
        first = np.arange(self.config.vocab_size, dtype=np.int64)
        keys = [first, *(self.get_buffer(f"keys_{k}").numpy() for k in range(2, self.config.order + 1))]
        values: Any = zip(keys, self.log_probs, self.backoffs, strict=True)
        return [Level(k, p.detach().numpy(), b.detach().numpy()) for k, p, b in values]

    def forward(self, histories: Int[Tensor, "rows before"], labels: Int[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """ln p(label | history), nats; the nearest word of a history stands first, -1 where there is none."""
        chosen = self._probability(labels, histories)
        places = histories[:, 0] if self.config.order > 1 else labels
        known = places >= 0
        left = torch.zeros(len(labels), dtype=torch.float64)
        for length in range(1, self.config.order):
            if length > 1:
                places, known = self._child(length, places, histories[:, length - 1], known)
            backoffs = self.backoffs[length - 1]
            if not len(backoffs):
                break
            value = backoffs[places.clamp(min=0)].double()
            left = left + torch.where(known & (length >= chosen[1]), value, 0.0)
        return (chosen[0] + left).float()

    def _probability(self, labels: Tensor, histories: Tensor) -> tuple[Tensor, Tensor]:
        """ln p of the longest n-gram that is known, and how many words it has."""
        places, known = labels, torch.ones_like(labels, dtype=torch.bool)
        found = self.log_probs[0][labels].double()
        length_found = torch.ones_like(labels)
        for length in range(2, self.config.order + 1):
            places, known = self._child(length, places, histories[:, length - 2], known)
            if not bool(known.any()):
                break
            found = torch.where(known, self.log_probs[length - 1][places].double(), found)
            length_found = torch.where(known, length, length_found)
        return found, length_found

    def _child(self, length: int, places: Tensor, words: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """The places of n-grams that are one word longer to the left, and which of them there are."""
        keys = self.get_buffer(f"keys_{length}")
        if not len(keys):
            return torch.zeros_like(places), torch.zeros_like(known)
        wanted = places * self.config.vocab_size + words
        found = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
        known = known & (words >= 0) & (keys[found] == wanted)
        return torch.where(known, found, 0), known
