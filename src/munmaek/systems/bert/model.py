"""BERT: embeddings, post-norm transformer layers, pooler, and the two pre-training heads (Devlin 2018 §3)."""

# ruff: noqa: F722
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from munmaek.core.errors import RequestError
from munmaek.nn.heads import WordTransform
from munmaek.nn.softmax import linear_cross_entropy, rows_at
from munmaek.nn.transformer import Block, Dropout, FeedForward, LayerNorm, PostNorm, SelfAttention

PRESETS = {
    "tiny": {"dim": 128, "num_layers": 2, "num_heads": 2},
    "mini": {"dim": 256, "num_layers": 4, "num_heads": 4},
    "small": {"dim": 512, "num_layers": 4, "num_heads": 8},
    "medium": {"dim": 512, "num_layers": 8, "num_heads": 8},
    "base": {"dim": 768, "num_layers": 12, "num_heads": 12},
}
"""The published miniatures (Turc 2019) and base (Devlin 2018 §3)."""


@dataclass(frozen=True)
class BertConfig:
    """The shape of a BERT.

    Attributes:
        vocab_size: entries of the vocabulary.
        dim: width of a state, H. num_layers: transformer layers, L. num_heads: attention heads, A.
        feed_forward: width inside the feed-forward networks; 0 is 4H.
        max_positions: longest input in tokens. num_types: segments, A and B.
        dropout: of embeddings and of each residual step. attention_dropout: of the attention weights.
        norm_epsilon: added to the variance in every norm. init_std: of the normal initialisation.
        pad_id: the padding token.
    """

    vocab_size: int
    dim: int = 256
    num_layers: int = 4
    num_heads: int = 4
    feed_forward: int = 0
    max_positions: int = 512
    num_types: int = 2
    dropout: float = 0.1
    attention_dropout: float = 0.1
    norm_epsilon: float = 1e-12
    init_std: float = 0.02
    pad_id: int = 0

    def __post_init__(self) -> None:
        if self.feed_forward == 0:
            object.__setattr__(self, "feed_forward", 4 * self.dim)
        sizes = (self.vocab_size, self.dim, self.num_layers, self.num_heads, self.max_positions, self.num_types)
        if min(*sizes, self.feed_forward) < 1 or self.dim % self.num_heads:
            raise RequestError(
                f"dim {self.dim}, {self.num_layers} layers, {self.num_heads} heads, vocabulary {self.vocab_size}: "
                "every size must be positive and num_heads must divide dim",
                where="model settings",
                fix=f"Leave them out to take a preset ({', '.join(PRESETS)}).",
            )
        if not (0 <= self.dropout < 1 and 0 <= self.attention_dropout < 1):
            raise RequestError("a dropout must lie in [0, 1)", where="model settings", fix="0.1 is the published one.")


class Embeddings(nn.Module):
    """Word + position + segment embeddings, then norm and dropout (Devlin 2018 §3, figure 2)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.words = nn.Embedding(config.vocab_size, config.dim)
        self.positions = nn.Embedding(config.max_positions, config.dim)
        self.types = nn.Embedding(config.num_types, config.dim)
        self.norm = LayerNorm(config.dim, config.norm_epsilon)
        self.dropout = Dropout(config.dropout)

    def forward(
        self, input_ids: Int[Tensor, "batch seq"], token_type_ids: Int[Tensor, "batch seq"] | None
    ) -> Float[Tensor, "batch seq dim"]:
        """The lowest states."""
        placed = self.positions.weight[: input_ids.shape[1]]
        if token_type_ids is None:
            summed = self.words(input_ids) + (placed + self.types.weight[0])
        else:
            summed = self.words(input_ids) + self.types(token_type_ids) + placed
        return self.dropout(self.norm(summed))


class Bert(nn.Module):
    """The encoder: what fine-tuning takes on."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.blocks = nn.ModuleList(_block(config) for _ in range(config.num_layers))
        self.pooler = nn.Linear(config.dim, config.dim)

    def forward(
        self,
        input_ids: Int[Tensor, "batch seq"],
        attention_mask: Bool[Tensor, "batch seq"] | None = None,
        token_type_ids: Int[Tensor, "batch seq"] | None = None,
        all_layers: bool = False,
    ) -> Float[Tensor, "*layers batch seq dim"]:
        """States of the last layer `(batch, seq, dim)`, or of all, the embeddings first: `(layers, batch, seq, dim)`.

        Args:
            attention_mask: True at real tokens; None where all are.
            token_type_ids: 0 in segment A, 1 in B; None is all A.
        """
        if attention_mask is not None and attention_mask.device.type == "cpu" and bool(attention_mask.all()):
            attention_mask = None
        states = self.embeddings(input_ids, token_type_ids)
        layers = [states]
        for block in self.blocks:
            states = block(states, attention_mask)
            layers.append(states)
        return torch.stack(layers) if all_layers else states

    def pool(self, states: Float[Tensor, "batch seq dim"]) -> Float[Tensor, "batch dim"]:
        """tanh of a linear map of the first token's last state (Devlin 2018's released code)."""
        return torch.tanh(self.pooler(states[:, 0]))


class Output(NamedTuple):
    """What a pass of `BertForPreTraining` gives.

    Attributes:
        pair_logits: (batch, 2), is next and is not. word_logits: (batch, seq or masked, vocab), None with labels.
        word_loss: summed cross entropy of the labels, nats. word_hits: labels with the largest logit, None in training.
    """

    pair_logits: Tensor
    word_logits: Tensor | None = None
    word_loss: Tensor | None = None
    word_hits: Tensor | None = None


class BertForPreTraining(nn.Module):
    """BERT with its masked language model and its next sentence prediction (Devlin 2018 §3.1).

    Attributes:
        config: its shape. bert: the encoder.
        untrained: parts that the checkpoint this was read from did not have, newly initialised.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.untrained: tuple[str, ...] = ()
        self.bert = Bert(config)
        self.word_transform = WordTransform(config.dim, config.norm_epsilon)
        self.word_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.pair = nn.Linear(config.dim, 2)
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        """Normal(0, init_std) weights, zero biases (Devlin 2018's released code; not cut at two deviations)."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.init_std)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def forward(
        self,
        input_ids: Int[Tensor, "batch seq"],
        attention_mask: Bool[Tensor, "batch seq"] | None = None,
        token_type_ids: Int[Tensor, "batch seq"] | None = None,
        masked_positions: Int[Tensor, "batch masked"] | None = None,
        masked_labels: Int[Tensor, "batch masked"] | None = None,
        masked_weights: Bool[Tensor, "batch masked"] | None = None,
    ) -> Output:
        """Both heads. With labels the word head runs only where `masked_weights` is True, and gives a loss.

        Args:
            masked_positions: where words are asked for; None is everywhere.
            masked_labels: the right words there; None asks for logits instead of a loss.
        """
        states = self.bert(input_ids, attention_mask, token_type_ids)
        pair_logits = self.pair(self.bert.pool(states))
        if masked_positions is None:
            return Output(pair_logits, self.word_logits(states))
        rows = torch.arange(len(states), device=states.device)[:, None]
        if masked_labels is None:
            return Output(pair_logits, self.word_logits(states[rows, masked_positions]))
        places = rows * states.shape[1] + masked_positions
        if masked_weights is not None:
            places, masked_labels = places[masked_weights], masked_labels[masked_weights]
        hidden = self.word_transform(rows_at(states, places.flatten()))
        loss, hits = linear_cross_entropy(
            hidden, self.bert.embeddings.words.weight, self.word_bias, masked_labels.flatten()
        )
        return Output(pair_logits, None, loss, hits)

    def word_logits(self, states: Float[Tensor, "*rows dim"]) -> Float[Tensor, "*rows vocab"]:
        """Scores of every word, before the softmax; the output matrix is the word embeddings'."""
        return nn.functional.linear(self.word_transform(states), self.bert.embeddings.words.weight, self.word_bias)


def _block(config: BertConfig) -> Block:
    attention = SelfAttention(config.dim, config.num_heads, config.attention_dropout)
    feed_forward = FeedForward(config.dim, config.feed_forward)
    return Block(
        PostNorm(attention, config.dim, config.norm_epsilon, config.dropout),
        PostNorm(feed_forward, config.dim, config.norm_epsilon, config.dropout),
    )
