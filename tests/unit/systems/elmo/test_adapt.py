"""ELMo in a task: frozen by default, the mix and the task's LSTM learn, and all of it is saved and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from munmaek.core.errors import RequestError
from munmaek.run import folder as model_folder
from munmaek.run import tuned
from munmaek.run.finetune import finetune
from munmaek.run.model import Model
from munmaek.run.tuning import Tuner
from munmaek.systems.elmo.adapt import ADAPTATION, FEW_LABELS, Reader
from munmaek.tasks import load as load_task
from munmaek.tasks.examples import Examples
from munmaek.tasks.labelled import Labelled, with_targets
from munmaek.tasks.network import TaskModel, outputs, vectors
from munmaek.tasks.probe import SMALLEST, probe

GOOD, BAD = ("눈이 예쁘다", "배가 좋았다", "강가에서 좋았다"), ("말을 들었다", "밤에 내렸다", "처음보는 달렸다")
PENALTY = 100.0
"""Of the probe in a test of few rows, over which the one for real data hardly leaves the layers' first shares."""


@pytest.fixture
def run(build, words, elmo_card, tmp_path: Path) -> Path:
    return model_folder.write(tmp_path / "run", elmo_card, build(), words, {})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "train.tsv"
    rows = [f"{text}\t{label}" for label, texts in (("1", GOOD), ("0", BAD)) for text in texts] * 8
    path.write_text("text\tlabel\n" + "\n".join(rows) + "\n", "utf-8")
    return path


def tuner(run: Path, **changes) -> Tuner:
    texts = [*GOOD, *BAD] * 8
    examples = Examples(texts, None, (["1"] * 3 + ["0"] * 3) * 8, "rows")
    return Tuner(
        Model(model_folder.read(run), "cpu"), load_task("classify"), examples, changes={"epochs": 2, **changes}
    )


def moved(before: dict, module: torch.nn.Module) -> set[str]:
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


def test_only_what_stands_on_the_encoder_learns(run: Path) -> None:
    subject = tuner(run, reader={"cells": 16}, head_rate=5.0)
    before = {name: value.clone() for name, value in subject.model.encoder.module.state_dict().items()}
    network = subject.fit(0).network
    assert moved(before, network.body) == set()
    fresh = subject._network(subject.task.fit(["0", "1"], ""), subject.settings(48), 0)
    first = {name: value.clone() for name, value in fresh.top().items()}
    trained = subject.fit(0).network.top()
    still = {name for name, value in trained.items() if torch.equal(value, first[name])}
    assert still == set()
    assert {"reader.mix.scores", "reader.mix.gamma", "reader.lstm.weight_state.0", "output.weight"} <= set(trained)


def test_the_whole_network_learns_by_option_and_from_scratch(run: Path) -> None:
    subject = tuner(run, frozen=False)
    before = {name: value.clone() for name, value in subject.model.encoder.module.state_dict().items()}
    assert len(moved(before, subject.fit(0).network.body)) == len(before)
    scratch = Tuner(subject.model, subject.task, subject.examples, from_scratch=True)
    assert scratch.settings(100).frozen is False
    assert tuner(run).settings(100).frozen is True


def test_a_frozen_body_has_no_dropout_in_training(run: Path) -> None:
    subject = tuner(run)
    network = subject._network(subject.task.fit(["0", "1"], ""), subject.settings(48), 0).train()
    assert network.training
    assert network.reader is not None
    assert network.reader.training
    assert not any(module.training for module in network.body.modules())


def test_finetune_predict_and_read_back(run: Path, table: Path, tmp_path: Path) -> None:
    settings = {"reader": {"layer_norm": True, "cells": 100, "dropout": 0.0, "layer_dropout": 0.0}, "head_rate": 5.0}
    result = finetune("classify", model=run, train=table, dev=table, out=tmp_path / "out", epochs=40,
                      learning_rate=1e-3, settings=settings, device="cpu")  # fmt: skip
    assert result.mean["accuracy"] == 1.0
    fine = tuned.read(tmp_path / "out", "cpu")
    assert fine.network.reader is not None
    assert fine.network.reader.mix.layer_norm
    assert fine.network.reader.dim == 200
    probabilities = fine.answer([*GOOD, *BAD])
    assert (probabilities.argmax(1) == np.array([1, 1, 1, 0, 0, 0])).all()
    np.testing.assert_allclose(fine.answer(["처음보는 달렸다"]), probabilities[5:6], atol=1e-5)


def test_few_labels_do_without_an_lstm(run: Path) -> None:
    subject = tuner(run, reader={"layer_norm": True})
    reader = subject._network(subject.task.fit(["0", "1"], ""), subject.settings(48), 0).reader
    assert isinstance(reader, Reader)
    assert reader.lstm is None
    assert reader.mix.layer_norm
    states, mask = torch.randn(3, 2, 5, reader.dim), torch.ones(2, 5, dtype=torch.bool)
    torch.testing.assert_close(reader.eval()(states, mask), reader.mix(states))
    assert "cells" not in ADAPTATION.settings(FEW_LABELS, False).get("reader", {})  # type: ignore[misc]
    assert ADAPTATION.settings(48, True) == ADAPTATION.settings(FEW_LABELS, False)  # type: ignore[misc]


def fresh(subject: Tuner) -> tuple[TaskModel, Labelled]:
    """A network that has learnt nothing, and the rows with their targets."""
    answers = subject.task.fit(["0", "1"], "")
    data = with_targets(subject.read(subject.examples), subject.task, answers, subject.examples.labels, "rows")
    return subject._network(answers, subject.settings(48), 0), data


def regression(found: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """The probe's objective at its least for vectors as they are, and the logits there: scikit-learn's."""
    scaled = (found - found.mean(0)) / np.maximum(found.std(0), SMALLEST)
    # with two classes scikit-learn has one weight w where a softmax has w / 2 and -w / 2, half its squares
    peer = LogisticRegression(C=2 / PENALTY, tol=1e-10, max_iter=5_000).fit(scaled, targets)
    logits = peer.decision_function(scaled)
    loss = np.logaddexp(0, np.where(targets == 1, -logits, logits)).sum()
    return float(loss + PENALTY / 4 * np.square(peer.coef_).sum()), logits


def test_the_probe_finds_the_shares_of_the_layers_together_with_the_map(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("munmaek.tasks.probe.PENALTY", PENALTY)
    subject = tuner(run)
    network, data = fresh(subject)
    mix = network.only_mix
    assert mix is not None
    start = {name: value.clone() for name, value in network.state_dict().items()}
    probe(network, subject.task, data)
    least, wanted = regression(vectors(network, data), data.targets)
    logits = outputs(network, data)
    assert logits[:, 1] - logits[:, 0] == pytest.approx(wanted, abs=2e-3), "at these shares there is no better map"
    shares = mix.weights().detach()
    assert shares.sum() == pytest.approx(1.0)
    others = [
        torch.zeros(3),
        *torch.eye(3).mul(30.0),
        *(shares.log() + 0.2 * torch.eye(3)),
        *(shares.log() - 0.2 * torch.eye(3)),
    ]
    for scores in others:
        with torch.no_grad():
            mix.scores.copy_(scores)
        assert regression(vectors(network, data), data.targets)[0] > least - 1e-3
    assert np.ptp(shares.numpy()) > 0.05, "there is something to find"
    assert moved(start, network) == {"reader.mix.scores", "head.output.weight", "head.output.bias"}


def test_few_labels_start_at_the_probe_where_there_is_only_a_mix(run: Path) -> None:
    subject = tuner(run)
    assert subject.settings(100).probe
    assert subject.settings(100).head_rate == 1.0
    assert subject.settings(100).frozen
    assert not subject.settings(59).probe, "less than thirty of each class"
    assert subject.settings(59).head_rate == 100.0
    assert not subject.settings(FEW_LABELS).probe
    assert not tuner(run, reader={"cells": 16}).settings(100).probe
    assert not tuner(run, pooling="max").settings(100).probe, "the most of a mix is not the mix of the most"
    with pytest.raises(RequestError, match="probe"):
        tuner(run, reader={"cells": 16}, probe=True).settings(100)
    fitted = tuner(run, probe=True, epochs=0.01, learning_rate=1e-12).fit(0)
    network, data = fresh(subject)
    probe(network, subject.task, data)
    assert outputs(fitted.network, data) == pytest.approx(outputs(network, data), abs=0.05)


def test_wrong_settings_are_said(run: Path) -> None:
    with pytest.raises(RequestError, match="layer_norm"):
        tuner(run, reader={"layernorm": True}).fit(0)
    with pytest.raises(RequestError, match="frozen"):
        tuner(run, frosen=True)
