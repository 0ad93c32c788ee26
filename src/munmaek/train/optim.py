"""The optimiser: AdamW for everything, Muon for the hidden matrices and AdamW for the rest, or averaged SGD."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn

from munmaek.core.recipe import Recipe
from munmaek.nn.recurrent import LstmLayer
from munmaek.train.muon import Muon

NON_MONOTONE = 5
"""Validations that may pass without a better loss before averaging begins (Merity 2018 §3: n = 5)."""


@dataclass
class ParamGroup:
    """Parameters that share a learning rate: `rate` times the recipe's, from the share `starts` of the training on."""

    params: list[nn.Parameter]
    rate: float = 1.0
    starts: float = 0.0


class AveragedSgd(torch.optim.Optimizer):
    """SGD, and from a moment on the average of the weights it passes through (Polyak 1992; Merity 2018 §3).

    The average is remembered beside each parameter, which goes on by itself; `swap` exchanges the two.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {"lr": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of the parameters that have a gradient, and of their averages."""
        for group in self.param_groups:
            for parameter in (p for p in group["params"] if p.grad is not None):
                gradient = parameter.grad.add(parameter, alpha=group["weight_decay"])
                parameter.sub_(gradient, alpha=group["lr"])
                state = self.state[parameter]
                if state:
                    state["count"] += 1
                    state["average"] += (parameter - state["average"]) / state["count"]

    @torch.no_grad()
    def trigger(self) -> None:
        """Begin to average, with the weights as they are; nothing where that has begun."""
        for parameter in chain.from_iterable(group["params"] for group in self.param_groups):
            if not self.state[parameter]:
                self.state[parameter] = {"average": parameter.clone(), "count": torch.ones(())}

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the weights and their averages, where there are any."""
        for parameter, state in self.state.items():
            if state:
                now = parameter.clone()
                parameter.copy_(state["average"])
                state["average"] = now


class Optimizers:
    """Several optimisers, each with parameters of its own, stepped as one."""

    def __init__(self, parts: Iterable[torch.optim.Optimizer]) -> None:
        self.parts = list(parts)
        self._owner = {p: part for part in self.parts for group in part.param_groups for p in group["params"]}

    def set_rate(self, rate: float) -> None:
        """Give every group its share of the scheduled learning rate."""
        for group in chain.from_iterable(part.param_groups for part in self.parts):
            group["lr"] = rate * group["rate"]

    @contextmanager
    def frozen(self, progress: float) -> Iterator[None]:
        """No gradient for groups whose time to learn has not come at this share of the training, while entered."""
        groups = chain.from_iterable(part.param_groups for part in self.parts)
        waiting = [p for group in groups if progress < group["starts"] for p in group["params"]]
        for parameter in waiting:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in waiting:
                parameter.requires_grad_(True)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The averaged weights in the model while entered, where an optimiser averages."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    def swap(self) -> None:
        """Exchange weights and averages."""
        for part in self.parts:
            if isinstance(part, AveragedSgd):
                part.swap()

    def look(self, losses: Sequence[float]) -> None:
        """Begin to average where the last validation loss is above the best of those NON_MONOTONE earlier."""
        earlier = losses[: -NON_MONOTONE - 1]
        for part in self.parts:
            if isinstance(part, AveragedSgd) and earlier and losses[-1] > min(earlier):
                part.trigger()

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
    linear and LSTM layers are updated by orthogonalised momentum (`Muon`) at a peak rate of `muon_rate`; embeddings and
    vectors stay with AdamW. With "asgd" all are updated by `AveragedSgd`.
    """
    groups = groups or [ParamGroup(list(model.parameters()))]
    hidden = _hidden_matrices(model) if recipe.optimizer == "muon" else set[nn.Parameter]()
    adamw: list[dict[str, Any]] = []
    muon: list[dict[str, Any]] = []
    for group in groups:
        params = [p for p in group.params if p.requires_grad]
        matrices = [p for p in params if p.ndim >= 2 and p not in hidden]
        vectors = [p for p in params if p.ndim < 2]
        adamw.append(
            {"params": matrices, "weight_decay": recipe.weight_decay, "rate": group.rate, "starts": group.starts}
        )
        adamw.append({"params": vectors, "weight_decay": 0.0, "rate": group.rate, "starts": group.starts})
        muon.append({"params": [p for p in params if p in hidden], "weight_decay": recipe.weight_decay,
                     "rate": group.rate * recipe.muon_rate / recipe.learning_rate, "starts": group.starts})  # fmt: skip
    adamw, muon = ([part for part in parts if part["params"]] for parts in (adamw, muon))
    parts: list[torch.optim.Optimizer] = []
    if recipe.optimizer == "asgd":
        parts.append(AveragedSgd(adamw))
    elif adamw:
        betas = (recipe.beta_1, recipe.beta_2)
        parts.append(torch.optim.AdamW(adamw, lr=0.0, betas=betas, eps=recipe.epsilon, fused=True))
    if muon:
        parts.append(Muon(muon))
    return Optimizers(parts)


def _hidden_matrices(model: nn.Module) -> set[nn.Parameter]:
    """Of linear and LSTM layers, but for those tied to an embedding and those with fewer than 32 rows (heads)."""
    embeddings = {m.weight for m in model.modules() if isinstance(m, nn.Embedding)}
    found = {m.weight for m in model.modules() if isinstance(m, nn.Linear)} - embeddings
    found |= {w for m in model.modules() if isinstance(m, LstmLayer) for w in m.matrices()}
    return {w for w in found if isinstance(w, nn.Parameter) and min(w.shape) >= 32}
