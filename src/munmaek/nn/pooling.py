"""Many vectors into one: how a sentence gets a vector from its tokens."""

# ruff: noqa: F722
from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from munmaek.core.errors import RequestError

POOLINGS = ("mean", "first", "last", "max", "concat")


def pool(
    states: Float[Tensor, "batch seq dim"], mask: Bool[Tensor, "batch seq"], how: str = "mean"
) -> Float[Tensor, "batch width"]:
    """One vector a row from the states whose `mask` is True, special tokens among them.

    Args:
        how: "mean" (Reimers 2019 §3), "max" (each coordinate's largest), "first" ([CLS]), "last", or "concat":
            last, max and mean side by side, three times as wide (Howard 2018 §3.3).
    Raises:
        RequestError: another word for `how`. A row without any True gives zeros (mean, max).
    """
    if how == "first":
        return states[:, 0]
    if how == "last":
        places = torch.where(mask, torch.arange(mask.shape[1], device=mask.device), 0).amax(1)
        return states[torch.arange(len(states), device=states.device), places]
    if how == "concat":
        return torch.cat([pool(states, mask, part) for part in ("last", "max", "mean")], 1)
    chosen = mask[:, :, None]
    if how == "mean":
        total = torch.where(chosen, states, 0).float().sum(1)
        return (total / mask.sum(1, keepdim=True).clamp(min=1)).to(states.dtype)
    if how == "max":
        largest = states.masked_fill(~chosen, float("-inf")).amax(1)
        return torch.where(mask.any(1, keepdim=True), largest, 0)
    raise RequestError(f"no pooling {how!r}", where="pooling", fix=f"Poolings: {', '.join(POOLINGS)}.")
