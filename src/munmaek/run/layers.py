"""compare --layers: which vectors of a frozen encoder to take, for tagging and for telling senses apart."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from munmaek import systems, tasks
from munmaek.core.errors import CheckpointError, RequestError
from munmaek.core.recipe import Budget
from munmaek.core.runtime import processors
from munmaek.data import homographs
from munmaek.run import comparison as kept
from munmaek.run.arms import Answered, Progress, Question
from munmaek.run.cards import Pretrained, pretrained
from munmaek.run.comparison import Comparison, LayerStudy, ModelCard, Row, WayScore, WaySense
from munmaek.run.model import Model
from munmaek.run.readings import longest
from munmaek.run.request import MODELS, Request, Told, asked_for, examples_of, name_of, sizes
from munmaek.run.runs import Runs
from munmaek.run.stored import StoredEncoder, store
from munmaek.run.tuning import HEAD_STREAM, compute
from munmaek.run.ways import CELLS, DROPOUT, LAYER_DROPOUT, WAYS, Reader, Way, plain
from munmaek.tasks import Task
from munmaek.tasks.defaults import REFERENCE_DIM, Settings, settings_for
from munmaek.tasks.labelled import Labelled, LabelledObjective, answer, tokenise, with_targets
from munmaek.tasks.network import TaskModel, make_head
from munmaek.tasks.sense import mean_separation
from munmaek.train.optim import ParamGroup
from munmaek.train.trainer import Job, train

TASK = "tag"
SIZES: tuple[int | None, ...] = (1_000,)
ROWS = "layers.jsonl"
PER_SENSE = 12
"""Documents of each sense of the built-in corpus's homographs."""
LEARNING_RATE = 2e-3
MIX_RATE = 10.0
"""Factor on it for the numbers that weigh layers. Adam moves a number by at most its rate a step: at the common one a
few hundred steps could not take a weight far from the equal ones that it begins with."""
EPOCHS = 2.0
"""Factor on the epochs that fine-tuning takes for so many labels: the whole tagger begins with random weights."""


def layers(
    *,
    out: str | Path,
    corpus: Any,
    train: str | Path,
    test: str | Path | None = None,
    systems: Sequence[str] = (),
    budget: str = "10m",
    size: str = "mini",
    labels: Sequence[int | None] | None = None,
    seeds: int = 5,
    seeds_all: int = 3,
    max_length: int | None = None,
    pretraining: Mapping[str, Any] | None = None,
    own: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
    device: str = "auto",
    command: str = "",
    models: str | Path | None = None,
    told: Told | None = None,
) -> Comparison:
    """Score the seven ways of `run.ways` on every contextual system of a comparison, the systems left as they are.

    Each way feeds the same tagger, a BiLSTM of two layers, learnt on numbers of labels from several seeds and scored by
    the F1 of entities. Without any learning, each says how well the senses of the built-in corpus's homographs are told
    apart in its held-out documents: there a sum has equal weights.

    What is not pre-trained in `out` yet is pre-trained, as `compare` does it. The same call again does no run twice.
    The comparison that lies in `out` keeps what it has; where there is none, one without walk over labels is written.

    Args:
        out, corpus, budget, size, pretraining, own, models, seed, device, told: see `compare`.
        train, test: files of tags (`data.tagged`); without a test file a fifth of the rows is held out.
        systems: registered names; none is all. Those with one vector a word have no layers and are left out.
        labels, seeds, seeds_all: numbers of labels (None among them is all), seeds of each, and seeds of all labels;
            by default 1,000, or all where there are no more.
    Raises:
        RequestError, DataError: the request or a file cannot be used, or no system asked for has layers.
        Interrupted, JobError: see trainer.
    """
    request = Request(
        Path(out), corpus, train, test, _contextual(systems), budget, size,
        labels, seeds, seeds_all, False, False, TASK, (None, None, None), "", (),
        max_length, dict(pretraining or {}), dict(own or {}), seed, device, command, Path(models or Path(out) / MODELS),
    )  # fmt: skip
    return _Studying(request, told or Told()).run()


def _contextual(asked: Sequence[str]) -> tuple[str, ...]:
    found = tuple(name for name in asked_for(asked) if systems.load(name).contextual)
    if not found:
        able = ", ".join(name for name in systems.names() if systems.load(name).contextual)
        raise RequestError("none of these systems has layers above its embeddings", where="--systems",
                           fix=f"Systems with layers: {able}.")  # fmt: skip
    return found


class _Studying:
    """One call of `layers`."""

    def __init__(self, request: Request, told: Told) -> None:
        self.request, self.told = request, told
        task: Task = tasks.load(request.task)
        train, test = examples_of(request, task)
        self.labels = sizes(request.labels, SIZES, len(train))
        self.question = Question(task, train, test)
        self.runs = Runs(request.out, ROWS, self.question, told.progress, told.row)
        self.rows: list[Row] = []
        self.taken: dict[str, list[int]] = {}
        self.cards: list[ModelCard] = []
        self.senses: list[WaySense] = []

    def run(self) -> Comparison:
        """System after system: its runs, and how it tells senses apart."""
        for name in self.request.systems:
            made = pretrained(self.request, self.told, name, self.question.test.texts)
            self._tag(name, made)
            areas = sense_areas(made.model)
            self.senses += [
                WaySense(name, way.name, way.layers(made.model.num_layers), areas[way.name]) for way in WAYS
            ]
            self.cards.append(made.card)
        found = self._comparison()
        found.write(self.request.out)
        return found

    def _tag(self, name: str, made: Pretrained) -> None:
        request = self.request
        states = States(made.model, self.question, self._drawn(), request.max_length, request.out)
        for labels in self.labels:
            for way in WAYS:
                arm = WayArm(self.question, states, way)
                self.taken[f"{name} {way.name}"] = arm.layers
                for seed in range(request.seeds if labels is not None else request.seeds_all):
                    self.rows.append(self.runs.row(f"{name} {way.name}", arm, made.weights, labels, seed))

    def _drawn(self) -> NDArray[np.int64]:
        """The training rows that any of the runs draws, ascending."""
        request = self.request
        drawn = [
            self.question.rows(labels, seed) for labels in self.labels
            for seed in range(1 if labels is None else request.seeds)
        ]  # fmt: skip
        return np.unique(np.concatenate(drawn))

    def _comparison(self) -> Comparison:
        request, question = self.request, self.question
        made = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        train = Path(request.train).name
        test = Path(request.test).name if request.test else ""
        built_in = isinstance(request.corpus, homographs.HomographCorpus)
        study = LayerStudy(
            request.command, made, train, test, question.task.best, len(question.train), len(question.test), CELLS,
            len(sense_words()), self._scores(), self.senses, self.rows,
            [homographs.NOTICE if built_in else homographs.BORROWED],
        )  # fmt: skip
        try:
            before = kept.read(request.out)
        except CheckpointError:
            before = Comparison(
                command=request.command, made=made, corpus=name_of(request.corpus), train=train, test=test,
                budget=request.budget, size=request.size, threads=processors(), task=question.task.name,
                metric=question.task.best, num_train=len(question.train), num_test=len(question.test),
                num_seeds=request.seeds, arms=[], models=[], rows=[], standings=[], contrasts=[],
                notices=[homographs.NOTICE] if built_in else [],
            )  # fmt: skip
        known = {card.system for card in before.models}
        new = [card for card in self.cards if card.system not in known]
        return replace(before, layers=study, models=before.models + new)

    def _scores(self) -> list[WayScore]:
        samples = self.runs.samples(self.rows)
        found: list[WayScore] = []
        for (arm, labels), sample in samples.items():
            system, way = arm.split(" ")
            rows = [row for row in self.rows if (row.arm, row.labels) == (arm, labels)]
            others = [f"{system} {each.name}" for each in WAYS if each.name != way]
            ahead = all(sample.less(samples[other, labels])[1] > 0 for other in others)
            shares = np.mean([row.shares for row in rows], axis=0).tolist()
            found.append(WayScore(system, way, self.taken[arm], labels, rows[0].num_labels, len(rows),
                                  *sample.interval(), shares, ahead))  # fmt: skip
        return found


# ---- tagging --------------------------------------------------------------------------------------------------------


class States:
    """The states of one system's tokens in the rows that a question's runs need, computed the first time.

    Args:
        rows: the training rows that any run draws, ascending. folder: where the states lie meanwhile.
    """

    def __init__(
        self, model: Model, question: Question, rows: NDArray[np.int64], max_length: int | None, folder: Path
    ) -> None:
        self.model, self.question, self._rows, self._folder = model, question, rows, folder
        self.max_length = longest(model, max_length)

    @cached_property
    def _stored(self) -> tuple[StoredEncoder, Labelled, Labelled]:
        model, question = self.model, self.question
        parts = [
            tokenise(model.encoder, part.texts, max_length=self.max_length, per_token=True)
            for part in (question.train.take(self._rows), question.test)
        ]
        encoder, (train, test) = store(model, parts, self._folder, model.precision)
        return encoder, train, test

    @property
    def encoder(self) -> StoredEncoder:
        """The states of all the tokens."""
        return self._stored[0]

    @property
    def test(self) -> Labelled:
        """The test rows."""
        return self._stored[2]

    def drawn(self, rows: NDArray[np.int64]) -> Labelled:
        """Some of the training rows."""
        return self._stored[1].take(np.searchsorted(self._rows, rows))


class WayArm:
    """A tagger that reads one way's vectors of a frozen system; see `arms.Arm`."""

    def __init__(self, question: Question, states: States, way: Way) -> None:
        self.question, self.states, self.way = question, states, way
        self.layers = way.layers(states.model.num_layers)

    def settings(self, labels: int | None) -> dict[str, Any]:
        """How a run is trained, and the tagger that it trains."""
        found = asdict(self._settings(len(self.question.train) if labels is None else labels))
        return found | {
            "way": self.way.name, "layers": self.layers, "cells": CELLS, "dropouts": [DROPOUT, LAYER_DROPOUT],
            "mix_rate": MIX_RATE, "max_length": self.states.max_length,
        }  # fmt: skip

    @staticmethod
    def _settings(num_labels: int) -> Settings:
        usual = settings_for(num_labels, REFERENCE_DIM)
        return replace(usual, epochs=EPOCHS * usual.epochs, learning_rate=LEARNING_RATE, head_rate=1.0, frozen=True)

    def run(self, labels: int | None, seed: int, progress: Progress | None = None) -> Answered:
        """Learn and answer."""
        question, task = self.question, self.question.task
        rows = question.rows(labels, seed)
        chosen, answers = question.drawn(labels, seed)
        data = with_targets(self.states.drawn(rows), task, answers, chosen.labels, chosen.where)
        settings = self._settings(len(rows))
        encoder = self.states.encoder.only(self.layers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            reader = Reader(self.way, encoder.sizes(data.ids), encoder.dim)
        head = make_head(reader.dim, task.num_outputs(answers), dropout=settings.dropout, seed=seed + HEAD_STREAM)
        model = self.states.model
        network = TaskModel(encoder, head, settings.pooling, reader=reader, frozen=True, per_token=True)
        network = network.to(model.device)
        mixing = [] if reader.mix is None else [ParamGroup(list(reader.mix.parameters()), MIX_RATE)]
        tagger = ParamGroup([*reader.layers.parameters(), *head.parameters()])
        train(
            Job(
                network, LabelledObjective(task, encoder, settings.batch_rows), data,
                settings.recipe(self.states.max_length), Budget(epochs=settings.epochs), seed,
                groups=[tagger, *mixing], device=model.device.type, progress=progress,
            )
        )  # fmt: skip
        test = self.states.test
        found = answer(task, answers, compute(model, network, test), test)
        return replace(question.answered(answers, found), shares=reader.shares())


# ---- senses ---------------------------------------------------------------------------------------------------------


def sense_words() -> dict[str, list[homographs.SenseExample]]:
    """Held-out occurrences of each homograph of the built-in corpus that has scenes for several senses."""
    words: dict[str, list[homographs.SenseExample]] = {}
    for example in homographs.sense_examples(PER_SENSE):
        words.setdefault(example.word, []).append(example)
    return {word: found for word, found in words.items() if len({each.sense for each in found}) > 1}


def sense_areas(model: Model) -> dict[str, float]:
    """Way -> how well its vectors tell the senses of homographs apart: the mean area over them (`tasks.sense`).

    Weighted sums have equal weights, of layers brought to one size as for the tagger. An occurrence past what the model
    reads counts nowhere; NaN where no word has several left.
    """
    words = sense_words()
    examples = [each for found in words.values() for each in found]
    vectors = model.spans_layers([each.text for each in examples], [(each.start, each.end) for each in examples])
    return areas([each.word for each in examples], [each.sense for each in examples], vectors)


def areas(words: Sequence[str], senses: Sequence[str], vectors: NDArray[np.floating]) -> dict[str, float]:
    """The same of vectors `(occurrences, layers, dim)`, NaN where an occurrence has none."""
    known = np.isfinite(vectors).reshape(len(vectors), -1).min(axis=1)
    sizes = np.sqrt(np.square(vectors[known]).mean(axis=(0, 2)))[:, None]
    level = vectors / np.maximum(sizes, 1e-6)
    rows = np.flatnonzero(known).tolist()
    words, senses = [words[row] for row in rows], [senses[row] for row in rows]
    return {way.name: mean_separation(words, senses, plain(way, level)[rows]) for way in WAYS}
