"""compare: one text, one budget, every generation; what each buys by the number of labels."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from munmaek import tasks
from munmaek.core.errors import RequestError
from munmaek.core.runtime import num_threads, processors
from munmaek.data import homographs
from munmaek.data.morphemes import remembered
from munmaek.run import in_context
from munmaek.run.arms import Question
from munmaek.run.cards import given, pretrained
from munmaek.run.comparison import Comparison, Contrast, ModelCard, Row, Standing, study_of
from munmaek.run.entrants import Entrants, Run
from munmaek.run.lanes import lanes_for, side_by_side
from munmaek.run.messages import Look
from munmaek.run.request import (
    MODELS,
    ROWS,
    SIZES,
    Request,
    Told,
    asked_for,
    examples_of,
    looked_through,
    name_of,
    names_of,
    sizes,
)  # fmt: skip
from munmaek.run.runs import Runs
from munmaek.tasks import Task


def compare(
    *,
    out: str | Path,
    corpus: Any = None,
    train: str | Path,
    test: str | Path | None = None,
    systems: Sequence[str] = (),
    trained: Sequence[str | Path] = (),
    budget: str = "10m",
    size: str = "mini",
    labels: Sequence[int | None] | None = None,
    seeds: int = 5,
    seeds_all: int = 3,
    scratch: bool = True,
    floors: bool = True,
    task: str = "classify",
    text_column: str | None = None,
    pair_column: str | None = None,
    label_column: str | None = None,
    word: str = homographs.MOTTO_WORD,
    sentences: Sequence[str] = homographs.MOTTO,
    max_length: int | None = None,
    pretraining: Mapping[str, Any] | None = None,
    own: Mapping[str, Mapping[str, Any]] | None = None,
    tuning: Mapping[str, Any] | None = None,
    own_tuning: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
    device: str = "auto",
    command: str = "",
    models: str | Path | None = None,
    told: Told | None = None,
) -> Comparison:
    """Pre-train systems on one text, then fine-tune and score each at every number of labels, beside two floors.

    Everything done is kept in `out`, and the same call again goes on where it stopped: trainings from their
    checkpoints, and no run of `rows.jsonl` is done twice. Several calls may share the work by naming other systems.

    Args:
        out: a folder: models, rows, what each test row got, and `comparison.json` for the report.
        corpus, budget, size: of every pre-training, as `pretrain` takes them; the seed is `seed`.
        trained: folders of models that are trained already, this tool's or imported.
        train, test: labelled tables; without a test table a fifth of the rows (at most 10,000) is held out.
        systems: registered names; none is all, and where there are `trained` ones, no system. Those that make no
            vectors are measured as language models only.
        labels, seeds, seeds_all: numbers of labels (None among them is all), seeds of each, and seeds of all labels;
            by default 100, 1,000 and 10,000 as far as there are more, and all.
        scratch, floors: also each network from random weights; also the commonest class and TF-IDF.
        word, sentences: what is looked at in context; the sentences must contain the word.
        pretraining: further arguments of every `pretrain`, such as tokenizer, vocab_size, cache or settings; `words`
            is for systems that embed tokens.
        own: system -> such arguments of it alone.
        tuning: settings of every fine-tuning of a network that differ from the defaults, see `tasks.defaults.Settings`.
        own_tuning: system -> such settings of it alone.
        models: where the pre-trained models are kept, so that comparisons on other rows share them; in `out` if None.
        told: hears of the progress.
    Raises:
        RequestError, DataError: the request or a table cannot be used. Interrupted, JobError: see trainer.
    """
    asked = asked_for(systems) if systems or not trained else ()
    if asked and corpus is None:
        raise RequestError("no text to pre-train on", where="corpus", fix="Give one, or name no systems to train.")
    request = Request(
        Path(out), corpus, train, test, asked, budget, size,
        labels, seeds, seeds_all, scratch, floors, task,
        (text_column, pair_column, label_column), word, tuple(sentences), max_length,
        dict(pretraining or {}), dict(own or {}), seed, device, command, Path(models or Path(out) / MODELS),
        dict(tuning or {}), dict(own_tuning or {}), names_of(trained),
    )  # fmt: skip
    with remembered():
        return _Comparing(request, told or Told()).run()


class _Comparing:
    """One call of `compare`."""

    def __init__(self, request: Request, told: Told) -> None:
        self.request, self.told = request, told
        self.task: Task = tasks.load(request.task)
        train, test = examples_of(request, self.task)
        self.labels = sizes(request.labels, SIZES, len(train))
        self.question = Question(self.task, train, test)
        self.texts = looked_through(self.task, test)
        self.runs = Runs(request.out, ROWS, self.question, self.told.progress, self.told.row)
        self.entrants = Entrants(request, self.question)
        self.cards: list[ModelCard] = []
        self.rows: list[Row] = []
        self.looked: dict[str, in_context.Looked] = {}
        self.notices = [homographs.NOTICE] if request.built_in else []

    def run(self) -> Comparison:
        """All parts: the models, then the runs of every arm and its word in context."""
        for notice in self.notices:
            self.told.say(notice)
        for name in (*self.request.systems, *self.request.trained):
            self._model(name)
        lanes = lanes_for(self.request, sum(1 for run in self._planned() if run.system))
        if lanes > 1:
            self._side_by_side(lanes)
        else:
            self._one_by_one()
        found = self._found()
        found.write(self.request.out)
        return found

    def _model(self, name: str) -> None:
        """Pre-train a system or find it trained, or take a given model, and make its arms."""
        get = given if name in self.request.trained else pretrained
        made = get(self.request, self.told, name, self.texts)
        self.cards.append(made.card)
        if made.model.system.makes_vectors:
            for runner in self.entrants.add(name, made.model, made.weights):
                for labels in self.labels:  # what a system has no use for is refused before the next is trained
                    runner.settings(labels)

    def _planned(self) -> list[Run]:
        """All runs: the small sizes of every arm first, so that something is there early."""
        return [
            Run(arm.name, arm.system, labels, seed)
            for labels in self.labels for arm in self.entrants.arms for seed in self.request.seeds_of(labels)
        ]  # fmt: skip

    def _one_by_one(self) -> None:
        self.rows = [self.runs.row(*self.entrants.given(run)) for run in self._planned()]
        if self.request.word:
            models = self.entrants.models.items()
            self.looked = {name: in_context.look(name, model, self.request, self.texts) for name, model in models}

    def _side_by_side(self, lanes: int) -> None:
        """What is not done yet in processes of its own; a row is told of when it is there."""
        rows = {run: self.runs.known(*self.entrants.given(run)) for run in self._planned()}
        looks = [Look(name) for name in self.entrants.models] if self.request.word else []

        def heard(task: Run | Look, answer: Any) -> None:
            if isinstance(task, Run):
                rows[task] = answer
                self.told.row(answer, self.task.best)
            else:
                self.looked[task.system] = answer

        left = [run for run, row in rows.items() if row is None]
        if todo := [*left, *looks]:
            most = min(lanes, len(todo))
            side_by_side(self.request, todo, most, num_threads() // lanes, heard, self.told.under_way)
        self.rows = [row for row in rows.values() if row is not None]

    def _found(self) -> Comparison:
        request, question, arms = self.request, self.question, self.entrants.arms
        samples = self.runs.samples(self.rows)
        standings = [
            Standing(arm, labels, labels or len(question.train), len(sample.values), *sample.interval())
            for (arm, labels), sample in samples.items()
        ]
        names = [arm.name for arm in arms]
        contrasts = [
            Contrast(first, second, labels, *sample.less(samples[second, labels]))
            for (first, labels), sample in samples.items()
            for second in names[names.index(first) + 1 :]
        ]
        looked = [self.looked[name] for name in self.entrants.models if name in self.looked]
        return Comparison(
            command=request.command, made=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            corpus=name_of(request.corpus) if request.systems else "", train=Path(request.train).name,
            test=Path(request.test).name if request.test else "",
            budget=request.budget if request.systems else "", size=request.size if request.systems else "",
            threads=processors(),
            task=self.task.name, metric=self.task.best, num_train=len(question.train), num_test=len(question.test),
            num_seeds=request.seeds, arms=arms, models=self.cards, rows=self.rows, standings=standings,
            contrasts=contrasts, notices=self.notices, layers=study_of(request.out),
            maps=[each.map for each in looked if each.map], pairs=[each.pair for each in looked if each.pair],
            neighbours=[each for one in looked for each in one.neighbours],
            separations=[each.separation for each in looked if each.separation],
        )  # fmt: skip
