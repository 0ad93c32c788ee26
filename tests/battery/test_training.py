"""Every system under the one trainer: it learns, and a resumed run is the uninterrupted one to the bit."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from bench import Bench

from munmaek.core.errors import Interrupted
from munmaek.core.recipe import Budget
from munmaek.train.trainer import Job, train


def job(bench: Bench, folder: Path | None, stop_at: int | None = None) -> Job:
    model = bench.model()
    recipe = replace(bench.card.recipes["tiny"], batch_tokens=1024, max_length=64, precision="fp32")

    def stop(event: object) -> None:
        if event.step == stop_at:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGTERM)

    return Job(model, bench.objective(model), bench.prepared.shards, recipe, Budget.parse("40 steps"), seed=5,
               folder=folder, device="cpu", progress=stop)  # fmt: skip


@pytest.mark.parametrize("stop_at", [1, 23, 39])
def test_resumed_equals_uninterrupted(bench: Bench, tmp_path: Path, stop_at: int) -> None:
    whole = job(bench, None)
    expected = train(whole)
    with pytest.raises(Interrupted):
        train(job(bench, tmp_path / "training", stop_at))
    second = job(bench, tmp_path / "training")
    outcome = train(second)
    assert [h["loss"] for h in outcome.history] == [h["loss"] for h in expected.history]
    for (name, one), other in zip(whole.model.named_parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other), name


def test_the_loss_falls(bench: Bench) -> None:
    losses = train(job(bench, None)).history
    assert losses[-1]["smoothed_loss"] < losses[0]["loss"]
    assert losses[-1]["loss"] < 0.95 * losses[0]["loss"]
