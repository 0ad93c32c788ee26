"""GPT: embeddings, causal transformer layers, and the next word from the word embeddings (Radford 2018 §3.1)."""

# ruff: noqa: F722
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from munmaek.core.errors import RequestError
from munmaek.nn.causal import CausalSelfAttention, Sight, sight_of
from munmaek.nn.softmax import linear_cross_entropy, rows_at
from munmaek.nn.transformer import Block, Dropout, FeedForward, LayerNorm, PostNorm, PreNorm

PRESETS = {
    "tiny": {"dim": 128, "num_layers": 2, "num_heads": 2},
    "mini": {"dim": 256, "num_layers": 4, "num_heads": 4},
    "small": {"dim": 512, "num_layers": 4, "num_heads": 8},
    "medium": {"dim": 512, "num_layers": 8, "num_heads": 8},
    "base": {"dim": 768, "num_layers": 12, "num_heads": 12},
}
"""Base is Radford 2018 §4.1; the smaller widths and depths are those of the BERT miniatures (Turc 2019)."""
NORMS = {"post": PostNorm, "pre": PreNorm}


@dataclass(frozen=True)
class GptConfig:
    """The shape of a GPT.

    Attributes:
        vocab_size: entries of the vocabulary.
        dim: width of a state. num_layers: transformer layers. num_heads: attention heads.
        feed_forward: width inside the feed-forward networks; 0 is 4 x dim.
        max_positions: longest context in tokens.
        dropout: of embeddings and of each residual step. attention_dropout: of the attention weights.
        norm_epsilon: added to the variance in every norm. init_std: of the normal initialisation.
        norm: "post", after each residual step (Radford 2018), or "pre", before it, and one at the end (GPT-2).
        start: whether texts are read from a start token that pre-training knew, as here and in GPT-2; the published
            GPT-1 read running text, so its start token is new and serves fine-tuning alone.
    """

    vocab_size: int
    dim: int = 256
    num_layers: int = 4
    num_heads: int = 4
    feed_forward: int = 0
    max_positions: int = 512
    dropout: float = 0.1
    attention_dropout: float = 0.1
    norm_epsilon: float = 1e-5
    init_std: float = 0.02
    norm: str = "post"
    start: bool = True

    def __post_init__(self) -> None:
        if self.feed_forward == 0:
            object.__setattr__(self, "feed_forward", 4 * self.dim)
        sizes = (self.vocab_size, self.dim, self.num_layers, self.num_heads, self.max_positions, self.feed_forward)
        if min(sizes) < 1 or self.dim % self.num_heads:
            raise RequestError(
                f"dim {self.dim}, {self.num_layers} layers, {self.num_heads} heads, vocabulary {self.vocab_size}: "
                "every size must be positive and num_heads must divide dim",
                where="model settings",
                fix=f"Leave them out to take a preset ({', '.join(PRESETS)}).",
            )
        if not (0 <= self.dropout < 1 and 0 <= self.attention_dropout < 1):
            raise RequestError("a dropout must lie in [0, 1)", where="model settings", fix="0.1 is the published one.")
        if self.norm not in NORMS:
            raise RequestError(f"norm is {self.norm!r}", where="model settings", fix="It is post (GPT-1) or pre.")
        if self.norm == "post" and self.feed_forward != 4 * self.dim:
            raise RequestError(
                f"feed_forward is {self.feed_forward}; a GPT-1 has 4 x {self.dim}, and its files say nothing else",
                where="model settings",
                fix="Leave it out.",
            )


Past = tuple[tuple[Tensor, Tensor], ...]
"""Keys and values of what was read, a pair `(batch, heads, seq, part)` a layer."""


class Gpt(nn.Module):
    """The decoder: word + position embeddings and its layers; what fine-tuning takes on."""

    def __init__(self, config: GptConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocab_size, config.dim)
        self.positions = nn.Embedding(config.max_positions, config.dim)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(_block(config) for _ in range(config.num_layers))
        self.norm = LayerNorm(config.dim, config.norm_epsilon) if config.norm == "pre" else nn.Identity()

    def forward(
        self,
        input_ids: Int[Tensor, "batch seq"],
        attention_mask: Bool[Tensor, "batch seq"] | None = None,
        all_layers: bool = False,
    ) -> Float[Tensor, "*layers batch seq dim"]:
        """States of the last layer `(batch, seq, dim)`, or of all, the embeddings first: `(layers, batch, seq, dim)`.

        Args:
            attention_mask: True at real tokens; None where all are. Padding on the right changes nothing that stands
                before it and costs no mask; with padding elsewhere positions are counted over real tokens.
        """
        places, sight = None, Sight()
        if attention_mask is not None and bool((attention_mask[:, 1:] & ~attention_mask[:, :-1]).any()):
            places = (attention_mask.long().cumsum(1) - 1).clamp(min=0)
            sight.seen = sight_of(attention_mask)
        return self._run(self.embed(input_ids, places), sight, all_layers)

    def embed(
        self, input_ids: Int[Tensor, "batch seq"], places: Int[Tensor, "batch seq"] | None = None, first: int = 0
    ) -> Float[Tensor, "batch seq dim"]:
        """Word + position embeddings; `places` are the positions, or they run from `first` on."""
        running = self.positions.weight[first : first + input_ids.shape[1]]
        return self.dropout(self.words(input_ids) + (running if places is None else self.positions(places)))

    def read_on(self, input_ids: Int[Tensor, "batch seq"], past: Past) -> tuple[Float[Tensor, "batch seq dim"], Past]:
        """Last states of tokens that follow a `past` (empty at first), and the past with them in it."""
        length = past[0][0].shape[2] if past else 0
        sight = Sight(past=past, keep=True)
        if past and input_ids.shape[1] > 1:
            seq = input_ids.shape[1]
            sight.seen = torch.ones(1, seq, length + seq, dtype=torch.bool, device=input_ids.device).tril(length)
        states = self._run(self.embed(input_ids, first=length), sight, False)
        return states, tuple(sight.present)

    def _run(self, states: Tensor, sight: Sight, all_layers: bool) -> Tensor:
        layers = [states]
        for block in self.blocks:
            states = block(states, sight)
            layers.append(states)
        layers[-1] = states = self.norm(states)
        return torch.stack(layers) if all_layers else states

    def logits(self, states: Float[Tensor, "*rows dim"]) -> Float[Tensor, "*rows vocab"]:
        """Scores of every word as the next, before the softmax: the output matrix is the word embeddings'."""
        return nn.functional.linear(states, self.words.weight)

    def next_word_loss(
        self,
        states: Float[Tensor, "batch seq dim"],
        mask: Bool[Tensor, "batch seq"],
        labels: Int[Tensor, "batch seq"],
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""] | None]:
        """Summed cross entropy, nats, of the labels where `mask` is True; and, without gradients, how many are right.

        Only those rows are multiplied with the output matrix.
        """
        places, labels = mask.flatten().nonzero()[:, 0], labels[mask]
        return linear_cross_entropy(rows_at(states, places), self.words.weight, None, labels)


class Output(NamedTuple):
    """What a pass of `GptForPreTraining` gives.

    Attributes:
        logits: (batch, seq, vocab), None with labels.
        loss: summed cross entropy of the labels, nats. hits: labels with the largest logit, None in training.
    """

    logits: Tensor | None = None
    loss: Tensor | None = None
    hits: Tensor | None = None


class GptForPreTraining(nn.Module):
    """GPT as a language model (Radford 2018 §3.1, equations 1 and 2).

    Attributes:
        config: its shape. gpt: the decoder, output matrix included.
        untrained: parts that the checkpoint this was read from did not have, newly initialised.
    """

    def __init__(self, config: GptConfig) -> None:
        super().__init__()
        self.config = config
        self.untrained: tuple[str, ...] = ()
        self.gpt = Gpt(config)
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        """Normal(0, init_std) weights, zero biases (Radford 2018 §4.1)."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.init_std)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def forward(
        self,
        input_ids: Int[Tensor, "batch seq"],
        attention_mask: Bool[Tensor, "batch seq"] | None = None,
        labels: Int[Tensor, "batch seq"] | None = None,
    ) -> Output:
        """Logits of the token after each; with `labels`, those tokens, a loss where `attention_mask` is True."""
        states = self.gpt(input_ids, attention_mask)
        if labels is None:
            return Output(self.gpt.logits(states))
        mask = torch.ones_like(input_ids, dtype=torch.bool) if attention_mask is None else attention_mask
        return Output(None, *self.gpt.next_word_loss(states, mask, labels))


def _block(config: GptConfig) -> Block:
    step = NORMS[config.norm]
    attention = CausalSelfAttention(config.dim, config.num_heads, config.attention_dropout)
    feed_forward = FeedForward(config.dim, config.feed_forward, nn.GELU(approximate="tanh"))
    return Block(
        step(attention, config.dim, config.norm_epsilon, config.dropout),
        step(feed_forward, config.dim, config.norm_epsilon, config.dropout),
    )
