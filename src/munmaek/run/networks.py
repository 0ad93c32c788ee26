"""The network of a fine-tuning: a model's encoder, what stands on it, and how fast each part learns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from munmaek.core.contracts import Adaptation, Encoder, System
from munmaek.nn.heads import Agreement, meeting_width
from munmaek.run.model import Model
from munmaek.tasks import Answers, Task
from munmaek.tasks.defaults import Settings
from munmaek.tasks.network import TaskModel, make_head, widest
from munmaek.train.optim import ParamGroup


def make_network(
    system: System, encoder: Encoder, task: Task, answers: Answers, settings: Settings, seed: int = 0
) -> TaskModel:
    """An encoder with a fresh head, and the system's own reader of its layers; weights are a function of the seed."""
    adaptation = system.adaptation or Adaptation()
    reader = None if task.marked else make_reader(system, encoder, settings.reader, seed)
    dim = encoder.dim if reader is None else int(reader.dim)  # type: ignore[arg-type]
    per_token = task.per_token is not None
    if task.marked:
        head: torch.nn.Module = Agreement(encoder.num_layers, widest(encoder), task.num_outputs(answers))
    else:
        usual = partial(make_head, apart=settings.apart)
        own_head = usual if per_token else adaptation.head or usual
        width = 3 * dim if settings.pooling == "concat" and not per_token else dim
        head = own_head(
            meeting_width(width) if settings.apart else width, task.num_outputs(answers), settings.dropout, seed
        )
    auxiliary = adaptation.auxiliary if settings.auxiliary else None
    return TaskModel(encoder, head, settings.pooling, auxiliary, reader, settings.frozen, task.chooses,
                     per_token, settings.apart)  # fmt: skip


def make_reader(system: System, encoder: Encoder, options: Mapping[str, Any], seed: int = 0) -> torch.nn.Module | None:
    """The system's own reader of an encoder's layers, fresh; None where it has none. RequestError for other options."""
    adaptation = system.adaptation or Adaptation()
    if adaptation.reader is None:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return adaptation.reader(encoder.num_layers, encoder.dim, options)


def param_groups(network: TaskModel, settings: Settings) -> list[ParamGroup]:
    """What stands on the encoder, and, unless it is frozen, its layers from the bottom.

    A layer has its share of the rate, the top's being 1, and with `unfreeze` the moment at which it begins to learn.
    """
    layers = [] if network.frozen else network.encoder.layer_groups()
    top = len(layers) - 1
    wait = min(settings.unfreeze / settings.epochs, 0.5 / max(1, len(layers)))
    groups = [
        ParamGroup(group, settings.layer_decay ** (top - place), wait * (top - place + 1))
        for place, group in enumerate(layers)
    ]
    new = [*network.head.parameters(), *(network.reader.parameters() if network.reader else ())]
    return [*groups, ParamGroup(new, settings.head_rate)]


def has_linear_head(model: Model, task: Task, settings: Mapping[str, Any]) -> bool:
    """Whether rows are answered by one linear map of what the encoder gives, or of a mix of its layers.

    Args:
        settings: values of `tasks.defaults.Settings`, defaults left out.
    """
    own = model.system.adaptation or Adaptation()
    if task.marked:
        return True
    if task.per_token is not None or own.head is not None:
        return False
    reader = make_reader(model.system, model.encoder, settings.get("reader", {}))
    if reader is None:
        return True
    if settings.get("pooling", Settings.pooling) in ("max", "concat") or settings.get("apart", Settings.apart):
        return False  # of a mix they are not the mix of what each layer gives
    return getattr(reader, "only_mix", None) is not None
