"""Every parameter is in exactly one group, decay is for matrices only, and Muon gets the hidden matrices only."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from munmaek.core.recipe import Recipe
from munmaek.nn.recurrent import BiLstm
from munmaek.train.muon import Muon
from munmaek.train.optim import ParamGroup, build_optimizer


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(64, 32)
        self.inner = nn.Linear(32, 48)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 2)
        self.out = nn.Linear(32, 64)
        self.out.weight = self.words.weight


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_every_parameter_once(optimizer: str) -> None:
    model = Tied()
    built = build_optimizer(model, Recipe(optimizer=optimizer), None)
    listed = [p for part in built.parts for g in part.param_groups for p in g["params"]]
    assert len(listed) == len(set(listed)) == len(list(model.parameters()))
    for part in built.parts:
        for group in part.param_groups:
            assert all((p.ndim >= 2) == (group["weight_decay"] > 0) for p in group["params"])


def test_muon_takes_hidden_matrices_only() -> None:
    model = Tied()
    built = build_optimizer(model, Recipe(optimizer="muon"), None)
    (muon,) = [part for part in built.parts if isinstance(part, Muon)]
    assert [p for g in muon.param_groups for p in g["params"]] == [model.inner.weight]


def test_muon_takes_the_matrices_of_an_lstm_too() -> None:
    layer = BiLstm(32, 40, 48)
    built = build_optimizer(layer, Recipe(optimizer="muon"), None)
    (muon,) = [part for part in built.parts if isinstance(part, Muon)]
    assert layer.projection is not None
    assert {p for g in muon.param_groups for p in g["params"]} == {
        *layer.weight_input, *layer.weight_state, *layer.projection
    }  # fmt: skip


def test_rates_are_multiplied_by_group() -> None:
    model = Tied()
    low, high = ParamGroup([model.words.weight], 0.1), ParamGroup(list(model.inner.parameters()), 2.0)
    recipe = Recipe(learning_rate=1e-3, optimizer="muon", muon_rate=0.02)
    built = build_optimizer(model, recipe, [low, high])
    built.set_rate(recipe.learning_rate / 2)
    rates = {p: g["lr"] for part in built.parts for g in part.param_groups for p in g["params"]}
    assert rates[model.words.weight] == pytest.approx(0.5e-4)
    assert rates[model.inner.bias] == pytest.approx(1e-3)
    assert rates[model.inner.weight] == pytest.approx(0.02)


def test_adamw_is_the_published_update() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    recipe = replace(Recipe(), weight_decay=0.1, learning_rate=0.01)
    built = build_optimizer(model, recipe, None)
    mean, square = torch.zeros(2, 3), torch.zeros(2, 3)
    weight = model.weight.detach().clone()
    for step in range(1, 4):
        model(torch.randn(4, 3)).square().sum().backward()
        grad = model.weight.grad.clone()
        built.set_rate(recipe.learning_rate)
        built.step(), built.zero_grad()
        mean = recipe.beta_1 * mean + (1 - recipe.beta_1) * grad
        square = recipe.beta_2 * square + (1 - recipe.beta_2) * grad**2
        corrected = mean / (1 - recipe.beta_1**step), square / (1 - recipe.beta_2**step)
        weight -= 0.01 * 0.1 * weight
        weight -= 0.01 * corrected[0] / (corrected[1].sqrt() + recipe.epsilon)
        torch.testing.assert_close(model.weight.detach(), weight)
