"""Muon: momentum made orthogonal, for the matrices inside a network (Jordan 2024)."""

# ruff: noqa: F722

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from munmaek.train.distributed import pick_precision

MOMENTUM = 0.95
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic whose repetition brings every singular value near 1 (Jordan 2024)."""
ROUNDS = 5
SMALLEST = 1e-7
MOST_AT_ONCE = 1 << 22
"""Elements of equally shaped matrices that are made orthogonal together."""


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal by Newton-Schulz rounds, and decoupled decay.

    What `torch.optim.Muon` does, but for two things: matrices of one shape go through the rounds together, and they
    go in bfloat16 only where the machine multiplies that faster (without such instructions it takes four times as
    long as float32). A matrix with more rows than columns moves by sqrt(rows / columns) times the rate.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of the matrices that have a gradient."""
        for group in self.param_groups:
            for alike in _alike([p for p in group["params"] if p.grad is not None]):
                directions = torch.stack([self._direction(parameter) for parameter in alike])
                bf16 = pick_precision("auto", directions.device) == "bf16"
                moves = orthogonal(directions.bfloat16() if bf16 else directions)
                rate = group["lr"] * max(1.0, directions.shape[1] / directions.shape[2]) ** 0.5
                for parameter, move in zip(alike, moves, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(move, alpha=-rate)

    def _direction(self, parameter: Tensor) -> Tensor:
        """The gradient drawn towards what the momentum remembers, which takes it up."""
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        state["momentum_buffer"].lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(state["momentum_buffer"], MOMENTUM)


def orthogonal(matrices: Float[Tensor, "matrices rows columns"]) -> Float[Tensor, "matrices rows columns"]:
    """Each matrix with its singular values brought to between about 0.7 and 1.2, in the type it comes in."""
    tall = matrices.shape[1] > matrices.shape[2]
    wide = matrices.mT if tall else matrices
    wide = wide / torch.linalg.matrix_norm(wide, keepdim=True).clamp(min=SMALLEST)
    in_gram = wide.dtype == torch.float32 and wide.shape[2] >= 2 * wide.shape[1]
    wide = (rounds_on_gram if in_gram else rounds)(wide)
    return wide.mT if tall else wide


def rounds(wide: Float[Tensor, "matrices rows columns"]) -> Float[Tensor, "matrices rows columns"]:
    """Newton-Schulz rounds X <- (a + b XX' + c (XX')^2) X, for rows <= columns."""
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        gram = wide @ wide.mT
        wide = torch.baddbmm(wide, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide


def rounds_on_gram(wide: Float[Tensor, "matrices rows columns"]) -> Float[Tensor, "matrices rows columns"]:
    """The same rounds on G = XX' alone, which stays a polynomial of what it was: G <- PGP with P = a + b G + c G^2.

    The product of all P then meets X once: 66 rows^3 of multiplications instead of 170 where there are eight times as
    many columns as rows, 50 instead of 90 at four times. In float32 alone: eigenvalues of G are squares.
    """
    a, b, c = COEFFICIENTS
    gram = wide @ wide.mT
    identity = torch.eye(wide.shape[1], dtype=wide.dtype, device=wide.device)
    whole = factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c) + a * identity
    for _ in range(ROUNDS - 1):
        gram = factor @ gram @ factor
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c) + a * identity
        whole = factor @ whole
    return whole @ wide


def _alike(parameters: list[Tensor]) -> Iterator[list[Tensor]]:
    """The parameters by shape, at most MOST_AT_ONCE elements at a time."""
    shapes: dict[torch.Size, list[Tensor]] = {}
    for parameter in parameters:
        shapes.setdefault(parameter.shape, []).append(parameter)
    for shape, found in shapes.items():
        most = max(1, MOST_AT_ONCE // shape.numel())
        for start in range(0, len(found), most):
            yield found[start : start + most]
