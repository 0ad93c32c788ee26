"""AWD-LSTM: an LSTM language model with a dropout for everything (Merity 2018 §2-5), as ULMFiT uses it."""

# ruff: noqa: F722
from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from munmaek.core.errors import RequestError
from munmaek.nn.recurrent import LstmLayer, reading_orders, remember, scan_simple
from munmaek.nn.sampling import cross_entropies
from munmaek.nn.softmax import rows_at
from munmaek.nn.transformer import Dropout, dropout

PRESETS = {
    "tiny": {"dim": 128, "hidden": 256, "num_layers": 2, "sampled_words": 1024},
    "mini": {"dim": 256, "hidden": 512, "num_layers": 2, "sampled_words": 1024},
    "small": {"dim": 320, "hidden": 768, "num_layers": 3},
    "medium": {"dim": 400, "hidden": 960, "num_layers": 3},
    "base": {"dim": 400, "hidden": 1152, "num_layers": 3},
}
"""Base is Howard 2018 §4.1 (1150 hidden units there; 1152 in fastai's released models, and here). Tiny and mini, for
budgets of minutes, have two layers instead of three and a sampled softmax."""
DIRECTIONS = ("forward", "backward")
State = list[tuple[Tensor, Tensor]]
"""Of each layer the states (batch, size) and the cells (batch, size)."""


@dataclass(frozen=True)
class UlmfitConfig:
    """The shape of an AWD-LSTM.

    Attributes:
        vocab_size: entries of the vocabulary.
        dim: width of the embeddings and, because the softmax shares them, of the last layer.
        hidden: width of the layers below the last. num_layers: LSTM layers.
        direction: "forward", or "backward": the text is read from its end.
        max_positions: longest text in tokens that the encoder reads; the LSTM itself knows no limit.
        window: tokens through which a gradient flows back when whole texts are read (Howard 2018 §3.3, BPT3C).
        embedding_dropout: of whole words. input_dropout: of embeddings. weight_dropout: of the state-to-state weights.
        hidden_dropout: between layers. output_dropout: before the softmax. All but the first and the weights' are
            locked: one mask for all tokens of a row (Gal 2016). dropout_factor: on all of them.
        init_range: embeddings start uniform in plus or minus this.
        sampled_words: draws of words for the softmax in training; all words count, as published, at 0 and while the
            vocabulary is smaller than four times that.
        memory: tokens over which the cells remember when training starts (`nn.recurrent.remember`); 0 leaves the gates'
            biases to chance, as published, and with them half of a cell is forgotten at each token.
    """

    vocab_size: int
    dim: int = 256
    hidden: int = 512
    num_layers: int = 3
    direction: str = "forward"
    max_positions: int = 512
    window: int = 70
    embedding_dropout: float = 0.02
    input_dropout: float = 0.25
    weight_dropout: float = 0.2
    hidden_dropout: float = 0.15
    output_dropout: float = 0.1
    dropout_factor: float = 1.0
    init_range: float = 0.3
    sampled_words: int = 0
    memory: int = 0

    def __post_init__(self) -> None:
        where, sizes = "model settings", (self.vocab_size, self.dim, self.hidden, self.num_layers, self.window)
        if min(*sizes, self.max_positions) < 1:
            raise RequestError("a size is not positive", where=where, fix=f"Take a preset ({', '.join(PRESETS)}).")
        if self.direction not in DIRECTIONS:
            raise RequestError(f"no direction {self.direction!r}", where=where, fix="It is forward or backward.")
        rates = [self.rate(name) for name in RATES]
        if self.sampled_words < 0:
            raise RequestError("sampled_words is negative", where=where, fix="Give 0 for the full softmax.")
        if self.memory < 0:
            raise RequestError("memory is negative", where=where, fix="Give the tokens of a usual text, or 0.")
        if self.dropout_factor < 0 or not all(0 <= rate < 1 for rate in rates):
            raise RequestError("a dropout must lie in [0, 1)", where=where, fix="Give a smaller dropout_factor.")

    def rate(self, name: str) -> float:
        """The rate of one of RATES, the factor included."""
        return getattr(self, f"{name}_dropout") * self.dropout_factor

    def sizes(self) -> list[tuple[int, int]]:
        """Widths in and out of each layer."""
        widths = [self.dim, *[self.hidden] * (self.num_layers - 1), self.dim]
        return list(pairwise(widths))


RATES = ("embedding", "input", "weight", "hidden", "output")


class LockedDropout(Dropout):
    """Dropout whose mask is the same at all times of a row (Gal 2016; Merity 2018 §4.2)."""

    def forward(self, values: Float[Tensor, "seq batch dim"]) -> Float[Tensor, "seq batch dim"]:
        """The values, some coordinates of some rows 0 while training."""
        if not self.training or self.rate <= 0:
            return values
        return values * dropout(torch.ones_like(values[0]), self.rate)


class WordDropout(Dropout):
    """Dropout of whole words: wherever a dropped word stands in the batch, its embedding is 0 (Merity 2018 §4.3)."""

    def forward(self, embedding: nn.Embedding, ids: Int[Tensor, "seq batch"]) -> Float[Tensor, "seq batch dim"]:  # type: ignore[override]
        """The embeddings of ids."""
        if not self.training or self.rate <= 0:
            return embedding(ids)
        kept = dropout(torch.ones_like(embedding.weight[:, 0]), self.rate)
        return embedding(ids) * kept[ids, None]


class WeightDropLstm(LstmLayer):
    """An LSTM layer whose state-to-state weights are dropped, once for all times of a batch (Merity 2018 §2, Wan 2013).

    Rows of the weights stand in the order input, forget, output, new value, as `nn.recurrent` takes them. Two
    biases, as torch and fastai have them.
    """

    def __init__(self, inputs: int, size: int, rate: float, memory: int = 0) -> None:
        super().__init__()
        self.weight_input = nn.Parameter(torch.empty(4 * size, inputs))
        self.weight_state = nn.Parameter(torch.empty(4 * size, size))
        self.bias_input = nn.Parameter(torch.empty(4 * size))
        self.bias_state = nn.Parameter(torch.empty(4 * size))
        self.weight_dropout = Dropout(rate)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(size**-0.5), size**-0.5)
        remember(self.bias_input, memory)

    def forward(
        self,
        inputs: Float[Tensor, "seq batch inputs"],
        start: tuple[Float[Tensor, "batch size"], Float[Tensor, "batch size"]] | None = None,
        window: int = 0,
    ) -> tuple[Float[Tensor, "seq batch size"], tuple[Float[Tensor, "batch size"], Float[Tensor, "batch size"]]]:
        """States of all times, and the last state and cell; no gradient flows into `start`.

        Args:
            window: so many tokens at a time, no gradient from one window into the one before; 0 is all at once.
        """
        by_state, bias = self.weight_dropout(self.weight_state), self.bias_input + self.bias_state
        found: list[Tensor] = []
        for part in inputs.split(window or len(inputs)):
            states, start = scan_simple(part, self.weight_input, by_state, bias, start)
            found.append(states)
        assert start is not None
        return (torch.cat(found) if len(found) > 1 else found[0]), start


class Reading(NamedTuple):
    """What reading gives: the embeddings and every layer's states (seq, batch, width), and where each layer ended."""

    layers: list[Tensor]
    ends: State


class AwdLstm(nn.Module):
    """The encoder: what fine-tuning takes on."""

    def __init__(self, config: UlmfitConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocab_size, config.dim)
        nn.init.uniform_(self.words.weight, -config.init_range, config.init_range)
        self.word_dropout = WordDropout(config.rate("embedding"))
        self.input_dropout = LockedDropout(config.rate("input"))
        self.hidden_dropout = LockedDropout(config.rate("hidden"))
        self.layers = nn.ModuleList(
            WeightDropLstm(*size, config.rate("weight"), config.memory) for size in config.sizes()
        )

    def read(self, ids: Int[Tensor, "seq batch"], start: State | None = None, window: int = 0) -> Reading:
        """Read tokens in their order, from the states `start` (zeros where None)."""
        states = self.word_dropout(self.words, ids)
        layers, ends = [states], State()
        states = self.input_dropout(states)
        for place, layer in enumerate(self.layers):
            states, end = layer(states, None if start is None else start[place], window)
            layers.append(states)
            ends.append(end)
            if place + 1 < len(self.layers):
                states = self.hidden_dropout(states)
        return Reading(layers, ends)

    def forward(
        self,
        input_ids: Int[Tensor, "batch seq"],
        attention_mask: Bool[Tensor, "batch seq"] | None = None,
        all_layers: bool = False,
    ) -> Float[Tensor, "*layers batch seq dim"]:
        """States of the last layer `(batch, seq, dim)`, or all, the embeddings first: `(layers, batch, seq, widest)`.

        Each state stands at its token, whatever the direction of reading and wherever the padding is. Layers narrower
        than the widest are filled up with zeros. While training, gradients flow back through `config.window` tokens.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids, dtype=torch.bool)
        batch, seq = input_ids.shape
        order = reading_orders(attention_mask)[DIRECTIONS.index(self.config.direction)]
        back = order.flatten().argsort()
        window = self.config.window if torch.is_grad_enabled() else 0
        reading = self.read(input_ids.flatten()[order], None, window)
        layers = reading.layers if all_layers else reading.layers[-1:]
        widest = max(layer.shape[2] for layer in layers)
        found = [nn.functional.pad(layer.flatten(0, 1)[back], (0, widest - layer.shape[2])) for layer in layers]
        placed = [layer.view(batch, seq, widest) for layer in found]
        return torch.stack(placed) if all_layers else placed[0]


class Output(NamedTuple):
    """What a pass of `UlmfitForPreTraining` gives.

    Attributes:
        loss: summed cross entropy of the labels, nats. hits: labels with the largest logit, None in training.
        dropped, states: (seq, batch, dim) the last layer's states with and without the output's dropout.
        ends: where each layer ended.
    """

    loss: Tensor
    hits: Tensor | None
    dropped: Tensor
    states: Tensor
    ends: State


class UlmfitForPreTraining(nn.Module):
    """An AWD-LSTM with its softmax, whose matrix is the word embeddings (Inan 2017, Press 2017), and a bias.

    Attributes:
        config: its shape. encoder: the LSTM.
        untrained: parts that the checkpoint this was read from did not have, newly initialised.
    """

    def __init__(self, config: UlmfitConfig) -> None:
        super().__init__()
        self.config = config
        self.untrained: tuple[str, ...] = ()
        self.encoder = AwdLstm(config)
        self.output_dropout = LockedDropout(config.rate("output"))
        self.word_bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(
        self,
        input_ids: Int[Tensor, "batch seq"],
        attention_mask: Bool[Tensor, "batch seq"],
        labels: Int[Tensor, "batch seq"],
        start: State | None = None,
    ) -> Output:
        """Predict the next token everywhere; tokens stand as they are read, padding on the right.

        Args:
            attention_mask: True at real tokens. labels: the token after each. start: states to go on from.
        """
        reading = self.encoder.read(input_ids.t(), start)
        states = reading.layers[-1]
        dropped = self.output_dropout(states)
        loss, hits = self.cross_entropy(dropped.transpose(0, 1), attention_mask, labels)
        return Output(loss, hits, dropped, states, reading.ends)

    def cross_entropy(
        self, states: Float[Tensor, "batch seq dim"], mask: Bool[Tensor, "batch seq"],
        labels: Int[Tensor, "batch seq"],
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Summed cross entropy of the labels where `mask` is True, nats; and the hits, None where gradients are on."""
        places = mask.flatten().nonzero()[:, 0]
        rows = [(rows_at(states, places), labels.flatten()[places])]
        tries = self.config.sampled_words if self.training else 0
        return cross_entropies(rows, self.encoder.words.weight, self.word_bias, tries)[0]

    def logits(self, states: Float[Tensor, "*rows dim"]) -> Float[Tensor, "*rows vocab"]:
        """Scores of every word, before the softmax."""
        return nn.functional.linear(states, self.encoder.words.weight, self.word_bias)
