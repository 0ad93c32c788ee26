"""What gradients say beside noise, against the formula in plain numpy and on noise whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
import torch
from torch import nn

from munmaek.core.contracts import Batch, LossParts
from munmaek.train.evidence import evidence


class Slopes(nn.Module):
    """A loss that is linear in its weights: the gradient of a batch is what the batch holds."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.zeros(width // 2)), nn.Parameter(torch.zeros(width - width // 2))
        self.unused = nn.Parameter(torch.zeros(3))
        self.fixed = nn.Parameter(torch.zeros(2), requires_grad=False)


class SlopesObjective:
    """One gradient a batch, those of `data`, each the mean over two rows that lie around it."""

    def epoch_batches(self, data: np.ndarray, *, seed: int, epoch: int, batch_tokens: int) -> int:
        return len(data)

    def batches(
        self, data: np.ndarray, *, seed: int, position: int = 0, batch_tokens: int,
        progress: Callable[[int], float] = lambda k: 0.0,
    ) -> Iterator[Batch]:  # fmt: skip
        for place, row in enumerate(data):
            pair = np.stack([row - 1, row + 1]).astype(np.float32)
            yield Batch({"x": pair}, 2, {"slope": 2}, place + 1, np.array([0, 1]))

    def loss(self, model: Slopes, inputs: Mapping[str, torch.Tensor]) -> LossParts:
        weights = torch.cat([model.first, model.second])
        return LossParts({"slope": (inputs["x"] @ weights).sum() * 0.5}, {"slope": 2}, weights={"slope": 2.0})


def found(gradients: np.ndarray) -> float:
    model = Slopes(gradients.shape[1])
    value = evidence(model, SlopesObjective(), gradients, seed=0, batch_tokens=8)
    assert all(parameter.grad is None for parameter in model.parameters())
    return value


@pytest.mark.parametrize("batches", [4, 5, 32])
def test_it_is_the_formula(batches: int) -> None:
    gradients = np.random.default_rng(batches).normal(0.3, 2.0, (batches, 40))
    gradients[:, 7] = 0.0
    moved = np.delete(gradients, 7, axis=1)
    squares = moved.mean(0) ** 2 / (moved.var(0, ddof=1) / batches)
    assert found(gradients) == pytest.approx(1 - (batches - 3) / (batches - 1) * squares.mean(), rel=1e-4)


@pytest.mark.parametrize("batches", [8, 32])
def test_of_noise_alone_it_is_nothing(batches: int) -> None:
    assert abs(found(np.random.default_rng(3).normal(size=(batches, 40_000)))) < 0.05


def test_a_common_direction_is_evidence_and_none_at_all_is_the_end() -> None:
    noise = np.random.default_rng(4).normal(size=(16, 200))
    assert found(noise + 1.0) < -10
    assert found(noise - noise.mean(0)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("gradients", [np.ones((3, 4)), np.zeros((8, 4))])
def test_of_too_little_nothing_is_known(gradients: np.ndarray) -> None:
    assert math.isnan(found(gradients))
