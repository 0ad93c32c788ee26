"""The probe: where a linear head starts, beside scikit-learn on the same vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from munmaek import tasks
from munmaek.core.errors import RequestError
from munmaek.data import choices
from munmaek.run.model import Model, load
from munmaek.run.tuning import Tuner
from munmaek.tasks.examples import Examples
from munmaek.tasks.labelled import Labelled, with_targets
from munmaek.tasks.network import TaskModel, outputs, vectors
from munmaek.tasks.probe import PENALTY, probe

HARDLY = {"epochs": 0.01, "learning_rate": 1e-12}
THINGS, OTHERS = ("배우", "음악", "결말", "화면"), ("대사", "연출", "줄거리")
OPINIONS = ("정말 좋다", "너무 싫다", "감동적이다", "지루하다", "그저 그렇다")
TEXTS = [f"{thing} {other} {opinion}" for thing in THINGS for other in OTHERS for opinion in OPINIONS]


@pytest.fixture
def model(pretrained: Path) -> Model:
    return load(pretrained)


def started(model: Model, task: str, examples: Examples, **changes: Any) -> tuple[TaskModel, Labelled]:
    """A network whose head is fresh, and its rows with their targets."""
    tuner = Tuner(model, tasks.load(task), examples, changes=HARDLY | {"probe": False} | changes)
    fitted = tuner.fit(0)
    data = with_targets(tuner.read(examples), tuner.task, fitted.answers, examples.labels, "rows")
    return fitted.network, data


@pytest.mark.parametrize("names", [["나쁨", "좋음"], ["나쁨", "보통", "좋음"]])
def test_classes_are_those_of_logistic_regression(model: Model, names: list[str]) -> None:
    labels = [names[number % 5 % len(names)] for number in range(len(TEXTS))]
    network, data = started(model, "classify", Examples(TEXTS, None, labels, "rows"))
    probe(network, tasks.load("classify"), data)
    # with two classes scikit-learn has one weight w where a softmax has w / 2 and -w / 2, half its squares
    strength = (2 if len(names) == 2 else 1) / PENALTY
    peer = make_pipeline(StandardScaler(), LogisticRegression(C=strength, tol=1e-8, max_iter=5_000))
    found = vectors(network, data)
    wanted = peer.fit(found, labels).predict_proba(found)
    logits = outputs(network, data)
    ours = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert ours == pytest.approx(wanted, abs=2e-3)
    assert np.ptp(wanted[:, 0]) > 0.1, "there is something to find"


def test_numbers_are_those_of_ridge_regression(model: Model) -> None:
    numbers = [len(text) + 3.0 * ("좋다" in text) for text in TEXTS]
    examples = Examples(TEXTS, None, [str(number) for number in numbers], "rows")
    network, data = started(model, "regress", examples)
    probe(network, tasks.load("regress"), data)
    found = vectors(network, data)
    peer = make_pipeline(StandardScaler(), Ridge(alpha=PENALTY / 2)).fit(found, data.targets)
    assert outputs(network, data)[:, 0] == pytest.approx(peer.predict(found), abs=2e-3)


def test_of_alternatives_each_reading_is_a_row_of_the_softmax(model: Model) -> None:
    pairs = [choices.join(["정말 좋다", "너무 싫다"][:: 1 - 2 * (number % 2)]) for number in range(len(TEXTS))]
    labels = [str(1 + number % 2) for number in range(len(TEXTS))]
    network, data = started(model, "choice", Examples(TEXTS, pairs, labels, "rows"))
    before = (outputs(network, data).argmax(1) == data.targets).mean()
    probe(network, tasks.load("choice"), data)
    after = outputs(network, data)
    assert vectors(network, data).shape == (len(TEXTS), 2, model.dim)
    assert before <= 0.6 < 0.95 < (after.argmax(1) == data.targets).mean()


def test_the_encoder_and_what_is_random_stay_as_they_are(model: Model) -> None:
    labels = ["좋음" if "좋" in text else "나쁨" for text in TEXTS]
    network, data = started(model, "classify", Examples(TEXTS, None, labels, "rows"))
    before = {name: value.clone() for name, value in network.body.state_dict().items()}
    probe(network, tasks.load("classify"), data)
    once = network.output.weight.detach().clone()
    probe(network, tasks.load("classify"), data)
    assert np.array_equal(once.numpy(), network.output.weight.detach().numpy())
    assert all(np.array_equal(before[name], value) for name, value in network.body.state_dict().items())


def test_few_labels_start_there_and_nothing_else_does(model: Model) -> None:
    labels = ["좋음" if "좋" in text else "나쁨" for text in TEXTS]
    examples = Examples(TEXTS, None, labels, "rows")

    def settings(count: int, **given: Any) -> Any:
        return Tuner(model, tasks.load("classify"), examples, **given).settings(count)

    assert settings(100).probe
    assert settings(100).epochs < settings(100, changes={"probe": False}).epochs
    assert not settings(10_000).probe
    assert settings(10_000).network_dropout == 0.0
    assert settings(10_000, from_scratch=True).network_dropout < 0.0
    assert not settings(59).probe, "less than thirty of each class"
    assert not settings(100, from_scratch=True).probe
    assert not settings(100, changes={"fresh_layers": 1}).probe
    assert settings(100, from_scratch=True) == settings(100, changes={"probe": False})
    pairs = Examples(TEXTS, TEXTS, labels, "rows")
    assert not Tuner(model, tasks.load("classify"), pairs).settings(100).probe
    assert Tuner(model, tasks.load("classify"), pairs, changes={"probe": True}).settings(100).probe
    with pytest.raises(RequestError, match="probe"):
        settings(100, from_scratch=True, changes={"probe": True})
    hardly = Tuner(model, tasks.load("classify"), examples, changes=HARDLY).fit(0)
    network, data = started(model, "classify", examples)
    probe(network, tasks.load("classify"), data)
    assert outputs(hardly.network, data) == pytest.approx(outputs(network, data), abs=0.05)
