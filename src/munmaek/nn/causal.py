"""Attention that sees nothing of what comes after, with or without the keys and values of what was read before."""

# ruff: noqa: F722
from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from munmaek.nn.transformer import SelfAttention, dropout

_MASKED = -1e4


@dataclass
class Sight:
    """What each position of a pass may see; one for all layers, given to them in the place of a mask.

    Attributes:
        seen: (batch or 1, queries, keys) True where a query may see a key; None: each sees itself and all before.
        past: keys and values of what was read before, a pair `(batch, heads, keys, part)` a layer; empty at first.
        keep: whether `past` is wanted afterwards; each layer then adds its pair to `present`.
    """

    seen: Bool[Tensor, "batch queries keys"] | None = None
    past: tuple[tuple[Tensor, Tensor], ...] = ()
    keep: bool = False
    present: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    _hidden: Tensor | None = None

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """This layer's keys and values, those from before first. Nothing old is written over: a past can be shared."""
        if not self.keep:
            return key, value
        if self.past:
            old_key, old_value = self.past[len(self.present)]
            key, value = torch.cat([old_key, key], 2), torch.cat([old_value, value], 2)
        self.present.append((key, value))
        return key, value

    def hidden(self, scores: Tensor) -> Tensor:
        """What is added to scores `(batch, heads, queries, keys)`; made once and kept for the other layers."""
        if self._hidden is None or self._hidden.dtype != scores.dtype:
            seen = self.seen
            if seen is None:
                queries, keys = scores.shape[-2:]
                seen = torch.ones(1, queries, keys, dtype=torch.bool).tril(keys - queries)
            self._hidden = torch.zeros(seen.shape, dtype=scores.dtype).masked_fill_(~seen, _MASKED)[:, None]
        return self._hidden


def sight_of(mask: Bool[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq seq"]:
    """Each position sees itself and those before it whose `mask` is True; for rows padded on the left or inside."""
    length = mask.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
    itself = torch.eye(length, dtype=torch.bool, device=mask.device)
    return before & (mask[:, None, :] | itself)


def attend_before(
    query: Float[Tensor, "batch heads queries part"],
    key: Float[Tensor, "batch heads keys part"],
    value: Float[Tensor, "batch heads keys part"],
    sight: Sight,
    dropout_rate: float = 0.0,
) -> Float[Tensor, "batch heads queries part"]:
    """Scaled dot-product attention (Vaswani 2017 eq. 1) to what `sight` allows; the last query is the last key's.

    Plain products on a CPU, as in `transformer.attend`; the fused kernel elsewhere.
    """
    if query.device.type != "cpu":
        seen, alone = sight.seen, query.shape[2] == 1
        causal = seen is None and not alone
        assert not causal or query.shape[2] == key.shape[2], "several tokens after a past need a mask"
        mask = None if seen is None else seen[:, None]
        return F.scaled_dot_product_attention(query, key, value, mask, dropout_rate, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        scores = (query * (1.0 / math.sqrt(query.shape[-1]))) @ key.transpose(-1, -2)
        if query.shape[2] > 1 or sight.seen is not None:
            scores = scores + sight.hidden(scores)
        return dropout(torch.softmax(scores, -1), dropout_rate) @ value


class CausalSelfAttention(SelfAttention):
    """Multi-head self-attention to what came before (Vaswani 2017 §3.2.3, Liu 2018, Radford 2018 §3.1)."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, states: Float[Tensor, "batch seq dim"], mask: Sight | None = None
    ) -> Float[Tensor, "batch seq dim"]:
        """Every position's mixture of itself and the positions before it."""
        sight = mask or Sight()
        batch, seq, dim = states.shape
        split = self.qkv(states).view(batch, seq, 3, self.num_heads, dim // self.num_heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        key, value = sight.extend(key, value)
        mixed = attend_before(query, key, value, sight, self.dropout.rate if self.training else 0.0)
        return self.output(mixed.transpose(1, 2).reshape(batch, seq, dim))
