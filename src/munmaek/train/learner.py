"""One step of learning: by gradients and an optimiser, or by an objective's own kernel."""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from munmaek.core import files
from munmaek.core.contracts import Batch, CarryingObjective, KernelObjective, Objective
from munmaek.core.errors import NonFiniteError, RequestError
from munmaek.core.recipe import Recipe
from munmaek.core.runtime import draw, world
from munmaek.train import checkpoint, distributed
from munmaek.train.optim import Optimizers, ParamGroup, build_optimizer

DROPOUT_STREAM = 0xD0


class _Job(Protocol):
    """What a learner needs of `trainer.Job`."""

    @property
    def objective(self) -> Objective: ...
    @property
    def recipe(self) -> Recipe: ...
    @property
    def seed(self) -> int: ...
    @property
    def folder(self) -> Path | None: ...
    @property
    def groups(self) -> list[ParamGroup] | None: ...


class Learner:
    """What both kinds share: the job, the model, and the rule for numbers that are no numbers.

    Attributes:
        optimizer: what it remembers of each parameter is part of a checkpoint; without parts where a kernel learns.
        carried: states that the objective carries from batch to batch, part of a checkpoint too.
    """

    def __init__(self, job: _Job, model: nn.Module, optimizer: Optimizers) -> None:
        self.job, self.model, self.optimizer = job, model, optimizer
        self.rank, self.world = world()
        objective = job.objective
        self.carried: dict[str, torch.Tensor] = objective.carried if isinstance(objective, CarryingObjective) else {}

    def step(self, batch: Batch, rate: float, number: int, progress: float = 1.0) -> float:
        """Learn from a batch at a learning rate; returns its mean loss in nats. NonFiniteError: nothing was learnt.

        `progress` is the share of the training done; groups that begin later learn nothing yet.
        """
        raise NotImplementedError

    def attempt(self, batch: Batch) -> None:
        """The work of a step without its effect, to see how long it takes."""
        raise NotImplementedError

    def check_finite(self, loss: float, norm: float, batch: Batch, number: int) -> None:
        """Stop before the update where the loss or the gradient norm is not finite; the batch's ids are written."""
        if math.isfinite(loss) and math.isfinite(norm):
            return
        self.optimizer.zero_grad()
        where = None
        if self.job.folder and self.rank == 0:
            where = self.job.folder / f"nonfinite-step-{number}.json"
            facts = {"step": number, "loss": str(loss), "gradient_norm": str(norm)}
            files.write_json(where, facts | {"sample_ids": batch.sample_ids.tolist()})
        raise NonFiniteError(
            f"the loss is {loss} and the gradient norm {norm} at step {number}; the step was not taken",
            where=str(where) if where else None,
            fix="The last checkpoint is intact. Try a smaller learning_rate, or precision=fp32.",
        )


class GradientLearner(Learner):
    """Forward, backward, clip, optimiser; a batch is cut into parts that fit, and shared by all processes."""

    def __init__(self, job: _Job, model: nn.Module, device: torch.device, precision: str) -> None:
        super().__init__(job, model, build_optimizer(model, job.recipe, job.groups))
        self.device, self.precision = device, precision
        self.parallel = distributed.wrap(model, device)

    def step(self, batch: Batch, rate: float, number: int, progress: float = 1.0) -> float:
        """See `Learner.step`."""
        self.optimizer.set_rate(rate * batch.rate)
        with self.optimizer.frozen(progress):
            loss = self._accumulate(batch, number)
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.job.recipe.clip))
        self.check_finite(loss, norm, batch, number)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss

    def attempt(self, batch: Batch) -> None:
        """See `Learner.attempt`."""
        before = dict(self.carried)
        self._accumulate(batch, 0)
        self.optimizer.zero_grad()
        self.carried.clear()
        self.carried.update(before)

    def _accumulate(self, batch: Batch, number: int) -> float:
        """Forward and backward over this process's rows, in parts that fit; returns the batch's mean loss."""
        self.parallel.train()
        torch.manual_seed(int(draw(self.job.seed, number, self.rank, DROPOUT_STREAM)) >> 1)
        if batch.num_rows < self.world:
            raise RequestError(
                f"a batch has {batch.num_rows} rows for {self.world} processes",
                fix="Use fewer processes, or a larger batch (--set batch_tokens=...).",
            )
        rows = range(self.rank, batch.num_rows, self.world)
        slices = self._slices(batch, len(rows))
        total = 0.0
        for place, (start, stop) in enumerate(slices):
            inputs = distributed.to_tensors(batch.rows(slice(rows[start], rows[stop - 1] + 1, self.world)), self.device)
            with self._sync_only_at(place == len(slices) - 1):
                with distributed.autocast(self.device, self.precision):
                    parts = self.job.objective.loss(self.parallel, inputs)
                loss = parts.total(batch.counts)
                (loss * self.world).backward()
            total += float(loss.detach())
        return distributed.add_up([total], self.device)[0]

    def _slices(self, batch: Batch, num_rows: int) -> list[tuple[int, int]]:
        width = max(array[0].size for array in batch.arrays.values() if array.ndim > 1)
        most = max(1, self.job.recipe.micro_tokens // width)
        return [(start, min(start + most, num_rows)) for start in range(0, num_rows, most)]

    def _sync_only_at(self, last: bool) -> Any:
        if isinstance(self.parallel, nn.parallel.DistributedDataParallel) and not last:
            return self.parallel.no_sync()
        return nullcontext()


class KernelLearner(Learner):
    """The objective's own update, in one process whose threads it uses itself."""

    def __init__(self, job: _Job, model: nn.Module, device: torch.device) -> None:
        super().__init__(job, model, Optimizers([]))
        if self.world > 1:
            raise RequestError(
                f"{self.world} processes for a system that learns in the threads of one",
                fix="Start it without torchrun; OMP_NUM_THREADS sets the number of threads.",
            )
        if device.type != "cpu":
            raise RequestError("this system trains on the CPU", where=f"--device {device}", fix="Use --device cpu.")

    def step(self, batch: Batch, rate: float, number: int, progress: float = 1.0) -> float:
        """See `Learner.step`; numbers are looked at after the update, so the last checkpoint is what stays."""
        objective = self.job.objective
        assert isinstance(objective, KernelObjective)
        loss = float(objective.update(self.model, batch, rate, self.job.seed).total())
        self.check_finite(loss, 0.0, batch, number)
        return loss

    def attempt(self, batch: Batch) -> None:
        """See `Learner.attempt`."""
        before = {name: tensor.clone() for name, tensor in checkpoint.tensors_of(self.model).items()}
        self.step(batch, 0.0, 0)
        checkpoint.copy_into(self.model, before, "calibration")


def make_learner(job: _Job, model: nn.Module, device: torch.device, precision: str) -> Learner:
    """The learner that an objective needs."""
    if isinstance(job.objective, KernelObjective):
        return KernelLearner(job, model, device)
    return GradientLearner(job, model, device, precision)
