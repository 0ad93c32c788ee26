"""Averaged SGD (Merity 2018 §3): plain steps, an average from the moment validation stops to improve, and resume."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from planted import RECIPE, PlantedModel, PlantedObjective
from torch import nn

from munmaek.core.errors import Interrupted
from munmaek.core.recipe import Budget
from munmaek.train.optim import AveragedSgd, ParamGroup, build_optimizer
from munmaek.train.trainer import Job, train

ASGD = replace(RECIPE, optimizer="asgd", learning_rate=0.1, decay="constant", warmup=0.0)


def test_steps_are_sgd_and_the_average_is_the_mean_of_what_it_passes() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    built = build_optimizer(model, replace(ASGD, weight_decay=0.1), None)
    built.set_rate(0.5)
    passed = []
    for step in range(6):
        if step == 3:
            built.parts[0].trigger()  # type: ignore[attr-defined]
            passed.append(model.weight.detach().clone())
        gradient = torch.randn(2, 3)
        model.weight.grad, model.bias.grad = gradient, torch.ones(2)
        expected = model.weight.detach() - 0.5 * (gradient + 0.1 * model.weight.detach())
        bias = model.bias.detach() - 0.5
        built.step()
        torch.testing.assert_close(model.weight.detach(), expected)
        torch.testing.assert_close(model.bias.detach(), bias, msg="vectors do not decay")
        if step >= 3:
            passed.append(model.weight.detach().clone())
    last = model.weight.detach().clone()
    with built.averaged():
        torch.testing.assert_close(model.weight.detach(), torch.stack(passed).mean(0))
    assert torch.equal(model.weight.detach(), last), "training goes on from the last weights"


@pytest.mark.parametrize(
    ("losses", "begins"),
    [
        ([5.0], False),
        ([5.0, 4.0, 4.5, 4.4, 4.3, 4.2], False),  # worse than the best, but that is less than n + 1 looks ago
        ([4.0, 4.5, 4.4, 4.3, 4.2, 4.1, 4.05], True),
        ([5.0, 4.9, 4.8, 4.7, 4.6, 4.5, 4.4, 4.3], False),
    ],
)
def test_averaging_begins_when_the_loss_no_longer_falls(losses: list[float], begins: bool) -> None:
    built = build_optimizer(nn.Linear(3, 2), ASGD, None)
    (part,) = built.parts
    assert isinstance(part, AveragedSgd)
    for number in range(1, len(losses) + 1):
        built.look(losses[:number])
    assert bool(built.state()) == begins


def job(folder: Path | None = None, stop_at: int | None = None, **changes) -> Job:
    model = PlantedModel(dropout=0.0)
    validations = iter(range(1000))

    def stop(event) -> None:
        if event.step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    def validate(module: nn.Module) -> dict[str, float]:
        next(validations)
        return {"loss": float(module.layers[0].weight.detach().abs().sum())}  # type: ignore[union-attr]

    settings = {"recipe": ASGD, "budget": Budget(steps=60), "folder": folder, "device": "cpu", "progress": stop,
                "validate": validate, "validate_every": 0.05, "identity": {"what": "planted"}} | changes  # fmt: skip
    return Job(model, PlantedObjective(), None, **settings)


@pytest.mark.parametrize("stop_at", [10, 40, 59])
def test_a_resumed_run_ends_with_the_same_average(tmp_path: Path, stop_at: int) -> None:
    whole = job()
    expected = train(whole)
    with pytest.raises(Interrupted):
        train(job(tmp_path, stop_at))
    second = job(tmp_path)
    outcome = train(second)
    for one, other in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)
    ends = [[e["validation"]["loss"] for e in o.history if "validation" in e] for o in (expected, outcome)]
    assert ends[0] == ends[1]
    assert ends[0][-1] > min(ends[0][:-6]), "the loss rose, so averaging has begun"
    plain = job(validate=None)
    train(plain)
    assert not torch.equal(plain.model.layers[0].weight, whole.model.layers[0].weight), "the average is what is left"


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "asgd"])
def test_a_group_learns_from_its_moment_on(optimizer: str) -> None:
    """A group that begins at half time is as it was until then to the bit; one that never begins, to the end."""
    seen: list[torch.Tensor] = []
    this = job(recipe=replace(ASGD, optimizer=optimizer, learning_rate=0.01), validate=None, budget=Budget(steps=20))
    model = this.model
    first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    this.groups = [
        ParamGroup(list(model.layers[0].parameters()), 1.0, 2.0),  # type: ignore[index]
        ParamGroup(list(model.layers[2].parameters()), 1.0, 0.5),  # type: ignore[index]
        ParamGroup(list(model.layers[5].parameters())),  # type: ignore[index]
    ]
    this.progress = lambda event: seen.append(model.layers[2].weight.detach().clone())  # type: ignore[index]
    train(this)
    same = [torch.equal(weight, first["layers.2.weight"]) for weight in seen]
    assert same == [True] * 10 + [False] * 10
    assert torch.equal(model.state_dict()["layers.0.weight"], first["layers.0.weight"])
    assert not torch.equal(model.state_dict()["layers.5.weight"], first["layers.5.weight"])
    assert all(parameter.requires_grad for parameter in model.parameters())
