"""classify, pair and regress: what they learn from labels, their losses and their answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from munmaek import tasks
from munmaek.core.errors import CheckpointError, DataError, RequestError
from munmaek.tasks.task import Answers

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 0.0], [1.0, 0.0, 4.0]])


def test_every_name_loads_and_another_does_not() -> None:
    for name in tasks.NAMES:
        assert tasks.load(name).name == name
    with pytest.raises(RequestError, match=r"no task 'sum'\. Tasks: classify, pair, regress, choice, tag, span"):
        tasks.load("sum")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["10", "9", "-1", "9"], ("-1", "9", "10")),
        (["나쁨", "좋음", "가끔"], ("가끔", "나쁨", "좋음")),
        (["b", "1", "a"], ("1", "a", "b")),
        (["1", "01", "2"], ("01", "1", "2")),
    ],
)
def test_classes_have_one_order_whatever_the_rows(labels: list[str], classes: tuple[str, ...]) -> None:
    task = tasks.load("classify")
    assert task.fit(labels * 20, "f").classes == classes
    assert task.fit(labels[::-1] * 20, "f").classes == classes


def test_unseen_labels_are_minus_one() -> None:
    answers = Answers(("a", "b"))
    assert tasks.load("pair").targets(answers, ["b", "c", "a"], "f").tolist() == [1, -1, 0]


def test_labels_that_cannot_be_learnt() -> None:
    classify, regress = tasks.load("classify"), tasks.load("regress")
    with pytest.raises(DataError, match=r"f.tsv: every row has the label 'x'"):
        classify.fit(["x"] * 5, "f.tsv")
    with pytest.raises(RequestError, match=r"hardly classes.*regress"):
        classify.fit([str(n / 7) for n in range(100)], "f.tsv")
    with pytest.raises(DataError, match="every row has the number 3"):
        regress.fit(["3", "3.0"], "f.tsv")
    with pytest.raises(DataError, match=r"f.tsv: 2 of 3 labels are not numbers, the first is '좋음'"):
        regress.fit(["1", "좋음", "nan"], "f.tsv")


def test_the_class_loss_reacts_to_every_label_value() -> None:
    task = tasks.load("classify")
    losses = [float(task.loss(LOGITS, torch.tensor([label] * 3))[0]) for label in range(3)]
    assert len({round(loss, 4) for loss in losses}) == 3
    total, right = task.loss(LOGITS, torch.tensor([0, 1, 0]))
    assert float(total) == pytest.approx(float(functional.cross_entropy(LOGITS, torch.tensor([0, 1, 0]))) * 3)
    assert right is not None
    assert int(right) == 2


def test_the_loss_is_float32_under_bf16() -> None:
    for name, targets in (("classify", torch.tensor([0, 1, 2])), ("regress", torch.tensor([0.5, 1.0, 2.0]))):
        outputs = LOGITS.bfloat16() if name == "classify" else LOGITS[:, :1].bfloat16()
        assert tasks.load(name).loss(outputs, targets)[0].dtype == torch.float32


def test_class_answers_are_probabilities() -> None:
    task = tasks.load("classify")
    found = task.answer(Answers(("a", "b", "c")), LOGITS.numpy() * 300)
    assert np.isfinite(found).all()
    assert found.sum(axis=1) == pytest.approx(np.ones(3))
    assert task.scores(Answers(("a", "b", "c")), found, np.array([0, 1, 1])) == {
        "accuracy": pytest.approx(2 / 3),
        "macro_f1": pytest.approx((1 + 2 / 3 + 0) / 3),
    }


def test_numbers_come_back_in_their_own_unit() -> None:
    task = tasks.load("regress")
    labels = ["0", "1.5", "5", "3.25"]
    answers = task.fit(labels, "f")
    wanted = task.targets(answers, labels, "f")
    assert float(wanted.mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(wanted.std()) == pytest.approx(1.0, abs=1e-6)
    found = task.answer(answers, wanted[:, None])
    assert found == pytest.approx(np.array([0, 1.5, 5, 3.25]), abs=1e-5)
    scored = task.scores(answers, found, wanted)
    assert scored["pearson"] == pytest.approx(1.0)
    assert scored["mean_squared_error"] == pytest.approx(0.0, abs=1e-9)
    assert task.scores(answers, found + 2, wanted)["mean_squared_error"] == pytest.approx(4.0, abs=1e-4)


def test_answers_survive_json() -> None:
    for answers in (Answers(("긍정", "1")), Answers((), 2.5, 1.25)):
        assert Answers.from_dict(answers.to_dict(), "f") == answers
    for broken in ({}, {"classes": "ab", "mean": 0, "scale": 1}, {"classes": [1], "mean": 0, "scale": 1}):
        with pytest.raises(CheckpointError, match="answers cannot be read"):
            Answers.from_dict(broken, "f")
