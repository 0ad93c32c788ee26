"""A teacher's surest answers are what its pupil learns from, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from munmaek import tasks
from munmaek.core.errors import RequestError
from munmaek.data.tables import read_table
from munmaek.run.evaluate import evaluate
from munmaek.run.finetune import finetune
from munmaek.run.model import load
from munmaek.run.self_training import read_texts, self_trained, surest
from munmaek.run.tuning import Tuner
from munmaek.tasks.examples import from_table


def test_the_surest_half_of_every_class() -> None:
    sure = np.array([0.9, 0.6, 0.7, 0.55, 0.99])
    probabilities = np.stack([sure, 1 - sure], axis=1)
    probabilities[[1, 3]] = probabilities[[1, 3], ::-1]
    assert surest(probabilities).tolist() == [0, 1, 4]
    assert surest(probabilities, 1.0).tolist() == [0, 1, 2, 3, 4]
    assert surest(np.zeros((0, 2))).tolist() == []


@pytest.fixture
def tuner(pretrained: Path, labelled) -> Tuner:
    examples = from_table(read_table(labelled[0], pairs=False, labels=True), training=True)
    return Tuner(load(pretrained), tasks.load("classify"), examples, changes={"epochs": 12})


def test_the_pupil_has_more_rows_and_starts_from_the_model(tuner: Tuner, labelled) -> None:
    texts = read_texts(labelled[1], "document")
    assert len(texts) == 40
    before = {name: tensor.clone() for name, tensor in tuner.model.module.state_dict().items()}
    teacher = tuner.fit(3, 20)
    pupil = self_trained(tuner, [*texts, "", *tuner.examples.texts], 3, 20)
    assert teacher.num_labels == 20
    assert 20 + 80 <= pupil.num_labels <= 20 + 100  # of the other 180 texts, the surest half of each class
    assert all(bool((before[name] == tensor).all()) for name, tensor in tuner.model.module.state_dict().items())
    again = self_trained(tuner, [*texts, "", *tuner.examples.texts], 3, 20)
    first, second = (fitted.network.head.state_dict() for fitted in (pupil, again))
    assert all(bool((first[name] == second[name]).all()) for name in first)


def test_it_teaches_itself_from_a_file(pretrained: Path, labelled, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("\n".join(read_texts(labelled[0], "document")) + "\n", "utf-8")
    found = finetune("classify", model=pretrained, train=labelled[0], labels=16, out=tmp_path / "out",
                     unlabelled=tmp_path / "more.txt")  # fmt: skip
    assert found.num_labels > 16
    assert evaluate(tmp_path / "out", labelled[1]).scores["accuracy"] > 0.8


def test_what_cannot_be(tuner: Tuner, pretrained: Path, labelled, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no texts beside"):
        self_trained(tuner, tuner.examples.texts, 0, None)
    with pytest.raises(RequestError, match="cannot train itself"):
        finetune("regress", model=pretrained, train=labelled[0], out=tmp_path / "r", unlabelled=labelled[1])
