"""Which class is a text of? Cross entropy over class names of any kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from munmaek.core.errors import DataError, RequestError
from munmaek.tasks import scores
from munmaek.tasks.task import Answers, Task

MOST_CLASSES = 10_000


def class_order(names: Sequence[str]) -> tuple[str, ...]:
    """Distinct class names in a fixed order: by value where all are integers, else by their characters."""
    distinct = set(names)
    if all(re.fullmatch(r"-?\d{1,18}", name) for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def fit(labels: Sequence[str], where: str) -> Answers:
    """The classes that some labels name.

    Raises:
        RequestError: the labels look like numbers to predict, or like texts. DataError: fewer than two classes.
    """
    classes = class_order(labels)
    if len(classes) < 2:
        found = f"every row has the label {classes[0]!r}" if classes else "no row has a label"
        raise DataError(
            f"{found}; there is nothing to tell apart", where=where, fix="Give rows of at least two classes."
        )
    if len(classes) > MOST_CLASSES or (len(labels) >= 20 and len(classes) > len(labels) / 2):
        raise RequestError(
            f"{len(classes):,} different labels in {len(labels):,} rows (such as {classes[0]!r}) are hardly classes",
            where=where,
            fix="Choose another --label-column, or use `finetune regress` where the labels are numbers.",
        )
    return Answers(classes)


def targets(answers: Answers, labels: Sequence[str], where: str = "") -> NDArray[np.int64]:
    """The number of each label's class, -1 where training saw none of it."""
    places = {name: place for place, name in enumerate(answers.classes)}
    return np.array([places.get(label, -1) for label in labels], dtype=np.int64)


def loss(outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed cross entropy in nats, in float32, and the number of rows whose top class is right."""
    logits = outputs.float()
    right = (logits.detach().argmax(1) == targets).sum()
    return functional.cross_entropy(logits, targets, reduction="sum"), right


def answer(answers: Answers, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities `(rows, classes)`."""
    logits = outputs.astype(np.float64)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


def score(answers: Answers, probabilities: NDArray[np.float32], wanted: NDArray[Any]) -> dict[str, float]:
    """Accuracy and macro-F1, 0 to 1; a class unseen in training counts as wrong."""
    predicted = probabilities.argmax(axis=1)
    return {"accuracy": scores.accuracy(predicted, wanted), "macro_f1": scores.macro_f1(predicted, wanted)}


def strata(labels: Sequence[str]) -> NDArray[np.int64]:
    """A group a class."""
    return targets(Answers(class_order(labels)), labels)


def evidence(answers: Answers, probabilities: NDArray[np.float32], wanted: NDArray[Any]) -> NDArray[np.float64]:
    """(rows, 2): whether a row is right, and 1."""
    right = probabilities.argmax(axis=1) == wanted
    return np.stack([right, np.ones(len(wanted))], axis=1).astype(np.float64)


def figure(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Accuracy: the share that is right."""
    return sums[..., 0] / np.maximum(sums[..., 1], 1.0)


TASK = Task(
    "classify", "classify texts", False, "accuracy", fit, targets, loss, answer, score, strata, evidence, figure
)
