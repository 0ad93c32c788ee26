"""Transformer layers composed from slots: attention, feed-forward, and where the norm stands (Vaswani 2017)."""

# ruff: noqa: F722
from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

_MASKED = -1e4
"""Added to the score of a position that must not be seen: exp of it is 0, and bfloat16 and float16 hold it."""
_LEVELS = 1 << 16


def working_type(tensor: Tensor) -> torch.dtype:
    """The type that matrices are multiplied in: the autocast type where autocast is on, else the tensor's own."""
    kind = tensor.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else tensor.dtype


class LayerNorm(nn.LayerNorm):
    """Layer normalisation (Ba 2016) whose input and output are in the working precision, statistics in float32."""

    def forward(self, input: Float[Tensor, "*rows dim"]) -> Float[Tensor, "*rows dim"]:
        """Normalise the last dimension."""
        kind = working_type(input)
        with torch.autocast(input.device.type, enabled=False):
            weight, bias = self.weight.to(kind), self.bias.to(kind)
            return F.layer_norm(input.to(kind), self.normalized_shape, weight, bias, self.eps)


class _KeepSome(torch.autograd.Function):
    """Dropout from 16-bit draws, four to a 64-bit random word, a tenth of the cost of one Bernoulli draw each.

    The kept places are ones in the type of the values: boolean tensors are slow on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, rate: float) -> Tensor:
        num = values.numel()
        words = torch.empty((num + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        level = round(rate * _LEVELS)
        kept = torch.empty(num, dtype=values.dtype)
        torch.ge(words.view(torch.int16)[:num], level - _LEVELS // 2, out=kept)
        kept = kept.view(values.shape)
        ctx.save_for_backward(kept)
        ctx.scale = _LEVELS / (_LEVELS - level)
        return (values * kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (kept,) = ctx.saved_tensors
        return (grads[0] * kept).mul_(ctx.scale), None


def dropout(values: Tensor, rate: float) -> Tensor:
    """Set a share `rate` of the values to 0 and scale the rest (Srivastava 2014); to the nearest 1/65536 on a CPU."""
    if rate <= 0.0:
        return values
    if values.device.type == "cpu":
        return _KeepSome.apply(values, rate)  # type: ignore[return-value]
    return F.dropout(values, rate)


class Dropout(nn.Module):
    """`dropout` in training, nothing in evaluation."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, values: Tensor) -> Tensor:
        """The values, some of them 0 while training."""
        return dropout(values, self.rate) if self.training else values

    def extra_repr(self) -> str:
        return f"{self.rate:g}"


@contextmanager
def dropout_set_to(model: nn.Module, rate: float) -> Iterator[None]:
    """Every dropout in the model at `rate` while entered, its own rates afterwards; below 0 changes nothing."""
    found = [module for module in model.modules() if isinstance(module, Dropout)]
    own = [module.rate for module in found]
    try:
        for module in found if rate >= 0 else []:
            module.rate = rate
        yield
    finally:
        for module, value in zip(found, own, strict=True):
            module.rate = value


def attend(
    query: Float[Tensor, "batch heads seq part"],
    key: Float[Tensor, "batch heads seq part"],
    value: Float[Tensor, "batch heads seq part"],
    mask: Bool[Tensor, "batch seq"] | None,
    dropout_rate: float = 0.0,
) -> Float[Tensor, "batch heads seq part"]:
    """Scaled dot-product attention (Vaswani 2017 eq. 1); `mask` is True at positions that may be seen.

    Three plain products on a CPU, where the fused kernel's backward pass costs more than they do on short sequences.
    """
    if query.device.type != "cpu":
        seen = None if mask is None else mask[:, None, None, :]
        return F.scaled_dot_product_attention(query, key, value, seen, dropout_rate)
    with torch.autocast("cpu", enabled=False):
        scores = (query * (1.0 / math.sqrt(query.shape[-1]))) @ key.transpose(-1, -2)
        if mask is not None:
            hidden = torch.zeros(mask.shape, dtype=scores.dtype).masked_fill_(~mask, _MASKED)
            scores = scores + hidden[:, None, None, :]
        return dropout(torch.softmax(scores, -1), dropout_rate) @ value


class SelfAttention(nn.Module):
    """Multi-head self-attention with one matrix for queries, keys and values (Vaswani 2017 §3.2).

    Args:
        dim: width of a state. num_heads: must divide it. dropout: of the attention weights.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        assert dim % num_heads == 0
        self.num_heads = num_heads
        self.dropout = Dropout(dropout)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)

    def forward(
        self, states: Float[Tensor, "batch seq dim"], mask: Bool[Tensor, "batch seq"] | None = None
    ) -> Float[Tensor, "batch seq dim"]:
        """Every position's mixture of the positions that `mask` lets it see."""
        batch, seq, dim = states.shape
        split = self.qkv(states).view(batch, seq, 3, self.num_heads, dim // self.num_heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = attend(query, key, value, mask, self.dropout.rate if self.training else 0.0)
        return self.output(mixed.transpose(1, 2).reshape(batch, seq, dim))


class FeedForward(nn.Module):
    """Two linear maps with an activation between (Vaswani 2017 §3.3); `activation` is a slot, exact GELU by default."""

    def __init__(self, dim: int, inner: int, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.up = nn.Linear(dim, inner)
        self.activation = activation or nn.GELU()
        self.down = nn.Linear(inner, dim)

    def forward(self, states: Float[Tensor, "*rows dim"], mask: Any = None) -> Float[Tensor, "*rows dim"]:
        """Each position on its own; `mask` is not looked at."""
        return self.down(self.activation(self.up(states)))


class PostNorm(nn.Module):
    """norm(states + dropout(inner(states))): the published BERT's and GPT's residual step.

    `mask` here and in `Block` is handed to `inner` as it is: positions that may be seen, or a `causal.Sight`.
    """

    def __init__(self, inner: nn.Module, dim: int, epsilon: float = 1e-12, dropout: float = 0.0) -> None:
        super().__init__()
        self.inner = inner
        self.norm = LayerNorm(dim, epsilon)
        self.dropout = Dropout(dropout)

    def forward(self, states: Float[Tensor, "batch seq dim"], mask: Any = None) -> Float[Tensor, "batch seq dim"]:
        """One residual step."""
        return self.norm(states + self.dropout(self.inner(states, mask)))


class PreNorm(PostNorm):
    """states + dropout(inner(norm(states))): trains without warm-up (Xiong 2020); a last norm is the caller's."""

    def forward(self, states: Float[Tensor, "batch seq dim"], mask: Any = None) -> Float[Tensor, "batch seq dim"]:
        """One residual step."""
        return states + self.dropout(self.inner(self.norm(states), mask))


class Block(nn.Module):
    """One transformer layer: a residual step of attention, then one of a feed-forward network."""

    def __init__(self, attention: nn.Module, feed_forward: nn.Module) -> None:
        super().__init__()
        self.attention = attention
        self.feed_forward = feed_forward

    def forward(self, states: Float[Tensor, "batch seq dim"], mask: Any = None) -> Float[Tensor, "batch seq dim"]:
        """The layer's states."""
        return self.feed_forward(self.attention(states, mask), mask)
