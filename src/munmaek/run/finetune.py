"""finetune: a pre-trained model and labelled texts in, a model that answers out."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save

from munmaek import tasks
from munmaek.core import files
from munmaek.core.errors import RequestError
from munmaek.run import folder as model_folder
from munmaek.run import rows, tuned
from munmaek.run.model import Model
from munmaek.run.model import load as load_model
from munmaek.run.networks import make_network
from munmaek.run.self_training import read_texts, self_trained
from munmaek.run.tuning import POOLINGS, Tuner
from munmaek.tasks import Answers, scores
from munmaek.tasks.defaults import Settings
from munmaek.tasks.examples import describe
from munmaek.train import checkpoint, distributed
from munmaek.train.trainer import Event

KEPT = "kept.safetensors"
AS_ONE = (
    "the two texts of a row are read as one, as published; after a short pre-training they are often compared better "
    "where each is read by itself: --set apart=true"
)


@dataclass(frozen=True)
class FinetuneResult:
    """How a fine-tuning went.

    Attributes:
        folder: the fine-tuned model; with several seeds the one with the best dev score, without a dev set the first.
        task, metric: what was learnt, and the metric that decides.
        num_labels: training rows used by each seed. classes: names in order; empty for numbers.
        seeds, scores: a seed each, and its dev scores; `scores` is empty without a dev set.
        mean, interval: of every metric over the seeds, and half its 95 % t-interval (NaN for one seed).
        kept_seed: whose model is in `folder`. settings: learning rate, epochs and the rest, as used.
        seconds, steps, tokens: of all seeds together. notes: what was odd about the labels.
    """

    folder: Path
    task: str
    metric: str
    num_labels: int
    classes: list[str]
    seeds: list[int]
    scores: list[dict[str, float]]
    mean: dict[str, float]
    interval: dict[str, float]
    kept_seed: int
    settings: dict[str, Any]
    seconds: float
    steps: int
    tokens: int
    notes: list[str]


def finetune(
    task: str,
    *,
    model: str | Path,
    train: str | Path,
    out: str | Path,
    dev: str | Path | None = None,
    text_column: str | None = None,
    pair_column: str | None = None,
    label_column: str | None = None,
    labels: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    epochs: float | None = None,
    learning_rate: float | None = None,
    pooling: str | None = None,
    max_length: int | None = None,
    from_scratch: bool = False,
    unlabelled: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    device: str = "auto",
    progress: Callable[[Event], None] | None = None,
) -> FinetuneResult:
    """Fine-tune a model on labelled texts; the same call again goes on after an interruption.

    Args:
        task: "classify", "pair", "regress", "choice", "tag", "span" or "wic".
        model: a model folder. train, dev: tables; columns are guessed from usual names where not given. Those of a
            choice are a context, perhaps a question, two or more alternatives, and a label that numbers the right one
            from 0 or from 1; see `data.tables.read_chunks`. For "tag" they are files of units and BIO tags, without
            columns; see `data.tagged.read_tagged`. For "span" they are SQuAD's JSON; see `data.questions`. For "wic"
            they are a word and two sentences a row; see `data.usages.read_usages`.
        out: the folder to write.
        labels: use so many random training rows, with the classes' shares of the whole; more contain fewer.
        seeds: train so many times, from seed, seed + 1 ...; each draws its rows, order, head and dropout anew.
        epochs, learning_rate, pooling: instead of the defaults for the number of labels.
        unlabelled: a file of further texts, to train itself on as well (run/self_training.py); for classify.
        settings: further ones by name, see `tasks.defaults.Settings`.
        from_scratch: the same network from random weights, to see what pre-training is worth.
    Raises:
        RequestError, DataError: the request or a table cannot be used. Interrupted, JobError: see trainer.
    """
    kind = tasks.load(task)
    out = Path(out)
    _check(out, Path(model), seeds, epochs, learning_rate, pooling)
    columns = (text_column, pair_column, label_column)
    with distributed.processes(distributed.pick_device(device)) as (rank, _):
        examples = rows.examples(kind, train, columns, training=True)
        held_out = rows.examples(kind, dev, columns, training=False) if dev is not None else None
        answers = kind.fit(examples.labels, examples.where)
        if held_out:
            kind.targets(answers, held_out.labels, held_out.where)  # a label of the wrong kind is an error now
        notes = describe(examples, held_out, answers, kind.per_token)
        loaded = load_model(model, device)
        named = {"epochs": epochs, "learning_rate": learning_rate, "pooling": pooling}
        changes = {**(settings or {}), **{name: value for name, value in named.items() if value is not None}}
        tuner = Tuner(loaded, kind, examples, held_out, changes=changes, from_scratch=from_scratch,
                      max_length=max_length, folder=out / model_folder.TRAINING)  # fmt: skip
        tuner.rows(labels, seed)
        if tuner.may_be_apart and not tuner.apart and "apart" not in tuner.changes:
            notes.append(AS_ONE)
        for text in notes:
            announce(progress, text)
        identity = _identity(task, loaded, train, dev, columns, labels, tuner, unlabelled)
        texts = read_texts(unlabelled, text_column) if unlabelled is not None else []
        runs = _Runs(tuner, out, identity, rank, texts)
        for number in range(seed, seed + seeds):
            runs.add(number, labels, progress)
        distributed.meet()
        result = runs.result(notes)
        if rank == 0:
            runs.write(result)
        distributed.meet()
    return result


def announce(progress: Callable[[Event], None] | None, text: str) -> None:
    """Pass a sentence on before any step is taken."""
    if progress is not None:
        progress(Event(0, 1, 0, 0.0, 0.0, 0.0, math.nan, 0.0, message=text))


def _check(
    out: Path, model: Path, seeds: int, epochs: float | None, learning_rate: float | None, pooling: str | None
) -> None:
    if seeds < 1:
        raise RequestError(f"{seeds} seeds", where="--seeds", fix="Ask for one or more; five give an interval.")
    for name, value in (("--epochs", epochs), ("--learning-rate", learning_rate)):
        if value is not None and not 0 < value < math.inf:
            raise RequestError(f"{value:g} is not positive", where=name, fix="Leave it out for a default.")
    if pooling is not None and pooling not in POOLINGS:
        raise RequestError(f"no pooling {pooling!r}", where="--pooling", fix=f"Poolings: {', '.join(POOLINGS)}.")
    if out.exists() and model.exists() and out.resolve() == model.resolve():
        raise RequestError("the same folder as --model", where=f"--out {out}", fix="Give another; the model stays.")
    if (out / model_folder.CARD).is_file() and "task" not in files.read_json(out / model_folder.CARD):
        fix = "Give another --out; nothing was touched."
        raise RequestError("holds a pre-trained model, which would be lost", where=f"--out {out}", fix=fix)
    if out.exists() and not out.is_dir():
        raise RequestError("is a file", where=f"--out {out}", fix="Name a folder to write.")


def _identity(
    task: str, model: Model, train: str | Path, dev: str | Path | None, columns: rows.Named, labels: int | None,
    tuner: Tuner, unlabelled: str | Path | None,
) -> dict[str, Any]:  # fmt: skip
    weights = model.facts.get("files", {}).get("model.safetensors", {})
    return {
        "task": task, "weights": weights.get("sha256"), "train": files.sha256_file(Path(train)),
        "dev": files.sha256_file(Path(dev)) if dev is not None else None, "columns": list(columns), "labels": labels,
        "unlabelled": files.sha256_file(Path(unlabelled)) if unlabelled is not None else None,
        "changes": tuner.changes, "from_scratch": tuner.from_scratch, "max_length": tuner.max_length,
    }  # fmt: skip


class _Runs:
    """The seeds of one fine-tuning: finished ones are remembered on disk, the best one's weights are kept there."""

    def __init__(
        self, tuner: Tuner, out: Path, identity: dict[str, Any], rank: int, unlabelled: Sequence[str] = ()
    ) -> None:
        self.tuner, self.out, self.identity, self.rank = tuner, out, identity, rank
        self.unlabelled = unlabelled
        self.work = out / model_folder.TRAINING
        self.rows: list[dict[str, Any]] = []

    def add(self, seed: int, labels: int | None, progress: Callable[[Event], None] | None) -> None:
        """Train from a seed, unless an earlier call finished it."""
        done = self.work / f"seed-{seed}.json"
        if done.is_file() and files.read_json(done).get("identity") == self.identity:
            self.rows.append(files.read_json(done))
            return
        learn = partial(self_trained, self.tuner, self.unlabelled) if self.unlabelled else self.tuner.fit
        fitted = learn(seed, labels, folder=self.work / f"seed-{seed}", identity=self.identity, progress=progress)
        outcome = fitted.outcome
        row = {
            "seed": seed, "scores": fitted.scores, "seconds": outcome.seconds, "steps": outcome.steps,
            "tokens": outcome.tokens, "num_labels": fitted.num_labels, "answers": fitted.answers.to_dict(),
            "settings": dataclasses.asdict(fitted.settings), "identity": self.identity, "notes": outcome.notes,
        }  # fmt: skip
        self.rows.append(row)
        if self.rank == 0:
            if self._best() is row:
                files.write_atomic(self.work / KEPT, save(checkpoint.tensors_of(fitted.network)))
            files.write_json(done, row)
            shutil.rmtree(self.work / f"seed-{seed}", ignore_errors=True)

    def _best(self) -> dict[str, Any]:
        """The seed whose dev score is best; the first one without a dev set, or among equals."""
        metric = self.tuner.task.best
        return max(self.rows, key=lambda row: row["scores"][metric] if row["scores"] else 0.0)

    def result(self, notes: list[str]) -> FinetuneResult:
        """All seeds together."""
        best, task = self._best(), self.tuner.task
        runs = [row["scores"] for row in self.rows if row["scores"]]
        mean, interval = scores.summarise(runs)
        told = [*self.tuner.notes(), *(text for row in self.rows for text in row["notes"])]
        return FinetuneResult(
            self.out, task.name, task.best, best["num_labels"], best["answers"]["classes"],
            [row["seed"] for row in self.rows], runs, mean, interval, best["seed"], best["settings"],
            sum(row["seconds"] for row in self.rows), sum(row["steps"] for row in self.rows),
            sum(row["tokens"] for row in self.rows), [*notes, *told],
        )  # fmt: skip

    def write(self, result: FinetuneResult) -> None:
        """Write the kept seed's model as a folder; then the record of the seeds is no longer needed."""
        model, row = self.tuner.model, self._best()
        settings = Settings(**row["settings"])
        answers = Answers.from_dict(row["answers"], str(self.work))
        network = make_network(model.system, model.encoder, self.tuner.task, answers, settings)
        network.to(model.device)
        checkpoint.copy_into(network, load_file(self.work / KEPT), str(self.work / KEPT))
        facts = {
            "parent": {"folder": str(model.folder), "weights": self.identity["weights"]},
            "training": {
                "seeds": result.seeds, "scores": result.scores, "mean": result.mean, "kept_seed": result.kept_seed,
                "interval": {name: None if math.isnan(v) else v for name, v in result.interval.items()},
                "num_labels": result.num_labels, "steps": result.steps, "tokens": result.tokens,
                "seconds": result.seconds, "notes": result.notes, "from_scratch": self.tuner.from_scratch,
                "train": self.identity["train"], "dev": self.identity["dev"],
            },
        }  # fmt: skip
        tuned.write(self.out, model, self.tuner.task, network, answers, settings, self.tuner.max_length, facts,
                    pairs=self.tuner.examples.pairs is not None)  # fmt: skip
        shutil.rmtree(self.work, ignore_errors=True)
