"""One fine-tuning of one model from one seed: what `finetune` repeats, and what the table of results repeats more."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from munmaek.core.contracts import Adaptation, Encoder
from munmaek.core.errors import RequestError
from munmaek.core.recipe import Budget
from munmaek.data.variation import VariedTokenizer
from munmaek.run.model import Model
from munmaek.run.networks import has_linear_head, make_network, param_groups
from munmaek.run.readings import check_alternatives, longest, lost, may_be_apart, readings
from munmaek.run.stored import StoredRows
from munmaek.tasks import Answers, Task
from munmaek.tasks.defaults import PROBED_PER_CLASS, Settings, known_settings, settings_for
from munmaek.tasks.examples import Examples, subset
from munmaek.tasks.labelled import Labelled, LabelledObjective, answer, tokenise, with_targets
from munmaek.tasks.network import TaskModel, centre, outputs
from munmaek.tasks.probe import probe
from munmaek.train import checkpoint, distributed
from munmaek.train.evidence import evidence
from munmaek.train.trainer import Event, Job, Outcome, train

POOLINGS = ("mean", "max", "first", "last", "concat", "pooler")
WHOLE_FROM = 20_000
"""From this many chosen rows on the whole training set is tokenised, once."""
VALIDATION_SHARE = 0.25
"""Of the training's time, at most about this goes into validations."""
FORWARD_SHARE = 1 / 3
"""A forward pass costs about a third of a training step on the same tokens."""
HEAD_STREAM = 0x4EAD
EVIDENCE, EVIDENCE_BATCHES = "evidence", 32
"""Early stopping looks at the gradients of so many parts of the training rows."""


@dataclass(frozen=True)
class Fitted:
    """A trained network with what it answers, how it was trained, and its dev scores (None without a dev set).

    `own_body` where its body began as the model's own, no layer of it drawn from the seed.
    """

    network: TaskModel
    answers: Answers
    settings: Settings
    outcome: Outcome
    num_labels: int
    scores: dict[str, float] | None
    own_body: bool


class Tuner:
    """Fine-tunes one model on one table, from any seed and on any number of labels; every call starts afresh.

    The model itself is left as it is; the network of the last `fit` is trained in place by the next one.

    Args:
        changes: settings that differ from the defaults for the number of labels; None values are ignored.
        from_scratch: train the same network from new random weights: the column "without pre-training".
        max_length: tokens read of a text; by default what the model was pre-trained on.
        folder: where states of a frozen body may lie that are too many for memory.
    """

    def __init__(
        self,
        model: Model,
        task: Task,
        examples: Examples,
        dev: Examples | None = None,
        *,
        changes: Mapping[str, Any] | None = None,
        from_scratch: bool = False,
        max_length: int | None = None,
        folder: Path | None = None,
    ) -> None:
        self.folder, self._stored = folder, None
        self.model, self.task, self.examples, self.dev = model, task, examples, dev
        self.changes = known_settings(changes or {}, "--set")
        self.from_scratch = from_scratch
        self.max_length = longest(model, max_length)
        own = model.system.adaptation or Adaptation()
        self.may_be_apart = examples.pairs is not None and may_be_apart(task)
        self.apart = self.may_be_apart and bool(self.changes.get("apart", own.apart))
        self._how = readings(model, task, apart=self.apart)
        self._strata = task.strata(examples.labels)
        self._copy = copy.deepcopy(model.module)
        self._whole: Labelled | None = None
        self._dev: Labelled | None = None

    def rows(self, labels: int | None, seed: int) -> NDArray[np.int64]:
        """The training rows that a seed draws."""
        if labels is None:
            return np.arange(len(self.examples))
        return subset(self._strata, labels, seed)

    def settings(self, num_labels: int) -> Settings:
        """The defaults for so many labels, what the paper does otherwise, and the changes asked for."""
        adaptation = self.model.system.adaptation or Adaptation()
        own: dict[str, Any] = {}
        if adaptation.settings and not self.task.marked:
            own = dict(adaptation.settings(num_labels, self.task.per_token is not None))
        if self.apart and not adaptation.apart:
            own.pop("pooling", None)  # the paper's way is of texts read as one: GPT's last token says less of one alone
        changes = dict(self.changes)
        if "reader" in own and "reader" in changes:
            changes["reader"] = {**own["reader"], **changes["reader"]}
        linear = not self.from_scratch and has_linear_head(
            self.model, self.task, {**own, **changes, "apart": self.apart}
        )
        asked = changes.get("probe", self._may_probe(num_labels) and not changes.get("fresh_layers"))
        usual = settings_for(num_labels, self.model.dim, static=self.model.num_layers == 1,
                             probed=linear and asked, marked=self.task.marked)  # fmt: skip
        if self.from_scratch:
            for name in ("frozen", "unfreeze", "layer_decay"):  # random weights are there to be trained
                own.pop(name, None)
            usual = dataclasses.replace(usual, frozen=False, probe=False)
        if usual.probe:
            for name in ("learning_rate", "head_rate"):  # what starts at a probe is only finished
                own.pop(name, None)
        settings = dataclasses.replace(usual, **{**own, **changes, "apart": self.apart})
        self._check(settings, linear)
        return settings

    def _check(self, settings: Settings, linear: bool) -> None:
        """Raise RequestError for settings that this model, task or table has no use for."""
        adaptation = self.model.system.adaptation
        for name, what in (("auxiliary", "auxiliary loss"), ("reader", "reader of its layers")):
            if getattr(settings, name) and (self.task.marked or getattr(adaptation, name, None) is None):
                found = f"{self.model.system.title} has no {what} in {self.task.name}"
                raise RequestError(found, where=name, fix="Leave it out.")
        if self.changes.get("apart") and not self.apart:
            fix = "Leave it out; it is for rows of two texts in pair and regress."
            raise RequestError("there are no two texts to read apart", where="apart", fix=fix)
        if settings.probe and not linear:
            fix = "Leave it out." if not self.from_scratch else "It is for pre-trained models."
            raise RequestError("there is no one linear map to start at a probe", where="probe", fix=fix)
        if settings.early_stopping and self.dev is not None:
            raise RequestError("a dev set says when to stop", where="early_stopping", fix="Leave out one of the two.")
        if settings.subword_dropout and self.task.per_token is not None:
            found = "subwords that vary have no characters to mark"
            raise RequestError(found, where="subword_dropout", fix="Set it to 0.")

    def _may_probe(self, num_labels: int) -> bool:
        """Whether single texts are sorted into so few classes that a linear map can be told from the labels of each."""
        if self.examples.pairs is not None or not self.task.classifies:
            return False
        return num_labels >= PROBED_PER_CLASS * len(set(self.examples.labels))

    def fit(
        self,
        seed: int,
        labels: int | None = None,
        *,
        folder: Path | None = None,
        identity: Mapping[str, Any] | None = None,
        progress: Callable[[Event], None] | None = None,
    ) -> Fitted:
        """Train on the rows that `seed` draws; the best dev checkpoint is kept, or the last without a dev set.

        Raises what `train` raises, and DataError where the drawn labels are all one.
        """
        rows = self.rows(labels, seed)
        chosen = [self.examples.labels[row] for row in rows.tolist()]
        # how many alternatives there are is no matter of the rows drawn
        answers = self.task.fit(self.examples.labels if self.task.chooses else chosen, self.examples.where)
        data = with_targets(self._tokens(rows), self.task, answers, chosen, self.examples.where)
        check_alternatives(self.task, answers, data, self.examples.where)
        settings = self.settings(len(rows))
        network, dev = self._network(answers, settings, seed), self._dev_tokens()
        variant = self._variant(rows, data, settings.subword_dropout, seed)
        own_body = not (self.from_scratch or settings.fresh_layers)
        parts = [data] if dev is None else [data, dev]
        with self._looked_up(network, parts, same=variant is None, shared=own_body and labels is None) as (data, *rest):
            dev = rest[0] if rest else None
            if self.task.marked:
                centre(network.eval(), data)
            if settings.probe:
                with _fast(self.model):
                    probe(network, self.task, data)
            validate, every = self._validation(answers, data, dev, settings, seed)
            objective = LabelledObjective(self.task, network.encoder, settings.batch_rows, settings.auxiliary, variant)
            outcome = train(
                Job(
                    network, objective, data, settings.recipe(self.max_length), Budget(epochs=settings.epochs), seed,
                    folder, groups=param_groups(network, settings), validate=validate, validate_every=every,
                    best=(self.task.best, "max") if self.dev is not None else None,
                    enough=_is_noise if settings.early_stopping else None, progress=progress,
                    device=self.model.device.type,
                    identity=dict(identity or {}) | {"seed": seed, "settings": dataclasses.asdict(settings)},
                )
            )  # fmt: skip
        return Fitted(network, answers, settings, outcome, len(rows), best_scores(outcome), own_body)

    @contextmanager
    def _looked_up(
        self, network: TaskModel, parts: list[Labelled], *, same: bool, shared: bool
    ) -> Generator[list[Labelled]]:
        """Rows as the network reads them within: the states of a frozen body are looked up, not computed each epoch.

        `same`: the rows are those of every epoch; `shared`: of every seed, too.
        """
        if not same:
            yield parts
            return
        stored = (self._stored if shared else None) or StoredRows(self.model, parts, self.folder)
        self._stored = stored if shared else None
        with stored.under(network) as found:
            yield found

    def notes(self) -> list[str]:
        """What the model cannot read of the training and dev texts, among those tokenised whole so far."""
        both = [(self.examples, self._whole), *([(self.dev, self._dev)] if self.dev is not None else [])]
        cut = sum(data.num_cut for _, data in both if data is not None)
        notes = [f"{cut:,} texts are longer than {self.max_length} tokens and were cut"] if cut else []
        for examples, data in both:
            if data is not None:
                notes += lost(self.task, data, examples)
        return notes

    def read(self, examples: Examples) -> Labelled:
        """Examples tokenised as the model reads those of this task."""
        return tokenise(self.model.encoder, examples.texts, examples.pairs, None, self.max_length, **self._how)

    def _tokens(self, rows: NDArray[np.int64]) -> Labelled:
        if self._whole is None and len(rows) < WHOLE_FROM and len(rows) < len(self.examples):
            part = self.examples.take(rows)
            return self.read(part)
        if self._whole is None:
            whole = self.examples
            self._whole = self.read(whole)
        return self._whole.take(rows) if len(rows) < len(self.examples) else self._whole

    def _variant(
        self, rows: NDArray[np.int64], data: Labelled, rate: float, seed: int
    ) -> Callable[[int], Labelled] | None:
        """epoch -> the chosen rows cut anew; None where nothing varies."""
        if rate <= 0:
            return None
        part, system, max_length = self.examples.take(rows), self.model.system, self.max_length

        def variant(epoch: int) -> Labelled:
            varied = VariedTokenizer(self.model.tokenizer, rate, seed, epoch)  # type: ignore[arg-type]
            encoder = system.encoder(self.model.module, varied)
            return tokenise(encoder, part.texts, part.pairs, data.targets, max_length, **self._how)

        return variant

    def _network(self, answers: Answers, settings: Settings, seed: int) -> TaskModel:
        model = self.model
        if self.from_scratch:
            torch.manual_seed(seed)
            module = model.system.build(model.module.config).to(model.device)  # type: ignore[arg-type]
        else:
            module = self._copy
            checkpoint.copy_into(module, checkpoint.tensors_of(model.module), str(model.folder))
        encoder = model.system.encoder(module, model.tokenizer)
        if settings.fresh_layers and not self.from_scratch:
            self._renew(encoder, settings.fresh_layers, seed)
        network = make_network(model.system, encoder, self.task, answers, settings, seed + HEAD_STREAM)
        return network.to(model.device)

    def _renew(self, encoder: Encoder, count: int, seed: int) -> None:
        """Give the top layers fresh weights, drawn from the seed; the embeddings stay."""
        model = self.model
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            other = model.system.encoder(model.system.build(model.module.config), model.tokenizer)  # type: ignore[arg-type]
        layers, fresh = encoder.layer_groups(), other.layer_groups()
        if count >= len(layers):
            fix = f"{model.system.title} here has {len(layers) - 1} above its embeddings."
            raise RequestError(f"{count} fresh layers", where="fresh_layers", fix=fix)
        with torch.no_grad():
            for old, new in zip(layers[-count:], fresh[-count:], strict=True):
                for parameter, value in zip(old, new, strict=True):
                    parameter.copy_(value)

    def _dev_tokens(self) -> Labelled | None:
        if self.dev is not None and self._dev is None:
            self._dev = self.read(self.dev)
        return self._dev

    def _validation(
        self, answers: Answers, data: Labelled, dev: Labelled | None, settings: Settings, seed: int
    ) -> tuple[Callable[[torch.nn.Module], dict[str, float]] | None, float]:
        if dev is None:
            if settings.early_stopping:
                return self._evidence(data, settings, seed), 1.0 / settings.epochs
            return None, 1.0
        assert self.dev is not None
        wanted = self.task.targets(answers, self.dev.labels, self.dev.where)
        check_alternatives(self.task, answers, dev, self.dev.where)

        def validate(module: torch.nn.Module) -> dict[str, float]:
            assert isinstance(module, TaskModel)
            return self.task.scores(answers, answer(self.task, answers, outputs(module, dev), dev), wanted)

        trained = settings.epochs * int(data.offsets[-1])
        times = VALIDATION_SHARE * trained / max(1.0, FORWARD_SHARE * int(dev.offsets[-1]))
        return validate, 1.0 / min(10, max(2, int(times)))

    def _evidence(self, data: Labelled, settings: Settings, seed: int) -> Callable[[torch.nn.Module], dict[str, float]]:
        rows, batch_tokens = -(-len(data) // EVIDENCE_BATCHES), settings.recipe(self.max_length).batch_tokens

        def look(module: torch.nn.Module) -> dict[str, float]:
            assert isinstance(module, TaskModel)
            objective = LabelledObjective(self.task, module.encoder, rows)
            return {EVIDENCE: evidence(module, objective, data, seed=seed, batch_tokens=batch_tokens)}

        return look


def _is_noise(found: Mapping[str, float]) -> bool:
    return found[EVIDENCE] > 0


def best_scores(outcome: Outcome) -> dict[str, float] | None:
    """The scores of the validation whose weights were kept."""
    if outcome.best_step is None:
        return None
    found = [e["validation"] for e in outcome.history if e["step"] == outcome.best_step and "validation" in e]
    return dict(found[-1])


def compute(model: Model, network: TaskModel, data: Labelled, batch_tokens: int = 8_192) -> NDArray[np.float32]:
    """Outputs of every row in evaluation mode, in bf16 where the machine multiplies that faster."""
    network.eval()
    with _fast(model):
        return outputs(network, data, batch_tokens)


def _fast(model: Model) -> AbstractContextManager[Any]:
    """bf16 where the model's machine multiplies that faster."""
    return distributed.autocast(model.device, distributed.pick_precision("auto", model.device))
