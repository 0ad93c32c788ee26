"""What a task is: how labels become targets, outputs become a loss and answers, and answers become scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from munmaek.core.errors import CheckpointError


@dataclass(frozen=True)
class Answers:
    """What a head can answer: one of some classes, or a number.

    Attributes:
        classes: names in a fixed order; empty for a number.
        mean, scale: of the training numbers; the head works on (number - mean) / scale.
    """

    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @property
    def num_outputs(self) -> int:
        """How many numbers say an answer."""
        return len(self.classes) or 1

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self) | {"classes": list(self.classes)}

    @staticmethod
    def from_dict(values: dict[str, Any], where: str) -> Answers:
        """Read what `to_dict` wrote; CheckpointError where it is something else."""
        try:
            classes = values["classes"]
            if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
                raise TypeError("classes are not a list of names")
            return Answers(tuple(classes), float(values["mean"]), float(values["scale"]))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the task's answers cannot be read: {error}", where=where) from error


@dataclass(frozen=True)
class Task:
    """One kind of question to ask of a text or of two.

    Attributes:
        name: command-line name. title: for people.
        pairs: True: two texts; False: one; None: either.
        best: the metric that decides, larger is better.
        fit: (labels, where) -> Answers; DataError or RequestError where they cannot be learnt.
        targets: (Answers, labels, where) -> `(rows,)` int64 class numbers (-1: a class unseen in training) or float32
            values, scaled; DataError where a label is no number and must be one.
        loss: outputs `(rows, num_outputs)`, targets -> summed loss in nats (or squared scaled units), and how many
            rows were right (None where that has no meaning).
        answer: (Answers, outputs) -> probabilities `(rows, classes)`, or values `(rows,)` in the labels' unit.
        scores: (Answers, what `answer` gave, targets) -> metric -> value.
        strata: labels -> a group number a row, for drawing a subset that looks like the whole.
        evidence: (Answers, what `answer` gave, targets) -> `(rows, k)` float64: what each row adds to `figure`'s sums.
        figure: sums of evidence over any rows, `(..., k)` -> the deciding metric, `(...)`.
        symmetric: the order of a pair's two texts means nothing.
        chooses: the second text holds alternatives (`data.choices`), each read with the first text; the classes are
            their numbers, and the head gives each reading one output.
    """

    name: str
    title: str
    pairs: bool | None
    best: str
    fit: Callable[[Sequence[str], str], Answers]
    targets: Callable[[Answers, Sequence[str], str], NDArray[Any]]
    loss: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor | None]]
    answer: Callable[[Answers, NDArray[np.float32]], NDArray[np.float32]]
    scores: Callable[[Answers, NDArray[np.float32], NDArray[Any]], dict[str, float]]
    strata: Callable[[Sequence[str]], NDArray[np.int64]]
    evidence: Callable[[Answers, NDArray[np.float32], NDArray[Any]], NDArray[np.float64]]
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    symmetric: bool = False
    chooses: bool = False

    def num_outputs(self, answers: Answers) -> int:
        """Width of the head: what it gives for one reading of a row."""
        return 1 if self.chooses else answers.num_outputs
