from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek import tasks
from munmaek.core.errors import RequestError
from munmaek.data.tables import read_table
from munmaek.run.model import Model, load
from munmaek.run.networks import param_groups
from munmaek.run.readings import longest
from munmaek.run.tuning import Tuner, compute
from munmaek.tasks.examples import Examples, from_table

CHANGES = {"epochs": 2, "learning_rate": 2e-3}


@pytest.fixture
def model(pretrained: Path) -> Model:
    return load(pretrained)


@pytest.fixture
def tuner(model: Model, labelled: tuple[Path, Path]) -> Tuner:
    examples = from_table(read_table(labelled[0]), training=True)
    return Tuner(model, tasks.load("classify"), examples, changes={**CHANGES, "pooling": None})


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def test_every_fit_starts_afresh_and_leaves_the_model_alone(tuner: Tuner, model: Model) -> None:
    before = weights(model.module)
    first = weights(tuner.fit(0, 40).network)
    other = weights(tuner.fit(1, 40).network)
    again = weights(tuner.fit(0, 40).network)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, weights(model.module))
    second = Tuner(model, tuner.task, tuner.examples, changes=CHANGES)
    assert torch.equal(first, weights(second.fit(0, 40).network))


def test_a_subset_is_the_same_tokenised_alone_or_with_the_whole(tuner: Tuner) -> None:
    alone = weights(tuner.fit(3, 30).network)
    tuner.fit(0)
    assert torch.equal(weights(tuner.fit(3, 30).network), alone)


def test_defaults_follow_the_labels_and_changes_win(tuner: Tuner) -> None:
    assert (tuner.settings(100).epochs, tuner.settings(100).pooling) == (2, "mean")
    assert tuner.settings(100_000).batch_rows > tuner.settings(100).batch_rows


def test_a_reader_is_for_systems_that_have_one(model: Model) -> None:
    rows = Examples(["정말 좋다", "정말 싫다"], None, ["0", "1"], "rows")
    with pytest.raises(RequestError, match="BERT has no reader"):
        Tuner(model, tasks.load("classify"), rows, changes={"reader": {"cells": 8}}).settings(2)


def test_the_length_is_what_the_model_learnt_on(model: Model) -> None:
    assert [longest(model, asked) for asked in (None, 4, 64)] == [32, 4, 64]
    for wrong in (3, 65):
        with pytest.raises(RequestError, match="This model reads 4 to 64 tokens"):
            longest(model, wrong)


def test_every_parameter_is_in_one_group(tuner: Tuner) -> None:
    fitted = tuner.fit(0, 20)
    groups = param_groups(fitted.network, fitted.settings)
    grouped = [id(parameter) for group in groups for parameter in group.params]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(parameter) for parameter in fitted.network.parameters()}
    assert groups[-1].rate == fitted.settings.head_rate


def test_outputs_are_those_of_evaluation_mode(tuner: Tuner) -> None:
    fitted = tuner.fit(0, 20)
    data = tuner._tokens(np.arange(10))
    fitted.network.train()
    assert np.array_equal(compute(tuner.model, fitted.network, data), compute(tuner.model, fitted.network, data))


def _pooled(encoder) -> torch.Tensor:
    encoder.module.eval()
    inputs = {name: torch.from_numpy(part) for name, part in encoder.collate(encoder.tokenize(["눈이 온다"])).items()}
    with torch.no_grad():
        return encoder.summary(encoder.forward(inputs), inputs["attention_mask"], "mean")


def test_fresh_layers_are_new_and_the_others_are_not(pretrained: Path, labelled) -> None:
    examples = from_table(read_table(labelled[0], pairs=False, labels=True), training=True)
    model = load(pretrained)
    known = [[parameter.detach().clone() for parameter in group] for group in model.encoder.layer_groups()]
    tiny = {"epochs": 0.01, "learning_rate": 1e-12, "head_rate": 1.0}
    fitted = Tuner(model, tasks.load("classify"), examples, changes=tiny | {"fresh_layers": 1}).fit(0)
    found = fitted.network.encoder.layer_groups()
    same = [all(torch.allclose(a, b, atol=1e-6) for a, b in zip(old, new, strict=True))
            for old, new in zip(known, found, strict=True)]  # fmt: skip
    assert same == [True] * (len(known) - 1) + [False]
    assert fitted.settings.pooling == "mean"
    before, after = (_pooled(encoder) for encoder in (load(pretrained).encoder, fitted.network.encoder))
    assert not torch.allclose(before, after, atol=1e-2), "what the head is given is of the fresh layer"
    with pytest.raises(RequestError, match="fresh layers"):
        Tuner(model, tasks.load("classify"), examples, changes={"fresh_layers": len(known)}).fit(0)


def test_training_stops_where_the_rows_say_no_more(tuner: Tuner, model: Model) -> None:
    changes = {"epochs": 20, "learning_rate": 2e-3, "early_stopping": True}

    def looks(examples: Examples) -> list[float]:
        fitted = Tuner(model, tuner.task, examples, changes=changes).fit(0)
        found = [entry["validation"]["evidence"] for entry in fitted.outcome.history if "validation" in entry]
        assert fitted.outcome.steps == len(found) * 10
        assert fitted.scores is None
        return found

    learnt = looks(tuner.examples)
    assert learnt[0] < -5
    order = np.random.default_rng(0).permutation(len(tuner.examples))
    noise = looks(replace(tuner.examples, labels=[tuner.examples.labels[row] for row in order]))
    assert len(noise) < len(learnt)
    for found in (learnt, noise):
        assert max(found[:-1], default=0.0) <= 0
        assert len(found) == 20 or found[-1] > 0


def test_a_dev_set_tells_by_itself_when_to_stop(tuner: Tuner, model: Model, labelled) -> None:
    dev = from_table(read_table(labelled[1]), training=False)
    with pytest.raises(RequestError, match="a dev set says when to stop"):
        Tuner(model, tuner.task, tuner.examples, dev, changes={"early_stopping": True}).fit(0)
