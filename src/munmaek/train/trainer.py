"""The only training loop. It knows the contracts and no system: `train(job)`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from munmaek.core import files
from munmaek.core.contracts import Batch, LossParts, Objective
from munmaek.core.errors import Interrupted
from munmaek.core.recipe import Budget, Plan, Recipe
from munmaek.core.runtime import tune_process, world
from munmaek.nn.transformer import dropout_set_to
from munmaek.train import checkpoint, distributed
from munmaek.train.interrupt import Interrupt
from munmaek.train.learner import make_learner
from munmaek.train.optim import ParamGroup
from munmaek.train.pace import Pace, calibrate, plan_for

SMOOTHING = 0.98
"""Decay of the exponential moving average of the loss, a step."""
LOGS = 200
"""Entries of the history in a whole training."""
AGREE_EVERY = 10
"""Steps between the moments at which several processes agree on the plan and on stopping."""


@dataclass(frozen=True)
class Event:
    """What is reported after a step. Times in seconds, losses in nats a target; `message` is for a person."""

    step: int
    total_steps: int
    tokens: int
    tokens_per_second: float
    seconds: float
    seconds_left: float
    loss: float
    rate: float
    message: str = ""
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class Job:
    """Everything one training needs.

    Attributes:
        model, objective, data: trained, how, on what. `objective.loss(model, rows)` is all that the loop calls.
        recipe, budget, seed: how, how long, and where every random number comes from.
        folder: where checkpoints go; None keeps nothing on disk.
        groups: parameters with their own factor on the learning rate; None is all of them, factor 1.
        validate: model -> metrics, in evaluation mode, every `validate_every` (share of the whole) and at the end.
        validate_last: a longer look after the last step; it is what the outcome tells, and not a part of the history.
        best: (metric, "max" or "min"): the weights of the best validation are put back at the end.
        enough: what a validation found -> whether to end there, before the budget does.
        identity: what a checkpoint must agree on to be gone on with.
        save_every_seconds, save_every_steps: how often a checkpoint is written; whichever comes first.
        reserve_seconds: part of a time budget to leave for what follows the last step.
    """

    model: nn.Module
    objective: Objective
    data: Any
    recipe: Recipe
    budget: Budget
    seed: int = 0
    folder: Path | None = None
    groups: list[ParamGroup] | None = None
    validate: Callable[[nn.Module], dict[str, float]] | None = None
    validate_every: float = 0.1
    validate_last: Callable[[nn.Module], dict[str, float]] | None = None
    best: tuple[str, str] | None = None
    enough: Callable[[dict[str, float]], bool] | None = None
    device: str = "auto"
    progress: Callable[[Event], None] | None = None
    identity: dict[str, Any] = field(default_factory=dict)
    save_every_seconds: float = 300.0
    save_every_steps: int | None = None
    reserve_seconds: float = 0.0


@dataclass
class State:
    """What the loop remembers from step to step; with the tensors, all there is to a checkpoint."""

    step: int = 0
    position: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    knots: list[list[float]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    validation: dict[str, float] = field(default_factory=dict)
    best_value: float | None = None
    best_step: int | None = None
    ended: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a training ended. `history` has an entry for every log and every validation."""

    steps: int
    tokens: int
    seconds: float
    loss: float
    validation: dict[str, float]
    best_step: int | None
    history: list[dict[str, Any]]
    resumed: bool
    notes: list[str]


def train(job: Job) -> Outcome:
    """Train `job.model` in place to the end of its budget, from the newest checkpoint where there is one.

    Raises Interrupted (saved first), NonFiniteError (the step not taken, the last checkpoint intact), RequestError
    (the folder holds another training) and JobError (no room).
    """
    tune_process()
    device = distributed.pick_device(job.device)
    with (
        distributed.processes(device),
        Interrupt() as interrupt,
        dropout_set_to(job.model, job.recipe.dropout),
    ):
        return _Training(job, device, interrupt).run()


class _Training:
    """One call of `train`: the objects it needs, and the loop."""

    def __init__(self, job: Job, device: torch.device, interrupt: Interrupt) -> None:
        self.job, self.device, self.interrupt = job, device, interrupt
        self.rank, self.world = world()
        self.precision = distributed.pick_precision(job.recipe.precision, device)
        self.model = job.model.to(device)
        self.learner = make_learner(job, self.model, device, self.precision)
        self.best: dict[str, torch.Tensor] | None = None
        self.notes: list[str] = []
        self.state = State()
        self.resumed = self._resume()
        self.began = time.monotonic() - self.state.seconds
        self.plan = Plan([(int(s), float(p)) for s, p in self.state.knots]) if self.state.knots else self._plan()
        self.pace = Pace(self.plan, job.budget.seconds)
        self.saved_at = self.elapsed()

    # ---- the loop -------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        state, recipe = self.state, self.job.recipe
        batches = self._batches(state.position, state.step)
        while not self._done():
            progress = self._middle()
            rate = recipe.rate(progress)
            batch = next(batches)
            loss = self.learner.step(batch, rate, state.step, progress)
            state.step, state.position = state.step + 1, batch.position
            state.tokens += batch.num_tokens
            self._log(loss, rate)
            self._keep_pace()
            self._validate()
            self._save_or_stop()
        self._finish()
        return Outcome(
            state.step, state.tokens, state.seconds, state.loss, state.validation, state.best_step,
            state.history, self.resumed, self.notes,
        )  # fmt: skip

    def _done(self) -> bool:
        return self.state.ended or self.state.step >= self.plan.total_steps

    def _middle(self) -> float:
        """Progress in the middle of the coming step, so that the first and the last step both count."""
        return (self.plan.progress(self.state.step) + self.plan.progress(self.state.step + 1)) / 2

    def _batches(self, position: int, step: int) -> Iterator[Batch]:
        return self.job.objective.batches(
            self.job.data,
            seed=self.job.seed,
            position=position,
            batch_tokens=self.job.recipe.batch_tokens,
            progress=lambda k: self.plan.progress(step + k),
        )

    # ---- what surrounds a step ------------------------------------------------------------------------------------

    def elapsed(self) -> float:
        """Seconds of training so far, those before an interruption included."""
        return time.monotonic() - self.began

    def _plan(self) -> Plan:
        budget, job = self.job.budget, self.job
        if budget.seconds is None:
            per_epoch = job.objective.epoch_batches(
                job.data, seed=job.seed, epoch=0, batch_tokens=job.recipe.batch_tokens
            )
            return plan_for(budget, per_epoch, self._tokens_per_batch() if budget.tokens else 1.0)
        self.plan = Plan()
        batches = self._batches(0, 0)
        self.learner.attempt(next(batches))
        self.began = time.monotonic()  # the first pass compiles kernels, or loads them: that is no training
        each = calibrate(batches, self.learner.attempt, budget.seconds if self.world == 1 else math.inf)
        left = budget.seconds - self.elapsed() - job.reserve_seconds
        return Plan.of(distributed.from_first(max(1, round(left / each))))

    def _tokens_per_batch(self, looked_at: int = 16) -> float:
        self.plan = Plan()
        batches = self._batches(0, 0)
        return sum(next(batches).num_tokens for _ in range(looked_at)) / looked_at

    def _keep_pace(self) -> None:
        self.state.seconds = self.elapsed()
        if self.job.budget.seconds is None or (self.world > 1 and self.state.step % AGREE_EVERY):
            return
        if self.rank == 0:
            self.pace.check(self.state.step, self.state.seconds, self.job.reserve_seconds)
        self.plan.knots = distributed.from_first(self.plan.knots)

    def _log(self, loss: float, rate: float) -> None:
        state = self.state
        state.loss = loss if math.isnan(state.loss) else SMOOTHING * state.loss + (1 - SMOOTHING) * loss
        state.seconds = self.elapsed()
        if state.step % max(1, self.plan.total_steps // LOGS) == 0 or state.step == self.plan.total_steps:
            state.history.append({"step": state.step, "tokens": state.tokens, "seconds": round(state.seconds, 3),
                                  "loss": loss, "smoothed_loss": state.loss, "rate": rate})  # fmt: skip
        self._report(rate)

    def _report(self, rate: float, message: str = "", metrics: dict[str, float] | None = None) -> None:
        if self.job.progress is None or self.rank != 0:
            return
        state, total = self.state, self.plan.total_steps
        left = state.seconds / max(1, state.step) * (total - state.step)
        self.job.progress(
            Event(state.step, total, state.tokens, state.tokens / max(state.seconds, 1e-9), state.seconds, left,
                  state.loss, rate, message, metrics or {})
        )  # fmt: skip

    def _validate(self) -> None:
        job, state = self.job, self.state
        if job.validate is None:
            return
        before, now = self.plan.progress(state.step - 1), self.plan.progress(state.step)
        if now < 1.0 and int(before / job.validate_every + 1e-9) == int(now / job.validate_every + 1e-9):
            return
        self.model.eval()
        with self.learner.optimizer.averaged():
            with torch.no_grad(), distributed.autocast(self.device, self.precision):
                metrics = state.validation = distributed.from_first(job.validate(self.model))
                state.ended = job.enough is not None and job.enough(metrics)
                if job.validate_last is not None and self._done():
                    state.validation = distributed.from_first(job.validate_last(self.model))
            self._keep_best(metrics)
        state.seconds = self.elapsed()
        state.history.append({"step": state.step, "tokens": state.tokens, "seconds": round(state.seconds, 3),
                              "validation": metrics})  # fmt: skip
        self.learner.optimizer.look([self._badness(e["validation"]) for e in state.history if "validation" in e])
        self._report(0.0, metrics=metrics)

    def _keep_best(self, metrics: dict[str, float]) -> None:
        """Put the weights aside where no validation was better."""
        if self.job.best is None:
            return
        state, name = self.state, self.job.best[0]
        earlier = math.inf if state.best_value is None else self._badness({name: state.best_value})
        if self._badness(metrics) < earlier:
            state.best_value, state.best_step = metrics[name], state.step
            self.best = {k: v.clone() for k, v in checkpoint.tensors_of(self.model).items()}

    def _badness(self, metrics: dict[str, float]) -> float:
        """What a training wants small: the metric that decides, with its sign, or the loss."""
        name, direction = self.job.best or ("loss", "min")
        return metrics.get(name, math.nan) * (-1 if direction == "max" else 1)

    # ---- checkpoints ----------------------------------------------------------------------------------------------

    def _resume(self) -> bool:
        folder = self.job.folder
        if folder is None:
            return False
        if self.rank == 0:
            files.sweep(folder)
            files.require_room(folder, 3 * checkpoint.size_in_bytes(self.model))
        distributed.meet()
        found = checkpoint.latest(folder, self.job.identity)
        if found is None:
            return False
        self.best = checkpoint.restore(found, self.model, self.learner.optimizer, self.learner.carried)
        stored = {k: v for k, v in found.state.items() if k in State.__dataclass_fields__}
        self.state = State(**stored)
        self.notes += [f"passed over a damaged checkpoint: {text}" for text in found.passed_over]
        self.notes.append(f"resumed from step {self.state.step:,} ({found.folder})")
        return True

    def _save_or_stop(self) -> None:
        every = self.job.save_every_steps
        due = self.elapsed() - self.saved_at >= self.job.save_every_seconds
        due = due or bool(every and self.state.step % every == 0) or self._done()
        stop = self._stop_signal()
        if due or stop:
            self._save()
        if stop and not self._done():
            where = str(self.job.folder) if self.job.folder else None
            raise Interrupted(f"stopped after step {self.state.step:,}, saved", where=where, signal_number=stop)

    def _stop_signal(self) -> int:
        """The signal that any process got; several processes agree on it every AGREE_EVERY steps."""
        mine = self.interrupt.number or 0
        if self.world == 1:
            return mine
        if self.state.step % AGREE_EVERY:
            return 0
        return int(max(distributed.add_up([float(mine)], self.device)) > 0) * (mine or 15)

    def _save(self) -> None:
        self.saved_at = self.elapsed()
        if self.job.folder is None or self.rank != 0:
            return
        self.state.knots = [[float(step), share] for step, share in self.plan.knots]
        state = asdict(self.state) | {"seed": self.job.seed, "identity": self.job.identity}
        checkpoint.save(self.job.folder, self.model, self.learner.optimizer, state, self.best, self.learner.carried)

    def _finish(self) -> None:
        self.learner.optimizer.swap()
        if self.best is not None:
            checkpoint.copy_into(self.model, self.best, "best weights")
        self.model.eval()
        distributed.meet()


def measure(
    model: nn.Module, objective: Objective, data: Any, *, seed: int, batch_tokens: int, most_targets: int | None = None
) -> dict[str, float]:
    """Mean loss (nats a target) and accuracy of each part over one epoch of `data`, no gradients.

    With `most_targets` it ends after the batch in which so many predictions are reached.
    Where the objective changes with progress (a mask rate), it is measured as it is at the end of training.

    Returns {"loss": sum of the weighted means, "<part>_loss": ..., "<part>_accuracy": ...}.
    """
    device = next(model.parameters()).device
    num = objective.epoch_batches(data, seed=seed, epoch=0, batch_tokens=batch_tokens)
    batches = objective.batches(data, seed=seed, batch_tokens=batch_tokens, progress=lambda k: 1.0)
    sums, counts, correct = dict[str, float](), dict[str, int](), dict[str, float]()
    weights: dict[str, float] = {}
    model.eval()
    with torch.no_grad():
        for _ in range(num):
            if most_targets is not None and sum(counts.values()) >= most_targets:
                break
            parts: LossParts = objective.loss(model, distributed.to_tensors(next(batches).rows(slice(None)), device))
            weights |= parts.weights
            for name, value in parts.sums.items():
                sums[name] = sums.get(name, 0.0) + float(value)
                counts[name] = counts.get(name, 0) + parts.counts[name]
                if name in parts.correct:
                    correct[name] = correct.get(name, 0.0) + float(parts.correct[name])
    found = {f"{name}_loss": value / max(1, counts[name]) for name, value in sums.items()}
    total = sum(weights.get(name, 1.0) * found[f"{name}_loss"] for name in sums)
    return {"loss": total} | found | {f"{name}_accuracy": v / max(1, counts[name]) for name, v in correct.items()}
