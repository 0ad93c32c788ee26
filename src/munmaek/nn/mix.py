"""Several layers of states as one: the learned scalar mix."""

# ruff: noqa: F722
from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ScalarMix(nn.Module):
    """gamma * sum over layers of s_j h_j, s the softmax of learned numbers (Peters 2018 equation 1).

    Args:
        num_layers: how many layers there are.
        layer_dropout: chance that a layer is left out of a training step, the others taking its share; never all.
        layer_norm: each token's state in each layer has mean 0 and variance 1 before it is mixed (Peters 2018 §3.2).

    Deviates: the released code normalises over all tokens of a batch, so that a text's vector depends on others.
    """

    def __init__(self, num_layers: int, layer_dropout: float = 0.0, layer_norm: bool = False) -> None:
        super().__init__()
        self.layer_dropout, self.layer_norm = layer_dropout, layer_norm
        self.scores = nn.Parameter(torch.zeros(num_layers))
        self.gamma = nn.Parameter(torch.ones(1))

    def weights(self) -> Float[Tensor, " layers"]:
        """The share s_j of each layer; they sum to 1."""
        return torch.softmax(self.scores.float(), 0)

    def forward(self, states: Float[Tensor, "layers batch seq dim"]) -> Float[Tensor, "batch seq dim"]:
        """The mix of each token's states."""
        scores = self.scores.float()
        if self.training and self.layer_dropout > 0:
            out = torch.rand(len(scores), device=scores.device) < self.layer_dropout
            scores = scores.masked_fill(out & ~out.all(), float("-inf"))
        if self.layer_norm:
            states = nn.functional.layer_norm(states.float(), states.shape[-1:]).to(states.dtype)
        shares = self.gamma * torch.softmax(scores, 0)
        return torch.einsum("l,lbsd->bsd", shares.to(states.dtype), states)
