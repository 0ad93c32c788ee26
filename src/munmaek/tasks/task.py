"""What a task is: how labels become targets, outputs become a loss and answers, and answers become scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from munmaek.core.errors import CheckpointError

NO_TARGET = -1
"""Instead of a token's class number: nothing is to be learnt there."""


@dataclass(frozen=True)
class Answers:
    """What a head can answer: one of some classes, a number, or a part of a text.

    Attributes:
        classes: names in a fixed order; empty for a number.
        mean, scale: of the training numbers; the head works on (number - mean) / scale.
        longest: characters that a part of a text may have. empty: whether no part of it may be the answer.
    """

    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    longest: int = 0
    empty: bool = False

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
            longest, empty = int(values.get("longest", 0)), bool(values.get("empty", False))
            return Answers(tuple(classes), float(values["mean"]), float(values["scale"]), longest, empty)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the task's answers cannot be read: {error}", where=where) from error


@dataclass(frozen=True)
class Tokens:
    """Where the tokens of some readings of texts stand in them; a text has one reading, or one a window.

    Attributes:
        texts: those that the tokens' characters are of.
        offsets: (readings + 1,) where the tokens of each reading begin.
        spans: (tokens, 2) int32, the characters of each token, equal ends for none.
        rows: (readings,) the number of the text that each is a reading of, in rising order.
    """

    texts: Sequence[str]
    offsets: NDArray[np.int64]
    spans: NDArray[np.int32]
    rows: NDArray[np.int64]

    def readings(self) -> Iterator[tuple[int, slice]]:
        """Of each reading the number of its text and the places of its tokens."""
        begins, ends = self.offsets[:-1].tolist(), self.offsets[1:].tolist()
        return ((row, slice(a, b)) for row, a, b in zip(self.rows.tolist(), begins, ends, strict=True))


def lost_notes(name: str, things: str, counts: tuple[int, int, int], past: str) -> list[str]:
    """What no answer to tokens can get right, in sentences.

    Args:
        name: of the rows. things: what is looked for. counts: of these all, those that begin or end inside a token, and
            those that are not read whole. past: what becomes of the last.
    """
    total, inside, unread = counts
    notes: list[str] = []
    if inside:
        notes.append(
            f"{name}: {inside:,} of {total:,} {things} begin or end inside a token and cannot be found exactly; "
            "tokenizers of morphemes or syllables cut finer"
        )
    if unread:
        notes.append(f"{name}: {unread:,} of {total:,} {things} {past}")
    return notes


@dataclass(frozen=True)
class PerToken:
    """What a task adds whose head answers every token of a row: how tokens and rows become one another.

    Attributes:
        targets: (Answers, the rows' targets, Tokens) -> `(tokens,)` class numbers or NO_TARGET.
        count: targets of some readings `(readings, seq)` -> how many the mean of their loss is over.
        collect: (Answers, what `Task.answer` gave of all tokens, Tokens) -> the rows' answers.
        by_class: (Answers, the rows' answers, the rows' targets) -> class -> F1.
        about: (labels, dev labels or None) -> what a person should know of them before training.
        lost: (the rows' targets, Tokens, name of the rows) -> what no answer to these tokens can get right.
        chance: (Answers, texts, the rows' targets, other texts) -> answers to those that take no reading.
        windows: the tokens are those of a pair's second text, and one longer than the model reads has several readings.
    """

    targets: Callable[[Answers, NDArray[Any], Tokens], NDArray[np.int64]]
    count: Callable[[Any], int]
    collect: Callable[[Answers, NDArray[np.float32], Tokens], NDArray[Any]]
    by_class: Callable[[Answers, NDArray[Any], NDArray[Any]], dict[str, float]]
    about: Callable[[Sequence[str], Sequence[str] | None], list[str]]
    lost: Callable[[NDArray[Any], Tokens, str], list[str]]
    chance: Callable[[Answers, Sequence[str], NDArray[Any], Sequence[str]], NDArray[Any]]
    windows: bool = False


@dataclass(frozen=True)
class Task:
    """One kind of question to ask of a text, of two, or of each token.

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
        marked: a word is marked in each of a row's two texts (`data.usages`), each is read by itself, and the head
            is told how far they agree (`nn.heads.Agreement`).
        per_token: of a task whose head answers every token, else None. There `loss` is given readings, `(readings, seq,
            num_outputs)` and `(readings, seq)`, `answer` tokens, and `targets`, `scores` and `evidence` whole rows.
        chance: what answers that take no reading are called.
    """

    name: str
    title: str
    pairs: bool | None
    best: str
    fit: Callable[[Sequence[str], str], Answers]
    targets: Callable[[Answers, Sequence[str], str], NDArray[Any]]
    loss: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor | None]]
    answer: Callable[[Answers, NDArray[np.float32]], NDArray[np.float32]]
    scores: Callable[[Answers, NDArray[Any], NDArray[Any]], dict[str, float]]
    strata: Callable[[Sequence[str]], NDArray[np.int64]]
    evidence: Callable[[Answers, NDArray[Any], NDArray[Any]], NDArray[np.float64]]
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    symmetric: bool = False
    chooses: bool = False
    marked: bool = False
    per_token: PerToken | None = None
    chance: str = "Commonest class"

    @property
    def classifies(self) -> bool:
        """Whether a row's answer is one of some classes that its whole text belongs to."""
        return self.name != "regress" and not self.chooses and self.per_token is None

    def num_outputs(self, answers: Answers) -> int:
        """Width of the head: what it gives for one reading of a row."""
        return 1 if self.chooses else answers.num_outputs
