"""Where a linear head starts: at what regression finds on the vectors of an encoder that stands still."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from munmaek.tasks.labelled import Labelled
from munmaek.tasks.network import TaskModel, vectors
from munmaek.tasks.task import Task

PENALTY, PENALTY_OF_COSINES = 700.0, 200.0
"""Of half the squared weights, beside the loss summed over rows: on vectors, and on the few cosines by which two usages
of a marked word are compared. 5,000 film reviews held out of training, 100 and 1,000 labels, with 200 and with 700:
BERT 78.5, 79.0 and 82.2, 82.5, GPT 79.0, 79.2 and 82.1, 82.6 (three seeds), ELMo 75.5, 76.5 and 78.1, 78.9 (four)."""
MOST_ITERATIONS = 200
SMALLEST = 1e-3
"""A coordinate is not divided by less: one that hardly differs from row to row says nothing, and must not begin to."""


def probe(model: TaskModel, task: Task, data: Labelled) -> None:
    """Start a head of one linear map where it fits the targets best, the encoder left as it is (linear probing).

    A head of random weights first bends the encoder towards itself, and with few labels what pre-training learnt is
    lost on the way; fine-tuning that begins with the probe (LP-FT, Kumar 2022, arXiv:2202.10054) has less to bend.
    Each coordinate of the vectors is brought to mean 0 and variance 1, the task's loss with a penalty on the weights is
    minimised by L-BFGS, and the scaling is folded into the head. Deviates: Kumar chooses the penalty on held-out rows;
    here it is fixed. Where the layers are mixed, their shares s_j (Peters 2018 equation 1) are found together with the
    head, and gamma is left at what it is. The model is left in evaluation mode; the caller chooses its precision.

    Args:
        model: its head has an output layer and nothing else that learns, and answers rows, not tokens; a reader of its
            layers only mixes them, and pooling takes a mix's vector to be the mix of the layers' (all but max and
            concat do).
        data: the training rows with their targets.
    """
    head = model.eval().output
    layers = torch.stack([torch.from_numpy(found) for found in _each_layer(model, data)])
    targets = torch.from_numpy(data.targets)
    weight, bias = (nn.Parameter(torch.zeros(part.shape)) for part in (head.weight, head.bias))
    scores = nn.Parameter(torch.zeros(len(layers)))
    penalty = PENALTY_OF_COSINES if task.marked else PENALTY
    optimizer = torch.optim.LBFGS([weight, bias, scores], max_iter=MOST_ITERATIONS, line_search_fn="strong_wolfe")

    def scaled() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The vectors by the layers' present shares, and their mean and scale."""
        found = torch.einsum("l,l...->...", torch.softmax(scores, 0), layers)
        every = found.flatten(0, -2)
        return found, every.mean(0), every.std(0, correction=0).clamp(min=SMALLEST)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        found, mean, scale = scaled()
        outputs = nn.functional.linear((found - mean) / scale, weight, bias)
        summed, _ = task.loss(outputs.squeeze(-1) if model.chooses else outputs, targets)
        total = summed + penalty / 2 * weight.square().sum()
        total.backward()
        return total

    with torch.enable_grad(), torch.autocast("cpu", enabled=False):
        optimizer.step(loss)
    with torch.no_grad():
        _, mean, scale = scaled()
        head.weight.copy_(weight / scale)
        head.bias.copy_(bias - (weight / scale) @ mean)
        if model.only_mix is not None:
            model.only_mix.scores.copy_(scores)


def _each_layer(model: TaskModel, data: Labelled) -> Iterator[NDArray[np.float32]]:
    """What the head is given of every row by each layer alone, where layers are mixed; else once, as it is."""
    mix = model.only_mix
    if mix is None:
        yield vectors(model, data)
        return
    before = mix.scores.detach().clone()
    for layer in range(len(before)):
        with torch.no_grad():
            mix.scores.fill_(float("-inf"))[layer] = 0.0
        yield vectors(model, data)
    with torch.no_grad():
        mix.scores.copy_(before)
