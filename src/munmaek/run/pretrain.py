"""pretrain: plain text in, a model folder out."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from munmaek import systems
from munmaek.core import files
from munmaek.core.config import check_values, to_dict
from munmaek.core.contracts import Objective, PreparingObjective, StartingObjective, System, Tokenizer
from munmaek.core.errors import CheckpointError, RequestError
from munmaek.core.recipe import Budget, Recipe
from munmaek.data.phrases import Phrasing, phrasing_of
from munmaek.data.shards import Shards
from munmaek.run import folder as model_folder
from munmaek.run.model import Model
from munmaek.run.prepare import Prepared, prepare
from munmaek.run.word_start import AUTO, WORDS, read_words, split_budget, split_for_spelling, start_at_words, width
from munmaek.train import checkpoint, distributed
from munmaek.train.optim import ParamGroup
from munmaek.train.trainer import Event, Job, Outcome, measure, train

VALIDATION_TARGETS, LAST_TARGETS = 1_024, 8_192
"""Predictions asked for at each validation, always the same ones, and once more after the last step: no large part of a
budget of a minute."""
VALIDATION_SEED = 1
OFTEN = 0.02
"""Share of a training between validations where the optimiser waits for what they say."""
TELL_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class PretrainResult:
    """Where the model is and how the training went; losses in nats a target."""

    folder: Path
    system: str
    size: str
    parameters: int
    steps: int
    tokens: int
    seconds: float
    loss: float
    validation: dict[str, float]
    notes: list[str]
    history: list[dict[str, Any]]


def pretrain(
    system: str,
    *,
    corpus: str | Path | Sequence[str | Path] | Iterable[list[str]],
    out: str | Path,
    size: str = "mini",
    budget: str = "1h",
    tokenizer: str | Path | None = None,
    vocab_size: int | None = None,
    min_count: int | None = None,
    phrases: Phrasing | int = 0,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    text_column: str | None = None,
    split_sentences: bool = False,
    init: str | Path | None = None,
    words: str | Path | None = None,
    cache: str | Path | None = None,
    device: str = "auto",
    tensorboard: bool = False,
    progress: Callable[[Event], None] | None = None,
    save_every_steps: int | None = None,
) -> PretrainResult:
    """Pre-train a system on plain text; the same call again goes on after an interruption.

    Args:
        system: a registered name, such as "bert".
        corpus: files, folders or globs; or documents, each a list of sentences.
        out: the model folder to write; its `training` folder holds checkpoints.
        size: a preset of the system. budget: "1h", "50M tokens", "3 epochs", "1000 steps".
        tokenizer: a kind to train, or a folder with a tokenizer.json; by default the system's usual kind.
        vocab_size: entries to train; by default what suits the system. min_count: rarer ones get no entry.
        phrases: passes that join words into phrases (Mikolov 2013b §4), or all of `Phrasing`; for whole words.
        settings: recipe values (learning_rate, batch_tokens ...), objective options and model settings by name.
        init: a model folder to go on from; its tokenizer and size are used. Where the text is another, the bias of its
            softmax starts anew at the frequencies there (`StartingObjective`).
        words: a model of word vectors that a new one's embeddings start at (`run.word_start`); its tokenizer is used.
            "auto" learns them first: in a tenth of the budget where that is a time, else in five epochs.
    Raises:
        RequestError, DataError: the request or the corpus cannot be used. Interrupted, JobError: see trainer.
    """
    card = systems.load(system)
    _refuse(card, size, tokenizer, phrases, init, words)
    usual = usual_recipe(card, size, going_on=init is not None, at_words=words is not None)
    recipe, options, model_settings = sort_settings(card, usual, settings or {})
    if words == AUTO:
        reading = {"corpus": corpus, "tokenizer": tokenizer or card.tokenizer,
                   "vocab_size": vocab_size or card.vocab_size, "min_count": min_count, "phrases": phrases,
                   "text_column": text_column, "split_sentences": split_sentences, "cache": cache}  # fmt: skip
        return _after_words(card, size, budget, Path(out), settings or {}, reading,
                            dim=width(card, size, model_settings), seed=seed, device=device,
                            progress=progress, tensorboard=tensorboard, save_every_steps=save_every_steps)  # fmt: skip
    out = Path(out)
    with distributed.processes(distributed.pick_device(device)) as (rank, _):
        start = model_folder.read(init) if init is not None else None
        vectors = read_words(card, words) if words is not None else None
        if rank != 0:
            distributed.meet()  # the first process prepares, the others find it done
        given = init or words  # a model whose tokens these are
        prepared = prepare(corpus, cache=cache, tokenizer=Path(given) if given else tokenizer or card.tokenizer,
                           vocab_size=vocab_size or card.vocab_size, min_count=min_count, text_column=text_column,
                           split_sentences=split_sentences, phrases=phrases)  # fmt: skip
        if rank == 0:
            distributed.meet()
        identity = _identity(card, size, budget, seed, recipe, options, model_settings, prepared, init, words)
        corpus_hash = identity["corpus"]
        if card.fit is not None and (counted := _counted(out, identity)) is not None:
            return counted
        model = start.module if start else fresh(card, size, prepared.tokenizer, model_settings, seed)
        spelling, left = split_for_spelling(card, budget) if vectors is not None else (None, budget)
        objective = card.objective(model.config, prepared.tokenizer, recipe.max_length, options)
        with _Reporter(progress, out, tensorboard) as report:
            if vectors is not None:
                _start_at_words(card, model, vectors, prepared.shards, out, spelling, device, report)
            if card.fit is not None:
                outcome, notes = _count(card, model, objective, prepared.shards, recipe, report)
            else:
                groups = layer_groups(card, model, prepared.tokenizer, recipe.layer_decay)
                outcome, notes = _train(model, objective, prepared.shards, recipe, left, seed, out, identity,
                                        device, report, save_every_steps, card.holds_out, groups,
                                        new_text=start is None or start.facts.get("corpus") != corpus_hash)  # fmt: skip
        outcome = dataclasses.replace(outcome, seconds=outcome.seconds + (spelling or 0.0))
        result = _result(card, size, out, model, outcome, notes)
        if rank == 0:
            facts = {"size": size, "config": to_dict(model.config), "identity": identity,
                     "recipe": dataclasses.asdict(recipe), "options": dict(options),
                     "tokenizer": {"kind": prepared.tokenizer.kind, "hash": prepared.tokenizer.hash},
                     "corpus": corpus_hash,
                     "training": {"steps": outcome.steps, "tokens": outcome.tokens, "seconds": outcome.seconds,
                                  "loss": outcome.loss, "validation": outcome.validation, "notes": notes,
                                  "history": outcome.history}}  # fmt: skip
            model_folder.write(out, card, model, prepared.tokenizer, facts)
        distributed.meet()
    return result


def _refuse(
    card: System, size: str, tokenizer: str | Path | None, phrases: Phrasing | int, init: str | Path | None,
    words: str | Path | None,
) -> None:  # fmt: skip
    """Raise RequestError where what is asked for does not go together."""
    if size not in card.presets:
        raise RequestError(f"no size {size!r}", where=f"pretrain {card.name}", fix=f"Sizes: {', '.join(card.presets)}.")
    if card.fit is not None and init is not None:
        raise RequestError(f"{card.title} is counted anew, from nothing", where="--init", fix="Leave it out.")
    if phrasing_of(phrases).passes and init is not None:
        raise RequestError("a model keeps the words that it began with", where="--phrases", fix="Leave out --init.")
    if words is not None and (init is not None or (tokenizer is not None and words != AUTO)):
        other = "--tokenizer" if init is None else "--init"
        raise RequestError(f"{other} has tokens of its own", where="--words", fix="Leave out one of the two.")


def _after_words(
    card: System, size: str, budget: str, out: Path, settings: Mapping[str, Any], reading: Mapping[str, Any],
    *, dim: int, seed: int, device: str, progress: Callable[[Event], None] | None, tensorboard: bool,
    save_every_steps: int | None,
) -> PretrainResult:  # fmt: skip
    """Word vectors in the folder `words` of the model's own, and then the model, in one budget."""
    share, left = split_budget(budget)
    if not isinstance(reading["corpus"], str | Path | Sequence):
        reading = {**reading, "corpus": list(reading["corpus"])}
    with distributed.processes(distributed.pick_device(device)):
        learnt = pretrain("word2vec", out=out / WORDS, budget=share, settings={"dim": dim}, seed=seed, device=device,
                          progress=progress, **reading)  # fmt: skip
        made = pretrain(card.name, out=out, size=size, budget=left, settings=settings, words=learnt.folder, seed=seed,
                        device=device, progress=progress, tensorboard=tensorboard,
                        save_every_steps=save_every_steps, **{**reading, "tokenizer": None})  # fmt: skip
    note = f"its embeddings start at word vectors, learnt in the first {learnt.seconds:.0f} s"
    return dataclasses.replace(made, seconds=learnt.seconds + made.seconds, notes=[note, *made.notes])


def usual_recipe(card: System, size: str, *, going_on: bool = False, at_words: bool = False) -> Recipe:
    """The size's recipe, but for what the system does otherwise where it goes on from a model or starts at words."""
    differs: dict[str, Any] = dict(card.adaptation.going_on) if going_on and card.adaptation else {}
    differs |= card.at_words.get(size, {}) if at_words else {}
    return dataclasses.replace(card.recipes[size], **differs)


def sort_settings(
    card: System, usual: Recipe, settings: Mapping[str, Any]
) -> tuple[Recipe, dict[str, Any], dict[str, Any]]:
    """Settings by name into the recipe, the objective's options and the model's config; RequestError for others."""
    recipe_names = {field.name for field in dataclasses.fields(Recipe)}
    config_names = {field.name for field in dataclasses.fields(card.config)}
    recipe: dict[str, Any] = {}
    options: dict[str, Any] = {}
    model: dict[str, Any] = {}
    for name, value in settings.items():
        if name in card.options:
            options[name] = value
        elif name in recipe_names:
            recipe[name] = value
        elif name in config_names and name != "vocab_size":
            model[name] = value
        else:
            known = ", ".join(sorted({*card.options, *recipe_names, *config_names} - {"vocab_size"}))
            raise RequestError(f"no setting {name!r}", where=f"--set {name}={value}", fix=f"Settings: {known}.")
    check_values(card.config, model, "--set")
    return dataclasses.replace(usual, **recipe), options, model


def fresh(card: System, size: str, tokenizer: Tokenizer, settings: Mapping[str, Any], seed: int) -> nn.Module:
    """A new model of a preset, initialised from `seed`."""
    torch.manual_seed(seed)
    values = {**card.presets[size], **settings, "vocab_size": tokenizer.vocab_size}
    return card.build(card.config(**values))


def layer_groups(card: System, model: nn.Module, tokenizer: Tokenizer, decay: float) -> list[ParamGroup] | None:
    """The encoder's layers, each learning `decay` times as fast as the one above it, and the rest; None for decay 1."""
    if decay == 1.0:
        return None
    layers = card.encoder(model, tokenizer).layer_groups()
    known = {parameter for layer in layers for parameter in layer}
    rest = [parameter for parameter in model.parameters() if parameter not in known]
    rates = [decay ** (len(layers) - 1 - place) for place in range(len(layers))]
    return [*map(ParamGroup, layers, rates), ParamGroup(rest)]


def _identity(
    card: System, size: str, budget: str, seed: int, recipe: Recipe, options: Mapping[str, Any],
    model_settings: Mapping[str, Any], prepared: Prepared, init: str | Path | None,
    words: str | Path | None,
) -> dict[str, Any]:  # fmt: skip
    known = {
        "system": card.name, "size": size, "budget": str(Budget.parse(budget)), "seed": seed,
        "corpus": prepared.shards.manifest["corpus_hash"], "tokenizer": prepared.tokenizer.hash,
        "recipe": dataclasses.asdict(recipe), "options": dict(options), "model": dict(model_settings),
        "init": model_folder.weights_of(Path(init)) if init else None,
    }  # fmt: skip
    return known | ({"words": model_folder.weights_of(Path(words))} if words else {})


def _start_at_words(
    card: System, model: nn.Module, vectors: Model, shards: Shards, out: Path, seconds: float | None, device: str,
    progress: Callable[[Event], None] | None,
) -> None:  # fmt: skip
    """Start a new network at word vectors; where a checkpoint waits, that is the start."""
    if not checkpoint.kept(out / model_folder.TRAINING):
        start_at_words(card, model.to(distributed.pick_device(device)), vectors, shards, seconds, _Teller(progress))
        model.cpu()


def _train(
    model: nn.Module, objective: Objective, shards: Shards, recipe: Recipe, budget: str, seed: int, out: Path,
    identity: dict[str, Any], device: str, progress: Callable[[Event], None] | None, save_every_steps: int | None,
    holds_out: bool, groups: list[ParamGroup] | None = None, *, new_text: bool,
) -> tuple[Outcome, list[str]]:  # fmt: skip
    training, held_out = shards.split() if holds_out else (shards, shards.subset([]))
    if isinstance(objective, PreparingObjective):
        objective.prepare(training, _Teller(progress))
    if new_text and isinstance(objective, StartingObjective):
        objective.start_softmax(model, training)

    def validation(most_targets: int) -> Callable[[nn.Module], dict[str, float]] | None:
        if not held_out.num_documents:
            return None
        return lambda module: measure(module, objective, held_out, seed=VALIDATION_SEED,
                                      batch_tokens=recipe.batch_tokens, most_targets=most_targets)  # fmt: skip

    outcome = train(
        Job(model, objective, training, recipe, Budget.parse(budget), seed, out / model_folder.TRAINING,
            groups=groups, validate=validation(VALIDATION_TARGETS), validate_last=validation(LAST_TARGETS),
            validate_every=OFTEN if recipe.optimizer == "asgd" else 0.1, device=device, progress=progress,
            identity=identity, save_every_steps=save_every_steps)
    )  # fmt: skip
    return outcome, [*getattr(objective, "notes", []), *outcome.notes]


def _count(
    card: System, model: nn.Module, objective: Objective, shards: Shards, recipe: Recipe,
    progress: Callable[[Event], None] | None,
) -> tuple[Outcome, list[str]]:  # fmt: skip
    """Fill a model that is counted: once over the corpus, whatever the budget; losses are measured as in a training."""
    assert card.fit is not None
    began, tell = time.monotonic(), _Teller(progress)
    training, held_out = shards.split()
    card.fit(model, objective, training, lambda share: tell("counting", share))
    measured = [
        measure(model.eval(), objective, part, seed=VALIDATION_SEED, batch_tokens=recipe.batch_tokens,
                most_targets=LAST_TARGETS) if part.num_documents else {}
        for part in (training, held_out)
    ]  # fmt: skip
    seconds = time.monotonic() - began
    loss = measured[0].get("loss", math.nan)
    entry = {"step": 1, "tokens": training.num_tokens, "seconds": round(seconds, 3), "loss": loss,
             "validation": measured[1]}  # fmt: skip
    notes = ["counted in one pass over the corpus: no budget applies, and an interrupted counting starts again"]
    if progress is not None:
        speed = training.num_tokens / max(seconds, 1e-9)
        progress(Event(1, 1, training.num_tokens, speed, seconds, 0.0, loss, 0.0, metrics=measured[1]))
    notes += getattr(objective, "notes", [])
    return Outcome(1, training.num_tokens, seconds, loss, measured[1], None, [entry], False, notes), notes


def _counted(out: Path, identity: Mapping[str, Any]) -> PretrainResult | None:
    """What the same counting left in the folder, if all of it is there; a training goes on from its checkpoint."""
    card = out / model_folder.CARD
    try:
        if not card.is_file() or files.read_json(card).get("identity") != identity:
            return None
        found = model_folder.read(out)
    except CheckpointError:
        return None
    told, parameters = found.facts["training"], sum(each.numel() for each in found.module.parameters())
    return PretrainResult(out, found.system.name, found.facts["size"], parameters, **told)


class _Teller:
    """Says what is being done before or instead of a training, at once and then every few seconds."""

    def __init__(self, progress: Callable[[Event], None] | None) -> None:
        self.progress, self.began = progress, time.monotonic()
        self.what, self.said = "", 0.0

    def __call__(self, what: str, share: float) -> None:
        now = time.monotonic()
        if self.progress is None or (what == self.what and now - self.said < TELL_EVERY_SECONDS):
            return
        self.what, self.said = what, now
        message = f"{what} {share:.0%}"
        self.progress(Event(0, 1, 0, 0.0, now - self.began, 0.0, math.nan, 0.0, message))


def _result(card: System, size: str, out: Path, model: nn.Module, outcome: Outcome, notes: list[str]) -> PretrainResult:
    return PretrainResult(
        out, card.name, size, sum(p.numel() for p in model.parameters()), outcome.steps, outcome.tokens,
        outcome.seconds, outcome.loss, outcome.validation, notes, outcome.history,
    )  # fmt: skip


class _Reporter:
    """Passes events on, and to TensorBoard where asked for."""

    def __init__(self, progress: Callable[[Event], None] | None, out: Path, tensorboard: bool) -> None:
        self.progress, self.writer = progress, None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise RequestError(
                    "TensorBoard is not installed", where="--tensorboard", fix="pip install 'munmaek[tensorboard]'"
                ) from None
            self.writer = SummaryWriter(str(out / "tensorboard"))

    def __enter__(self) -> Callable[[Event], None] | None:
        return self._report if self.writer else self.progress

    def _report(self, event: Event) -> None:
        assert self.writer is not None
        values = {f"validation/{k}": v for k, v in event.metrics.items()}
        values |= {"train/loss": event.loss, "train/tokens_per_second": event.tokens_per_second}
        for name, value in values.items():
            self.writer.add_scalar(name, value, event.step)
        if self.progress:
            self.progress(event)

    def __exit__(self, *_: object) -> None:
        if self.writer:
            self.writer.close()
