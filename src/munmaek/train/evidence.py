"""When gradients say no more than noise: stopping without a dev set (Mahsereci 2017, the evidence-based criterion)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from munmaek.core.contracts import Batch, Objective
from munmaek.train import distributed

FEWEST_BATCHES = 4


def evidence(model: nn.Module, objective: Objective, data: Any, *, seed: int, batch_tokens: int) -> float:
    """How far the gradient over `data` is what noise alone would give: 1 - mean of g_k^2 / (S_k / N), corrected.

    g_k is the mean over the N batches of an epoch of the gradient of the loss by parameter entry k, S_k the variance of
    one batch's. Were the expected gradient zero, the mean over the entries would be 1, and (N - 1) / (N - 3) since S_k
    is estimated from N batches, which is divided out (Mahsereci has S_k from more samples and leaves it). Below zero
    there is something to learn; above it what is followed is these rows alone, and one had better stop. Dropout is off.
    Entries whose gradient is the same in all batches, as zero is, do not count.

    Returns:
        At most 1, or NaN where there are fewer than four batches or nothing to learn.
    """
    device = next(model.parameters()).device
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    means = [torch.zeros_like(parameter, dtype=torch.float32) for parameter in learnt]
    spreads = [torch.zeros_like(mean) for mean in means]
    num = objective.epoch_batches(data, seed=seed, epoch=0, batch_tokens=batch_tokens)
    if num < FEWEST_BATCHES:
        return math.nan
    batches = objective.batches(data, seed=seed, batch_tokens=batch_tokens, progress=lambda k: 1.0)
    model.eval()
    for count in range(1, num + 1):
        gradients = _gradients(model, objective, next(batches), learnt, device)
        for mean, spread, gradient in zip(means, spreads, gradients, strict=True):
            # Welford 1962: the squares of what is left of the mean, without taking large numbers from each other
            away = (0.0 if gradient is None else gradient.float()) - mean
            mean += away / count
            spread += away * away * ((count - 1) / count)
    total, entries = 0.0, 0
    for mean, spread in zip(means, spreads, strict=True):
        moved = spread > 0
        total += float((mean[moved].square() * (num * (num - 1)) / spread[moved]).double().sum())
        entries += int(moved.sum())
    return 1.0 - (num - 3) / (num - 1) * total / entries if entries else math.nan


def _gradients(
    model: nn.Module, objective: Objective, batch: Batch, learnt: list[nn.Parameter], device: torch.device
) -> tuple[torch.Tensor | None, ...]:
    """Of the mean loss of a batch, by each parameter; cuDNN's LSTMs have none in evaluation mode, torch's own do."""
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        parts = objective.loss(model, distributed.to_tensors(batch.rows(slice(None)), device))
        return torch.autograd.grad(parts.total(batch.counts), learnt, allow_unused=True)
