"""compare: one text, one budget, every generation; what each buys by the number of labels."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from munmaek import systems, tasks
from munmaek.core import files
from munmaek.core.cost import Cost
from munmaek.core.errors import RequestError
from munmaek.data import homographs, usages
from munmaek.data.morphemes import remembered
from munmaek.run import in_context
from munmaek.run.arms import Arm as Runner
from munmaek.run.arms import ChanceArm, NetworkArm, Question, TestRows, TfidfArm
from munmaek.run.book import alone_in
from munmaek.run.comparison import (
    FLOORS,
    SCRATCH,
    Arm,
    Comparison,
    Contrast,
    ModelCard,
    Row,
    Standing,
    study_of,
)  # fmt: skip
from munmaek.run.evaluate_lm import evaluate_lm
from munmaek.run.folder import CARD as FOLDER_CARD
from munmaek.run.folder import weights_of
from munmaek.run.model import Model, load
from munmaek.run.pretrain import pretrain
from munmaek.run.rows import examples
from munmaek.run.runs import Runs
from munmaek.tasks import Task
from munmaek.tasks.defaults import known_settings
from munmaek.tasks.examples import Examples, subset
from munmaek.train.trainer import Event

SIZES = (100, 1_000, 10_000, None)
MODELS, ROWS = "models", "rows.jsonl"
CARDS = "cards.json"
HELD_OUT, MOST_HELD_OUT = 0.2, 10_000
"""Share of the labelled rows kept for scoring where no test file is given, and the most of them."""
HELD_OUT_SEED = 0x7E57
LM_TEXTS, LM_CHARACTERS = 2_000, 80_000
"""Of a language model the first texts are scored, so many of them or of so many characters."""
PSEUDO_TERMS = 500_000
"""Of a masked model the first texts are scored whose characters, squared, come to so many: it reads each text once a
token."""
PER_SENSE = 12
TFIDF_TITLE = "TF-IDF + logistic regression"


@dataclass(frozen=True)
class Request:
    """What a comparison was asked; see `compare`."""

    out: Path
    corpus: Any
    train: str | Path
    test: str | Path | None
    systems: tuple[str, ...]
    budget: str
    size: str
    labels: Sequence[int | None] | None
    seeds: int
    seeds_all: int
    scratch: bool
    floors: bool
    task: str
    columns: tuple[str | None, str | None, str | None]
    word: str
    sentences: tuple[str, ...]
    max_length: int | None
    pretraining: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Any]]
    seed: int
    device: str
    command: str
    models: Path
    tuning: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Told:
    """Whom to tell of the progress: events of trainings, sentences, and finished rows."""

    progress: Callable[[Event], None] | None = None
    say: Callable[[str], None] = lambda line: None
    row: Callable[[Row, str], None] = lambda row, metric: None


def compare(
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
        train, test: labelled tables; without a test table a fifth of the rows (at most 10,000) is held out.
        systems: registered names; none is all. Those that make no vectors are measured as language models only.
        labels, seeds, seeds_all: numbers of labels (None among them is all), seeds of each, and seeds of all labels;
            by default 100, 1,000 and 10,000 as far as there are more, and all.
        scratch, floors: also each network from random weights; also the commonest class and TF-IDF.
        word, sentences: what is looked at in context; the sentences must contain the word.
        pretraining: further arguments of every `pretrain`, such as tokenizer, vocab_size, cache or settings; `words`
            is for systems that embed tokens.
        own: system -> such arguments of it alone.
        tuning: settings of every fine-tuning of a network that differ from the defaults, see `tasks.defaults.Settings`.
        models: where the pre-trained models are kept, so that comparisons on other rows share them; in `out` if None.
        told: hears of the progress.
    Raises:
        RequestError, DataError: the request or a table cannot be used. Interrupted, JobError: see trainer.
    """
    request = Request(
        Path(out), corpus, train, test, asked_for(systems), budget, size,
        labels, seeds, seeds_all, scratch, floors, task,
        (text_column, pair_column, label_column), word, tuple(sentences), max_length,
        dict(pretraining or {}), dict(own or {}), seed, device, command, Path(models or Path(out) / MODELS),
        dict(tuning or {}),
    )  # fmt: skip
    with remembered():
        return _Comparing(request, told or Told()).run()


def asked_for(asked: Sequence[str]) -> tuple[str, ...]:
    """The systems asked for, in the register's order; without any, all. RequestError: there is none of that name."""
    for name in asked:
        systems.load(name)
    return tuple(name for name in systems.names() if name in asked or not asked)


class _Comparing:
    """One call of `compare`."""

    def __init__(self, request: Request, told: Told) -> None:
        self.request, self.told = request, told
        self.tuning = known_settings(request.tuning, "--tune")
        self.task: Task = tasks.load(request.task)
        train, test = examples_of(request, self.task)
        self.labels = sizes(request.labels, SIZES, len(train))
        self.question = Question(self.task, train, test)
        self.texts = [usages.split(text)[0] for text in test.texts] if self.task.marked else test.texts
        self.runs = Runs(request.out, ROWS, self.question, self.told.progress, self.told.row)
        self.arms: list[Arm] = []
        self.runners: dict[str, Runner] = {}
        self.weights: dict[str, str] = {}
        self.cards: list[ModelCard] = []
        self.models: dict[str, Model] = {}
        self.rows: list[Row] = []
        built_in = isinstance(request.corpus, homographs.HomographCorpus)
        self.notices = [homographs.NOTICE] if built_in else []

    def run(self) -> Comparison:
        """All parts, in an order that shows something early: models, then the small sizes of every arm."""
        for notice in self.notices:
            self.told.say(notice)
        if self.request.floors:
            self._floors()
        for name in self.request.systems:
            self._system(name)
        for labels in self.labels:
            for arm in self.arms:
                for seed in range(self.request.seeds if labels is not None else self.request.seeds_all):
                    self.rows.append(
                        self.runs.row(arm.name, self.runners[arm.name], self.weights[arm.name], labels, seed)
                    )
        found = self._found()
        found.write(self.request.out)
        return found

    def _floors(self) -> None:
        kinds: dict[str, Runner] = {"chance": ChanceArm(self.question)}
        if self.task.classifies:
            kinds["tfidf"] = TfidfArm(self.question)
        for name in FLOORS:
            if name in kinds:
                title = TFIDF_TITLE if name == "tfidf" else self.task.chance
                self._add(Arm(name, "", title), kinds[name], "")

    def _add(self, arm: Arm, runner: Runner, weights: str) -> None:
        self.arms.append(arm)
        self.runners[arm.name], self.weights[arm.name] = runner, weights

    def _system(self, name: str) -> None:
        """Pre-train a system, or find it trained, and make its arms."""
        made = pretrained(self.request, self.told, name, self.texts)
        self.cards.append(made.card)
        if made.model.system.makes_vectors:
            self._arms_of(name, made.model, made.weights)

    def _arms_of(self, name: str, model: Model, weights: str) -> None:
        self.models[name] = model
        test, title = TestRows(self.request.out), model.system.title
        for scratch in (False, True) if self.request.scratch else (False,):
            runner = NetworkArm(self.question, model, scratch=scratch, max_length=self.request.max_length,
                                settings=self.tuning, test=test)  # fmt: skip
            for labels in self.labels:  # what a system has no use for is refused before the next is trained
                runner.settings(labels)
            key = f"{name} {SCRATCH}" if scratch else name
            first = _shape(model.folder) if scratch else weights
            self._add(Arm(key, name, f"{title}, {SCRATCH}" if scratch else title, scratch), runner, first)

    def _found(self) -> Comparison:
        request, question = self.request, self.question
        samples = self.runs.samples(self.rows)
        standings = [
            Standing(arm, labels, labels or len(question.train), len(sample.values), *sample.interval())
            for (arm, labels), sample in samples.items()
        ]
        contrasts = [
            Contrast(first, second, labels, *sample.less(samples[second, labels]))
            for (first, labels), sample in samples.items()
            for second in [arm.name for arm in self.arms]
            if [arm.name for arm in self.arms].index(first) < [arm.name for arm in self.arms].index(second)
        ]
        found = Comparison(
            command=request.command, made=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            corpus=name_of(request.corpus), train=Path(request.train).name,
            test=Path(request.test).name if request.test else "", budget=request.budget, size=request.size,
            threads=threads(),
            task=self.task.name, metric=self.task.best, num_train=len(question.train), num_test=len(question.test),
            num_seeds=request.seeds, arms=self.arms, models=self.cards, rows=self.rows, standings=standings,
            contrasts=contrasts, notices=self.notices, layers=study_of(request.out),
        )  # fmt: skip
        return self._with_words(found, built_in=bool(self.notices))

    def _with_words(self, found: Comparison, *, built_in: bool) -> Comparison:
        """The word in context, in every system that makes vectors."""
        request, texts = self.request, self.texts
        if not request.word:
            return found
        seen = in_context.known_occurrences(request.word, PER_SENSE) if built_in else [
            *in_context.occurrences(texts, request.word), *in_context.occurrences(request.sentences, request.word)
        ]  # fmt: skip
        models = list(self.models.values())
        return replace(
            found,
            maps=[in_context.word_map(model, request.word, seen) for model in models if len(seen) > 2],
            pairs=[in_context.word_pair(model, request.word, *request.sentences[:2]) for model in models
                   if len(request.sentences) > 1],
            neighbours=[each for model in models for each in
                        in_context.neighbours(model, request.word, request.sentences, texts)],
            separations=[in_context.separations(model, PER_SENSE) for model in models] if built_in else [],
        )  # fmt: skip


def examples_of(request: Request, task: Task) -> tuple[Examples, Examples]:
    """The rows to learn from and the rows to score on."""
    whole = examples(task, request.train, request.columns, training=True)
    if request.test is not None:
        return whole, examples(task, request.test, request.columns, training=False)
    count = min(MOST_HELD_OUT, max(1, round(HELD_OUT * len(whole))))
    held = subset(task.strata(whole.labels), count, HELD_OUT_SEED)
    return whole.take(np.setdiff1d(np.arange(len(whole)), held)), whole.take(held)


def sizes(asked: Sequence[int | None] | None, usual: Sequence[int | None], rows: int) -> tuple[int | None, ...]:
    """The numbers of labels to walk over: those asked for, else the usual ones that leave something out, or all.

    RequestError where more are asked for than there are rows.
    """
    if asked is None:
        return tuple(size for size in usual if size is None or size < rows) or (None,)
    if any(size is not None and size > rows for size in asked):
        fix = f"Rows to train on: {rows:,}. Leave larger numbers out of --labels, or all of it."
        raise RequestError("not so many labels", where="--labels", fix=fix)
    return tuple(asked)


@dataclass(frozen=True)
class Pretrained:
    """A system after its pre-training: in memory, described, and what tells its weights from others."""

    model: Model
    card: ModelCard
    weights: str


def pretrained(request: Request, told: Told, name: str, texts: Sequence[str]) -> Pretrained:
    """Pre-train a system in the comparison's folder, or find it trained there.

    A language model is measured in bits per character on the first `texts`, each a document of its own, once.
    """
    card, folder = systems.load(name), request.models / name
    told.say(card.title)
    given = {**request.pretraining, **request.own.get(name, {})}
    if card.token_embeddings is None:
        given.pop("words", None)
    with Cost() as cost:
        made = pretrain(name, corpus=request.corpus, out=folder, size=request.size, budget=request.budget,
                        seed=request.seed, device=request.device, progress=told.progress, **given)  # fmt: skip
    model = load(folder, request.device)
    weights = weights_of(folder)
    if _read_cards(request.out).get(name, {}).get("weights") != weights:
        found = ModelCard(
            name, card.title, card.paper, os.path.relpath(folder, request.out), made.size, made.parameters,
            made.tokens, made.steps, made.seconds, cost.peak_memory, model.tokenizer.kind, model.tokenizer.vocab_size,
            made.validation, *_bits(model, texts), cost.joules, "words" in model.facts["identity"],
        )  # fmt: skip
        with alone_in(request.out):
            known = _read_cards(request.out) | {name: {"weights": weights, "card": asdict(found)}}
            files.write_json(request.out / CARDS, known)
    return Pretrained(model, ModelCard(**_read_cards(request.out)[name]["card"]), weights)


def _bits(model: Model, texts: Sequence[str]) -> tuple[float | None, bool]:
    """Bits per character, and whether they are a masked model's."""
    if model.system.language_model is None and model.system.masked_words is None:
        return None, False
    texts, masked = [text for text in texts[:LM_TEXTS] if text], model.system.masked_words is not None
    terms = np.cumsum([len(text) ** 2 if masked else len(text) for text in texts])
    most = int(np.searchsorted(terms, PSEUDO_TERMS if masked else LM_CHARACTERS))
    found = evaluate_lm(model, [[text] for text in texts[: max(1, most)]])
    return found.bits_per_character, found.pseudo


def _shape(folder: Path) -> str:
    """What distinguishes a network from scratch from another: its shape and tokenizer, and no pre-training."""
    card = files.read_json(folder / FOLDER_CARD)
    known = [card["system"], card["config"], card["tokenizer"]["hash"]]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _read_cards(out: Path) -> dict[str, Any]:
    return files.read_json(out / CARDS) if (out / CARDS).is_file() else {}


def threads() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def name_of(corpus: Any) -> str:
    """What a reader knows a corpus by."""
    if isinstance(corpus, homographs.HomographCorpus):
        return "built-in"
    paths: Iterable[Any] = [corpus] if isinstance(corpus, str | Path) else corpus
    return ", ".join(Path(path).name for path in paths if isinstance(path, str | Path))
