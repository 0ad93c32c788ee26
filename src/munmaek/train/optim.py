"""The optimiser: AdamW for everything, or Muon for the hidden matrices and AdamW for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn

from munmaek.core.recipe import Recipe


@dataclass
class ParamGroup:
    """Parameters that share a learning rate: `rate` times the recipe's."""

    params: list[nn.Parameter]
    rate: float = 1.0


class Optimizers:
    """Several optimisers, each with parameters of its own, stepped as one."""

    def __init__(self, parts: Iterable[torch.optim.Optimizer]) -> None:
        self.parts = list(parts)
        self._owner = {p: part for part in self.parts for group in part.param_groups for p in group["params"]}

    def set_rate(self, rate: float) -> None:
        """Give every group its share of the scheduled learning rate."""
        for group in chain.from_iterable(part.param_groups for part in self.parts):
            group["lr"] = rate * group["rate"]

    def step(self) -> None:
        """Update the parameters of every part."""
        for part in self.parts:
            part.step()

    def zero_grad(self) -> None:
        """Let go of all gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state(self) -> dict[nn.Parameter, dict[str, torch.Tensor]]:
        """What is remembered of each parameter, by name."""
        return {parameter: part.state[parameter] for parameter, part in self._owner.items() if part.state[parameter]}

    def remember(self, parameter: nn.Parameter, values: dict[str, torch.Tensor]) -> None:
        """Put back what `state` gave for a parameter."""
        self._owner[parameter].state[parameter] = dict(values)


def build_optimizer(model: nn.Module, recipe: Recipe, groups: Sequence[ParamGroup] | None) -> Optimizers:
    """The optimiser of a recipe over `groups` (all trainable parameters, factor 1, where None).

    AdamW is fused and decays matrices, not vectors (Loshchilov 2019). With `optimizer="muon"` the weight matrices of
    the linear layers are updated by orthogonalised momentum (Jordan 2024; `torch.optim.Muon`) at a peak rate of
    `muon_rate`; embeddings and vectors stay with AdamW.
    """
    groups = groups or [ParamGroup(list(model.parameters()))]
    hidden = _hidden_matrices(model) if recipe.optimizer == "muon" else set[nn.Parameter]()
    adamw: list[dict[str, Any]] = []
    muon: list[dict[str, Any]] = []
    for group in groups:
        params = [p for p in group.params if p.requires_grad]
        matrices = [p for p in params if p.ndim >= 2 and p not in hidden]
        vectors = [p for p in params if p.ndim < 2]
        adamw.append({"params": matrices, "weight_decay": recipe.weight_decay, "rate": group.rate})
        adamw.append({"params": vectors, "weight_decay": 0.0, "rate": group.rate})
        muon.append({"params": [p for p in params if p in hidden], "weight_decay": recipe.weight_decay,
                     "rate": group.rate * recipe.muon_rate / recipe.learning_rate})  # fmt: skip
    adamw, muon = ([part for part in parts if part["params"]] for parts in (adamw, muon))
    parts: list[torch.optim.Optimizer] = []
    if adamw:
        betas = (recipe.beta_1, recipe.beta_2)
        parts.append(torch.optim.AdamW(adamw, lr=0.0, betas=betas, eps=recipe.epsilon, fused=True))
    if muon:
        parts.append(torch.optim.Muon(muon, lr=0.0, momentum=0.95, nesterov=True))
    return Optimizers(parts)


def _hidden_matrices(model: nn.Module) -> set[nn.Parameter]:
    """Weights of linear layers, but for those tied to an embedding and those with fewer than 32 rows (heads)."""
    embeddings = {m.weight for m in model.modules() if isinstance(m, nn.Embedding)}
    linear = {m.weight for m in model.modules() if isinstance(m, nn.Linear)}
    return {w for w in linear - embeddings if isinstance(w, nn.Parameter) and min(w.shape) >= 32}
