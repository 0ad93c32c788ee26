"""The arms of a comparison: each answers a test set after learning some labels from a seed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from munmaek.run.model import Model
from munmaek.run.stored import StoredRows
from munmaek.run.tuning import Fitted, Tuner, compute
from munmaek.tasks import Answers, Task
from munmaek.tasks.examples import Examples, subset
from munmaek.tasks.labelled import Labelled, answer
from munmaek.tasks.tfidf import tfidf
from munmaek.train.trainer import Event

Progress = Callable[[Event], None]


@dataclass(frozen=True)
class Answered:
    """What an arm got: metric -> value on the test set, and what each test row adds to the deciding one.

    `shares` are the weights of layers that it learnt, where it weighs layers.
    """

    scores: dict[str, float]
    evidence: NDArray[np.float64]
    shares: list[float] = field(default_factory=list[float])


class Arm(Protocol):
    """One way of answering."""

    def settings(self, labels: int | None) -> dict[str, Any]:
        """How its runs with so many labels are trained, as JSON; what a finished run must agree on."""
        ...

    def run(self, labels: int | None, seed: int, progress: Progress | None = None) -> Answered:
        """Learn so many labels (None: all), drawn and trained from the seed, and answer the test set."""
        ...


class Question:
    """What every arm is asked: a task, its training rows and its test rows."""

    def __init__(self, task: Task, train: Examples, test: Examples) -> None:
        self.task, self.train, self.test = task, train, test
        self._strata = task.strata(train.labels)

    def rows(self, labels: int | None, seed: int) -> NDArray[np.int64]:
        """The training rows that a seed draws: the same for every arm, and fewer are among more."""
        return np.arange(len(self.train)) if labels is None else subset(self._strata, labels, seed)

    def drawn(self, labels: int | None, seed: int) -> tuple[Examples, Answers]:
        """Those rows as examples, and what can be answered; of alternatives, whatever rows were drawn."""
        chosen = self.train.take(self.rows(labels, seed))
        return chosen, self.task.fit((self.train if self.task.chooses else chosen).labels, self.train.where)

    def answered(self, answers: Answers, found: NDArray[Any]) -> Answered:
        """Score answers to the test rows."""
        wanted = self.task.targets(answers, self.test.labels, self.test.where)
        return Answered(self.task.scores(answers, found, wanted), self.task.evidence(answers, found, wanted))


class NetworkArm:
    """A model fine-tuned as its system is, or the same network from random weights.

    Args:
        test: the test rows as the model reads them, shared by its arms; where states of them may lie, those of
            training rows may, too.
    """

    def __init__(
        self, question: Question, model: Model, *, scratch: bool = False, max_length: int | None = None,
        settings: Mapping[str, Any] | None = None, test: TestRows | None = None,
    ) -> None:  # fmt: skip
        self.question, self.model = question, model
        self.test = test or TestRows()
        self.tuner = Tuner(model, question.task, question.train, changes=settings, from_scratch=scratch,
                           max_length=max_length, folder=self.test.folder)  # fmt: skip

    def settings(self, labels: int | None) -> dict[str, Any]:
        """Settings of the fine-tuning and the longest input."""
        found = asdict(self.tuner.settings(len(self.question.train) if labels is None else labels))
        return found | {"max_length": self.tuner.max_length}

    def run(self, labels: int | None, seed: int, progress: Progress | None = None) -> Answered:
        """Fine-tune and answer."""
        fitted = self.tuner.fit(seed, labels, progress=progress)
        tokens = self.test.tokens(self.tuner, self.question.test)
        with self.test.under(fitted) as rows:
            outputs = compute(self.model, fitted.network, rows)
        found = answer(self.question.task, fitted.answers, outputs, tokens)
        return self.question.answered(fitted.answers, found)


class TestRows:
    """The test rows as one model reads them: tokenised once, and its states of them computed once where they stay.

    Args:
        folder: where states may lie while this lives that are too many for memory.
    """

    __test__ = False

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._tokens: Labelled | None = None
        self._stored: StoredRows | None = None

    def tokens(self, tuner: Tuner, test: Examples) -> Labelled:
        """The tokens, made the first time."""
        if self._tokens is None:
            self._tokens = tuner.read(test)
            self._stored = StoredRows(tuner.model, [self._tokens], self.folder)
        return self._tokens

    @contextmanager
    def under(self, fitted: Fitted) -> Generator[Labelled]:
        """The rows as a network reads them within, see `StoredRows.under`; after `tokens`."""
        assert self._tokens is not None
        assert self._stored is not None
        if not fitted.own_body:
            yield self._tokens
            return
        with self._stored.under(fitted.network) as (rows,):
            yield rows


class _Floor:
    """An arm that nothing is set of."""

    def __init__(self, question: Question) -> None:
        self.question = question

    def settings(self, labels: int | None) -> dict[str, Any]:
        """Nothing is set."""
        return {}


class TfidfArm(_Floor):
    """TF-IDF of character n-grams with logistic regression: it knows no text but the labelled."""

    def run(self, labels: int | None, seed: int, progress: Progress | None = None) -> Answered:
        """Fit and answer."""
        question = self.question
        (chosen, answers), test = question.drawn(labels, seed), question.test
        targets = question.task.targets(answers, chosen.labels, chosen.where)
        predicted = tfidf(chosen.texts, targets, test.texts, chosen.pairs, test.pairs)
        return question.answered(answers, np.eye(answers.num_outputs, dtype=np.float32)[predicted])


class ChanceArm(_Floor):
    """The commonest class of the drawn labels, or their mean: what knowing nothing gives.

    Of a task that answers tokens, what it says of chance (`PerToken.chance`).
    """

    def run(self, labels: int | None, seed: int, progress: Progress | None = None) -> Answered:
        """Count and answer."""
        question = self.question
        chosen, answers = question.drawn(labels, seed)
        rows = len(question.test)
        if not answers.classes:
            return question.answered(answers, np.full(rows, answers.mean, dtype=np.float32))
        targets = question.task.targets(answers, chosen.labels, chosen.where)
        if question.task.per_token is not None:
            texts, asked = (rows.texts if rows.pairs is None else rows.pairs for rows in (chosen, question.test))
            return question.answered(answers, question.task.per_token.chance(answers, texts, targets, asked))
        commonest = np.bincount(targets, minlength=answers.num_outputs).argmax()
        return question.answered(answers, np.eye(answers.num_outputs, dtype=np.float32)[np.full(rows, commonest)])
