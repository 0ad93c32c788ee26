"""Muon takes the steps of torch's own, matrices of a shape together or one by one, and makes them orthogonal."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from munmaek.train import muon
from munmaek.train.muon import Muon, orthogonal, rounds, rounds_on_gram

SHAPES = [(48, 32), (32, 48), (48, 32), (40, 40)]


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(3)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def steps(optimizer: torch.optim.Optimizer, params: list[nn.Parameter], count: int = 4) -> None:
    generator = torch.Generator().manual_seed(4)
    for turn in range(count):
        for place, parameter in enumerate(params):
            gradient = torch.randn(parameter.shape, generator=generator)
            parameter.grad = None if turn == 1 and place == 2 else gradient
        optimizer.step()


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_steps_are_those_of_torch(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    """torch's multiplies in bfloat16 always, so in float32 the two differ by its rounding."""
    monkeypatch.setattr(muon, "pick_precision", lambda asked, device: precision)
    ours, theirs = parameters(), parameters()
    group = {"params": ours, "lr": 0.02, "weight_decay": 0.1}
    steps(Muon([group]), ours)
    steps(torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, momentum=0.95, nesterov=True), theirs)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-3)


def test_together_or_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muon, "pick_precision", lambda asked, device: "fp32")
    together, alone = parameters(), parameters()
    steps(Muon([{"params": together, "lr": 0.02, "weight_decay": 0.1}]), together)
    monkeypatch.setattr(muon, "MOST_AT_ONCE", 1)
    steps(Muon([{"params": alone, "lr": 0.02, "weight_decay": 0.1}]), alone)
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(24, 64), (64, 24), (32, 32)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(5)) * 100
    made = orthogonal(matrices)
    assert made.shape == matrices.shape
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    inner = left.mT @ made @ right.mT
    torch.testing.assert_close(inner, torch.diag_embed(inner.diagonal(dim1=1, dim2=2)), rtol=0, atol=1e-3)
    assert torch.linalg.svdvals(made).max() < 1.3
    assert torch.linalg.svdvals(made).median() > 0.6


@pytest.mark.parametrize("kind", ["all alike", "falling by six powers of ten", "of rank three"])
@pytest.mark.parametrize("columns", [48, 192])
def test_rounds_on_the_gram_matrix_are_the_rounds(kind: str, columns: int) -> None:
    generator = torch.Generator().manual_seed(6)
    left = torch.linalg.qr(torch.randn(2, 24, 24, generator=generator))[0]
    right = torch.linalg.qr(torch.randn(2, columns, 24, generator=generator))[0]
    values = {"all alike": torch.ones(24), "falling by six powers of ten": torch.logspace(0, -6, 24),
              "of rank three": (torch.arange(24) < 3).float()}[kind]  # fmt: skip
    wide = (left * values) @ right.mT / values.norm()
    exact = rounds(wide.double())
    torch.testing.assert_close(rounds_on_gram(wide).double(), exact, rtol=0, atol=1e-3)
    assert float((rounds_on_gram(wide) - exact).norm() / exact.norm()) < 1e-3


def test_float32_of_twice_as_many_columns_goes_by_the_gram_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[torch.Size] = []
    monkeypatch.setattr(muon, "rounds_on_gram", lambda wide: taken.append(wide.shape) or rounds_on_gram(wide))
    for shape in ((2, 8, 16), (2, 16, 8), (2, 8, 15)):
        orthogonal(torch.randn(shape))
        orthogonal(torch.randn(shape).bfloat16())
    assert taken == [(2, 8, 16), (2, 8, 16)]


def test_nothing_of_nothing() -> None:
    assert torch.equal(orthogonal(torch.zeros(2, 8, 8)), torch.zeros(2, 8, 8))
