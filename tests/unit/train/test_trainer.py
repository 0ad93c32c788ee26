"""The loop: it learns, it goes on to the bit, it stops politely, and it never takes a bad step."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from planted import RECIPE, PlantedModel, PlantedObjective

from munmaek.core.contracts import LossParts
from munmaek.core.errors import CheckpointError, Interrupted, JobError, NonFiniteError, RequestError
from munmaek.core.recipe import Budget
from munmaek.train.trainer import Job, Outcome, measure, train


def job(folder: Path | None = None, budget: str = "100 steps", **settings: object) -> Job:
    defaults = {"model": PlantedModel(), "objective": PlantedObjective(), "data": None, "recipe": RECIPE,
                "budget": Budget.parse(budget), "folder": folder, "device": "cpu",
                "identity": {"what": "planted"}}  # fmt: skip
    return Job(**(defaults | settings))  # type: ignore[arg-type]


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def test_learns_a_planted_map() -> None:
    this = job(budget="20 epochs", model=PlantedModel(dropout=0.0))
    before = measure(this.model, this.objective, None, seed=9, batch_tokens=64)["loss"]
    outcome = train(this)
    after = measure(this.model, this.objective, None, seed=9, batch_tokens=64)["loss"]
    assert after < 0.05 * before
    assert outcome.steps == 20 * 8
    assert outcome.tokens == 20 * 64 * 8


@pytest.mark.parametrize(("most", "batches"), [(None, 8), (1, 1), (8, 1), (9, 2), (30, 4), (10**6, 8)])
def test_measuring_ends_with_the_batch_in_which_enough_was_asked(most: int | None, batches: int, monkeypatch) -> None:
    this, read = job(), list[int]()
    loss = this.objective.loss
    monkeypatch.setattr(this.objective, "loss", lambda *given: (read.append(1), loss(*given))[1])
    measure(this.model, this.objective, None, seed=9, batch_tokens=64, most_targets=most)
    assert len(read) == batches


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("stop_at", [1, 7, 8, 9, 16, 50, 99])
def test_resumed_equals_uninterrupted(tmp_path: Path, stop_at: int, optimizer: str) -> None:
    recipe = replace(RECIPE, optimizer=optimizer)
    whole = job(recipe=recipe)
    expected = train(whole)

    def stop(event: object) -> None:
        if event.step == stop_at:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGTERM)

    first = job(tmp_path / "training", progress=stop, recipe=recipe)
    with pytest.raises(Interrupted) as stopped:
        train(first)
    assert stopped.value.exit_code == 143
    second = job(tmp_path / "training", recipe=recipe)
    outcome = train(second)
    assert outcome.resumed
    assert all(torch.equal(a, b) for a, b in zip(weights(whole.model), weights(second.model), strict=True))
    assert [(h["step"], h["loss"]) for h in outcome.history] == [(h["step"], h["loss"]) for h in expected.history]


def test_resumed_twice_in_a_row(tmp_path: Path) -> None:
    whole = job()
    train(whole)
    for stop_at in (13, 14, 60):

        def stop(event: object, at: int = stop_at) -> None:
            if event.step == at:  # type: ignore[attr-defined]
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(Interrupted) as stopped:
            train(job(tmp_path / "training", progress=stop))
        assert stopped.value.exit_code == 130
    last = job(tmp_path / "training")
    train(last)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole.model), weights(last.model), strict=True))


def test_accumulation_equals_one_pass() -> None:
    one, parts = (
        job(model=PlantedModel(dropout=0.0)),
        job(model=PlantedModel(dropout=0.0), recipe=replace(RECIPE, micro_tokens=16)),
    )
    train(one), train(parts)
    for a, b in zip(weights(one.model), weights(parts.model), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first = job(tmp_path / "training", budget="10 steps")
    train(first)
    again = job(tmp_path / "training", budget="10 steps", objective=PlantedObjective(poison=0))
    assert train(again).steps == 10
    assert all(torch.equal(a, b) for a, b in zip(weights(first.model), weights(again.model), strict=True))


def test_a_training_is_known_again_by_what_json_makes_lists_of(tmp_path: Path) -> None:
    this = {"what": "planted", "filters": ((1, 16), (2, 32))}
    first = train(job(tmp_path / "training", identity=this))
    again = train(job(tmp_path / "training", identity=this))
    assert again.resumed
    assert again.steps == first.steps


def test_another_training_is_not_overwritten(tmp_path: Path) -> None:
    train(job(tmp_path / "training", budget="5 steps"))
    with pytest.raises(RequestError, match="another what"):
        train(job(tmp_path / "training", budget="5 steps", identity={"what": "other"}))


def test_damaged_checkpoint_falls_back_and_says_so(tmp_path: Path) -> None:
    whole = job(budget="30 steps")
    train(whole)
    folder = tmp_path / "training"
    train(job(folder, budget="30 steps", save_every_steps=10))
    newest = sorted(folder.glob("step-*"))[-1]
    content = bytearray((newest / "model.safetensors").read_bytes())
    content[-3] ^= 0xFF
    (newest / "model.safetensors").write_bytes(content)
    again = job(folder, budget="30 steps")
    outcome = train(again)
    assert any("damaged" in note for note in outcome.notes)
    assert any("step 20" in note for note in outcome.notes)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole.model), weights(again.model), strict=True))


def test_no_whole_checkpoint_left_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "training"
    train(job(folder, budget="5 steps"))
    for state in folder.glob("step-*/state.json"):
        state.write_text("{")
    with pytest.raises(CheckpointError, match="no checkpoint there is whole"):
        train(job(folder, budget="5 steps"))


def test_non_finite_loss_stops_before_the_step(tmp_path: Path) -> None:
    folder = tmp_path / "training"
    this = job(folder, objective=PlantedObjective(poison=63), save_every_steps=1)
    with pytest.raises(NonFiniteError) as raised:
        train(this)
    assert all(bool(torch.isfinite(w).all()) for w in weights(this.model))
    assert raised.value.exit_code == 1
    report = json.loads(next(folder.glob("nonfinite-step-*.json")).read_text())
    assert 63 in report["sample_ids"]


def test_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from munmaek.train import checkpoint

    folder = tmp_path / "training"
    real, calls = checkpoint.save_file, []

    def failing(tensors: dict[str, torch.Tensor], path: Path) -> None:
        calls.append(path)
        if len(calls) > 4:
            raise OSError(28, "No space left on device")
        real(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", failing)
    with pytest.raises(JobError, match="No space left"):
        train(job(folder, save_every_steps=10))
    monkeypatch.undo()
    assert sorted(p.name for p in folder.iterdir()) == ["step-000000010", "step-000000020"]
    assert train(job(folder)).resumed


def test_the_rate_rises_and_ends_at_zero() -> None:
    rates: list[float] = []
    train(job(progress=lambda event: rates.append(event.rate)))
    assert max(rates) <= RECIPE.learning_rate
    assert max(rates) > 0.9 * RECIPE.learning_rate
    assert rates[0] < 0.2 * RECIPE.learning_rate
    assert rates[-1] < 0.02 * RECIPE.learning_rate
    assert rates.index(max(rates)) in range(8, 12)


def test_best_weights_come_back() -> None:
    seen: list[tuple[float, list[torch.Tensor]]] = []
    values = iter([0.3, 0.9, 0.1, 0.2, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0, 0.0])

    def validate(model: torch.nn.Module) -> dict[str, float]:
        value = next(values)
        seen.append((value, weights(model)))
        return {"score": value}

    this: Job = job(validate=validate, best=("score", "max"))
    outcome: Outcome = train(this)
    assert outcome.best_step == 20
    assert all(torch.equal(a, b) for a, b in zip(weights(this.model), max(seen, key=lambda s: s[0])[1], strict=True))


def test_after_the_last_step_there_may_be_a_longer_look() -> None:
    asked: list[str] = []

    def looking(name: str) -> Callable[[torch.nn.Module], dict[str, float]]:
        return lambda model: {"score": float(len(asked.append(name) or asked))}

    outcome = train(job(validate=looking("way"), validate_last=looking("end"), validate_every=0.25))
    assert asked == ["way", "way", "way", "way", "end"]
    assert outcome.validation == {"score": 5.0}
    assert [entry["validation"] for entry in outcome.history if "validation" in entry] == [
        {"score": float(place)} for place in (1, 2, 3, 4)
    ]


@pytest.mark.parametrize("stop_at", [None, 17, 40])
def test_a_training_may_end_before_its_budget(tmp_path: Path, stop_at: int | None) -> None:
    folder = tmp_path / "training"

    def look(model: torch.nn.Module) -> dict[str, float]:
        return {"size": float(sum(weight.abs().sum() for weight in weights(model)))}

    def looking(enough: Callable[[dict[str, float]], bool] | None, **more: object) -> Job:
        return job(folder if enough else None, validate=look, enough=enough, validate_every=0.2, **more)

    whole = looking(None)
    sizes = [entry["validation"]["size"] for entry in train(whole).history if "validation" in entry]

    def stop(event: object) -> None:
        if event.step == stop_at and not event.metrics:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGTERM)

    def enough(found: dict[str, float]) -> bool:
        return found["size"] == sizes[1]

    if stop_at == 17:
        with pytest.raises(Interrupted):
            train(looking(enough, progress=stop))
    outcome = train(looking(enough, progress=stop if stop_at == 40 else None))
    assert (outcome.steps, outcome.validation) == (40, {"size": sizes[1]})
    again = looking(enough, objective=PlantedObjective(poison=0))
    assert train(again).steps == 40
    assert look(again.model)["size"] == sizes[1]


def test_a_time_budget_is_kept_within_five_percent() -> None:
    outcome = train(job(budget="6s"))
    assert math.isclose(outcome.seconds, 6.0, rel_tol=0.05)


def test_what_compiles_at_the_first_pass_takes_none_of_the_time() -> None:
    class Compiling(PlantedObjective):
        ready = False

        def loss(self, model: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> LossParts:
            if not self.ready:
                time.sleep(2.0)
                self.ready = True
            return super().loss(model, inputs)

    outcome = train(job(budget="1s", objective=Compiling()))
    assert outcome.steps > 10, "the pass that took twice the budget was no part of it"
    assert outcome.seconds < 2.0


def test_the_plan_of_a_time_budget_survives_a_resume(tmp_path: Path) -> None:
    def stop(event: object) -> None:
        if event.seconds > 1.0:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        train(job(tmp_path / "training", budget="4s", progress=stop))
    outcome = train(job(tmp_path / "training", budget="4s"))
    assert outcome.resumed
    assert math.isclose(outcome.seconds, 4.0, rel_tol=0.1)


def test_room_is_asked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 100))
    with pytest.raises(JobError, match="MiB free"):
        train(job(tmp_path / "training"))
    assert list(tmp_path.rglob("*.safetensors")) == []
