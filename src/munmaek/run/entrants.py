"""Who runs in a comparison: its arms by name, what each is trained from, and the models that they share."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from munmaek.core import files
from munmaek.core.contracts import System
from munmaek.run.arms import Arm as Runner
from munmaek.run.arms import ChanceArm, NetworkArm, Question, TestRows, TfidfArm
from munmaek.run.comparison import FLOORS, SCRATCH, Arm
from munmaek.run.folder import CARD
from munmaek.run.model import Model
from munmaek.run.request import Request
from munmaek.tasks.defaults import known_settings

TFIDF_TITLE = "TF-IDF + logistic regression"


@dataclass(frozen=True)
class Run:
    """A run to be done: an arm, its model's name ("" for a floor), a number of labels (None: all), and a seed."""

    arm: str
    system: str
    labels: int | None
    seed: int

    @property
    def title(self) -> str:
        """What it is called while it is under way."""
        return f"{self.arm} {'all' if self.labels is None else format(self.labels, ',')} #{self.seed}"


def title_of(name: str, system: System) -> str:
    """What a model of a comparison is called: as its system, and where it was given, with its own name."""
    return system.title if name == system.name else f"{system.title} ({name})"


class Entrants:
    """The arms of a comparison, in the order in which they came.

    Attributes:
        arms: what is said of each. runners, weights: by name, what runs, and what tells its first weights from others.
        models: by name, a system's or a given model's.
    """

    def __init__(self, request: Request, question: Question) -> None:
        self.request, self.question = request, question
        self.tuning = known_settings(request.tuning, "--tune")
        self.arms: list[Arm] = []
        self.runners: dict[str, Runner] = {}
        self.weights: dict[str, str] = {}
        self.models: dict[str, Model] = {}
        if request.floors:
            self._floors()

    def _floors(self) -> None:
        task = self.question.task
        kinds: dict[str, Runner] = {"chance": ChanceArm(self.question)}
        if task.classifies:
            kinds["tfidf"] = TfidfArm(self.question)
        for name in FLOORS:
            if name in kinds:
                self._add(Arm(name, "", TFIDF_TITLE if name == "tfidf" else task.chance), kinds[name], "")

    def given(self, run: Run) -> tuple[str, Runner, str, int | None, int]:
        """A run as `Runs.row` and `Runs.known` take it."""
        return run.arm, self.runners[run.arm], self.weights[run.arm], run.labels, run.seed

    def add(self, name: str, model: Model, weights: str) -> list[Runner]:
        """A model's arms: as it was pre-trained, and where that is asked for, from random weights."""
        request, title = self.request, title_of(name, model.system)
        self.models[name] = model
        added: list[Runner] = []
        test, own = TestRows(request.out), known_settings(request.own_tuning.get(name, {}), "--tune")
        for scratch in (False, True) if request.scratch else (False,):
            runner = NetworkArm(self.question, model, scratch=scratch, max_length=request.max_length,
                                settings=self.tuning | own, test=test)  # fmt: skip
            key = f"{name} {SCRATCH}" if scratch else name
            first = _shape(model.folder) if scratch else weights
            self._add(Arm(key, name, f"{title}, {SCRATCH}" if scratch else title, scratch), runner, first)
            added.append(runner)
        return added

    def _add(self, arm: Arm, runner: Runner, weights: str) -> None:
        self.arms.append(arm)
        self.runners[arm.name], self.weights[arm.name] = runner, weights


def _shape(folder: Path) -> str:
    """What distinguishes a network from scratch from another: its shape and tokenizer, and no pre-training."""
    card = files.read_json(folder / CARD)
    known = [card["system"], card["config"], card["tokenizer"]["hash"]]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
