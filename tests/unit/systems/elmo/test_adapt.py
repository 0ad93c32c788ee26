"""ELMo in a task: frozen by default, the mix and the task's LSTM learn, and all of it is saved and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek.core.errors import RequestError
from munmaek.run import folder as model_folder
from munmaek.run import tuned
from munmaek.run.finetune import finetune
from munmaek.run.model import Model
from munmaek.run.tuning import Tuner
from munmaek.systems.elmo.adapt import ADAPTATION, FEW_LABELS, Reader
from munmaek.tasks import load as load_task
from munmaek.tasks.examples import Examples

GOOD, BAD = ("눈이 예쁘다", "배가 좋았다", "강가에서 좋았다"), ("말을 들었다", "밤에 내렸다", "처음보는 달렸다")


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


def test_wrong_settings_are_said(run: Path) -> None:
    with pytest.raises(RequestError, match="layer_norm"):
        tuner(run, reader={"layernorm": True}).fit(0)
    with pytest.raises(RequestError, match="frozen"):
        tuner(run, frosen=True)
