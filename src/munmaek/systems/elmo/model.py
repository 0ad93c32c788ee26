"""ELMo: a character CNN, LSTMs in both directions with projections, and one softmax for both (Peters 2018 §3.3)."""

# ruff: noqa: F722
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from munmaek.core.errors import RequestError
from munmaek.nn.recurrent import BiLstm, put_back, reading_orders
from munmaek.nn.sampling import cross_entropies
from munmaek.nn.transformer import Dropout
from munmaek.systems.elmo.characters import FILL, num_symbols

FILTERS = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024))
"""(width, number) of the published CNN: 2,048 filters."""
PRESETS = {
    "tiny": {"cells": 256, "dim": 64, "num_highway": 1,
             "filters": ((1, 16), (2, 16), (3, 32), (4, 32), (6, 64))},
    "mini": {"cells": 256, "dim": 256, "num_highway": 1, "sampled_words": 1024,
             "filters": ((1, 32), (2, 32), (3, 64), (4, 64), (5, 64), (6, 128), (7, 128))},
    "small": {"cells": 1024, "dim": 128, "num_highway": 1, "filters": FILTERS},
    "medium": {"cells": 2048, "dim": 256, "num_highway": 1, "filters": FILTERS},
    "base": {"cells": 4096, "dim": 512, "num_highway": 2, "filters": FILTERS},
}  # fmt: skip
"""base is the paper's; small and medium are the sizes of that name released with it; tiny and mini are ours,
and mini has no projections: in the same minutes it sees a fifth more tokens so, and predicts them better."""
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}


@dataclass(frozen=True)
class ElmoConfig:
    """The shape of an ELMo.

    Attributes:
        vocab_size: words that the softmax knows. cells: of each LSTM. dim: after each projection, of which there is
            none where dim equals cells; a state of both directions has twice as many numbers.
        num_layers: LSTM layers in each direction.
        characters: "bytes", UTF-8 as published, or "syllable", one symbol a Hangul syllable, jamo or other byte.
        max_symbols: characters a word, begin and end counted. character_dim: width of a character's vector.
        filters: (width, number) of each convolution. num_highway: highway layers. activation: "relu" or "tanh".
        cell_clip, state_clip: cells, and projected states, are cut to plus or minus this; 0 leaves them.
        skip: from the second layer on, a layer's input is added to its output.
        dropout: of each LSTM's input and of the softmax's.
        sampled_words: draws of words for the softmax in training; all words count while the vocabulary is smaller
            than four times that.
        max_positions: longest text read at once, in tokens; no parameter depends on it.
        memory: tokens over which the cells remember when training starts (`nn.recurrent.remember`); 0 is the published
            start.
    """

    vocab_size: int
    cells: int = 512
    dim: int = 128
    num_layers: int = 2
    characters: str = "bytes"
    max_symbols: int = 50
    character_dim: int = 16
    filters: Sequence[Sequence[int]] = FILTERS
    num_highway: int = 1
    activation: str = "relu"
    cell_clip: float = 3.0
    state_clip: float = 3.0
    skip: bool = True
    dropout: float = 0.1
    sampled_words: int = 8192
    max_positions: int = 1024
    memory: int = 0

    def __post_init__(self) -> None:
        try:
            filters = tuple((int(width), int(number)) for width, number in self.filters)
        except (TypeError, ValueError):
            filters = ((0, 0),)
        object.__setattr__(self, "filters", filters)
        num_symbols(self.characters)
        sizes = (self.vocab_size, self.cells, self.dim, self.num_layers, self.character_dim, self.max_positions)
        if min(*sizes, *(size for pair in self.filters for size in pair)) < 1 or self.max_symbols < 3:
            raise RequestError(
                "every size must be positive, a word has 3 symbols or more and filters are pairs (width, number)",
                where="model settings",
                fix=f"Leave them out to take a preset ({', '.join(PRESETS)}).",
            )
        if max(width for width, _ in self.filters) > self.max_symbols:
            raise RequestError("a filter is wider than a word", where="model settings", fix="Raise max_symbols.")
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise RequestError(f"no activation {self.activation!r}", where="model settings", fix=f"It is {known}.")
        limits = (self.cell_clip, self.state_clip, self.sampled_words, self.num_highway, self.memory)
        if not 0 <= self.dropout < 1 or min(limits) < 0:
            raise RequestError(
                "dropout must lie in [0, 1), and limits and counts must not be negative", where="model settings"
            )

    @property
    def projected(self) -> int:
        """What the cells' output is projected to; 0 where it is as wide already, and handed on as it is (bilm-tf)."""
        return self.dim if self.dim != self.cells else 0

    @property
    def num_filters(self) -> int:
        """Of all widths together."""
        return sum(number for _, number in self.filters)


class CharacterWords(nn.Module):
    """A word's vector from its characters: convolutions, the maximum over places, highway layers, a projection.

    Kim 2016 §2-3 and Jozefowicz 2016 §3.3, with the activation after the maximum, as in the release.
    """

    def __init__(self, config: ElmoConfig) -> None:
        super().__init__()
        self.config = config
        self.symbols = nn.Embedding(num_symbols(config.characters), config.character_dim)
        self.convolutions = nn.ModuleList(nn.Conv1d(config.character_dim, n, width) for width, n in config.filters)
        self.highways = nn.ModuleList(Highway(config.num_filters) for _ in range(config.num_highway))
        same = config.num_filters == config.dim
        self.projection = nn.Identity() if same else nn.Linear(config.num_filters, config.dim)
        nn.init.uniform_(self.symbols.weight, -1, 1)
        for convolution, (width, _) in zip(self.convolutions, config.filters, strict=True):
            if config.activation == "relu":
                nn.init.uniform_(convolution.weight, -0.05, 0.05)  # type: ignore[arg-type]
            else:
                nn.init.normal_(convolution.weight, std=(width * config.character_dim) ** -0.5)  # type: ignore[arg-type]
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        if isinstance(self.projection, nn.Linear):
            nn.init.normal_(self.projection.weight, std=config.num_filters**-0.5)
            nn.init.zeros_(self.projection.bias)

    def forward(self, characters: Int[Tensor, "words symbols"]) -> Float[Tensor, "words dim"]:
        """Vectors of different words, `(words, max_symbols)` each filled up with FILL.

        Short and long words are computed apart, each with only as much filling as changes a maximum: one window of
        nothing else.
        """
        lengths = (characters != FILL).sum(1)
        order = lengths.argsort()
        found = [self._maxima(part) for part in self._cut(characters[order], lengths[order])]
        vectors = ACTIVATIONS[self.config.activation](torch.cat(found))
        for highway in self.highways:
            vectors = highway(vectors)
        return self.projection(vectors)[order.argsort()]

    def _cut(self, characters: Tensor, lengths: Tensor) -> list[Tensor]:
        """Words in ascending length, the longest quarter apart, each part cut after its longest word."""
        widest = max(width for width, _ in self.config.filters)
        middle = len(characters) * 3 // 4
        sides = (slice(0, middle), slice(middle, None)) if middle >= 64 else (slice(0, None),)
        return [characters[side, : min(self.config.max_symbols, int(lengths[side][-1]) + widest)] for side in sides]

    def _maxima(self, characters: Int[Tensor, "words symbols"]) -> Float[Tensor, "words filters"]:
        vectors = self.symbols(characters).transpose(1, 2)
        return torch.cat([convolution(vectors).amax(2) for convolution in self.convolutions], 1)


class Highway(nn.Module):
    """gate * relu(W x) + (1 - gate) * x (Srivastava 2015); the gate starts at about 0.12, as in the release."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.transform, self.gate = nn.Linear(dim, dim), nn.Linear(dim, dim)
        for part, bias in ((self.transform, 0.0), (self.gate, -2.0)):
            nn.init.normal_(part.weight, std=dim**-0.5)
            nn.init.constant_(part.bias, bias)

    def forward(self, vectors: Float[Tensor, "words dim"]) -> Float[Tensor, "words dim"]:
        """The same width."""
        gate = torch.sigmoid(self.gate(vectors))
        return torch.lerp(vectors, torch.relu(self.transform(vectors)).to(vectors.dtype), gate.to(vectors.dtype))


class Carried(NamedTuple):
    """What the LSTMs remember: hidden (layers, dirs, batch, dim) and cells (layers, dirs, batch, cells)."""

    hidden: Tensor
    cells: Tensor


class Output(NamedTuple):
    """Each direction's summed loss in nats and its hits (None in training); and what is remembered at the end."""

    losses: list[Tensor]
    hits: list[Tensor | None]
    carried: Carried


class Elmo(nn.Module):
    """The encoder: words from characters, then LSTM layers in both directions (Peters 2018 §3.1-3.2)."""

    def __init__(self, config: ElmoConfig) -> None:
        super().__init__()
        self.config = config
        self.words = CharacterWords(config)
        clips = config.cell_clip, config.state_clip
        self.layers = nn.ModuleList(
            BiLstm(config.dim, config.cells, config.projected, *clips, memory=config.memory)
            for _ in range(config.num_layers)
        )
        self.dropout = Dropout(config.dropout)

    def read(
        self,
        vectors: Float[Tensor, "words dim"],
        words: Int[Tensor, "dirs seq batch"],
        lengths: Int[Tensor, " batch"],
        start: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[list[Float[Tensor, "dirs seq batch dim"]], Carried]:
        """States of every layer in reading order, the words' own vectors first; and what is remembered at the end."""
        states = nn.functional.embedding(words, vectors.float())
        found = [states]
        hidden: list[Tensor] = []
        cells: list[Tensor] = []
        last = (lengths - 1, torch.arange(len(lengths), device=lengths.device))
        for place, layer in enumerate(self.layers):
            given = self.dropout(states)
            before = None if start is None else (start[0][place], start[1][place])
            states, memory = layer(given, before)
            hidden.append(states.detach()[:, last[0], last[1]])
            cells.append(memory[:, last[0], last[1]])
            if self.config.skip and place:
                states = states + given
            found.append(states)
        return found, Carried(torch.stack(hidden), torch.stack(cells))

    def states(
        self,
        characters: Int[Tensor, "words symbols"],
        words: Int[Tensor, "batch seq"],
        mask: Bool[Tensor, "batch seq"],
        start: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Float[Tensor, "layers batch seq two_dims"], Carried]:
        """Every layer's states of every token, forward and backward side by side; the words' own vectors twice."""
        orders = reading_orders(mask)
        layers, carried = self.read(self.words(characters), words.flatten()[orders], mask.sum(1).clamp(min=1), start)
        return torch.stack([put_back(states, orders) for states in layers]), carried


class ElmoForPreTraining(nn.Module):
    """ELMo with the softmax that both directions share: the bidirectional language model (Peters 2018 §3.1).

    Attributes:
        config: its shape. elmo: the encoder.
        untrained: parts that the files this was read from did not have.
    """

    def __init__(self, config: ElmoConfig) -> None:
        super().__init__()
        self.config = config
        self.untrained: tuple[str, ...] = ()
        self.elmo = Elmo(config)
        self.softmax_weight = nn.Parameter(torch.empty(config.vocab_size, config.dim))
        self.softmax_bias = nn.Parameter(torch.zeros(config.vocab_size))
        nn.init.normal_(self.softmax_weight, std=config.dim**-0.5)

    def forward(
        self,
        characters: Int[Tensor, "words symbols"],
        words: Int[Tensor, "dirs batch seq"],
        labels: Int[Tensor, "dirs batch seq"],
        lengths: Int[Tensor, " batch"],
        start: tuple[Tensor, Tensor] | None = None,
    ) -> Output:
        """Loss of both directions, or of the forward one alone.

        Args:
            characters: of the batch's different words. words: their numbers, each direction's in its own order.
            labels: the word that each has to predict; below 0 none. lengths: real tokens of each row, its first.
        """
        elmo = self.elmo
        layers, carried = elmo.read(elmo.words(characters), words.transpose(1, 2), lengths, start)
        states = elmo.dropout(layers[-1]).flatten(1, 2)
        wanted = labels.transpose(1, 2).flatten(1)
        rows = [(side[asked >= 0], asked[asked >= 0]) for side, asked in zip(states, wanted, strict=True)]
        tries = self.config.sampled_words if self.training else 0
        found = cross_entropies(rows, self.softmax_weight, self.softmax_bias, tries)
        return Output([loss for loss, _ in found], [hits for _, hits in found], carried)
