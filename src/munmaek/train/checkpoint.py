"""What a training needs to go on: parameters, optimiser state and one small JSON. Safetensors only, never a pickle."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from munmaek.core import files
from munmaek.core.errors import CheckpointError, RequestError
from munmaek.train.optim import Optimizers

STATE = "state.json"
KEPT = 2


@dataclass
class Restored:
    """A verified checkpoint: its state, and what had to be passed over to reach it."""

    state: dict[str, Any]
    folder: Path
    passed_over: list[str]


def tensors_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters (a tied one once) and persistent buffers, on the CPU."""
    kept = model.state_dict().keys()
    named = dict(model.named_parameters())
    named |= {name: buffer for name, buffer in model.named_buffers() if name in kept}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}


def copy_into(model: nn.Module, tensors: dict[str, torch.Tensor], where: str) -> None:
    """Copy named tensors into a model in place; CheckpointError on any difference of names or shapes."""
    kept = model.state_dict().keys()
    own: dict[str, torch.Tensor] = dict(model.named_parameters())
    own |= {name: buffer for name, buffer in model.named_buffers() if name in kept}
    if set(own) != set(tensors):
        odd = sorted(set(own) ^ set(tensors))
        raise CheckpointError(f"tensors do not fit the model: {', '.join(odd[:5])}", where=where)
    with torch.no_grad():
        for name, tensor in own.items():
            if tensor.shape != tensors[name].shape:
                raise CheckpointError(
                    f"{name} has shape {tuple(tensors[name].shape)}, the model's is {tuple(tensor.shape)}", where=where
                )
            tensor.copy_(tensors[name])


def _optimizer_tensors(model: nn.Module, optimizer: Optimizers) -> dict[str, torch.Tensor]:
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{key}/{names[parameter]}": value.detach().cpu().contiguous()
        for parameter, values in optimizer.state().items()
        for key, value in values.items()
    }


def _restore_optimizer(model: nn.Module, optimizer: Optimizers, tensors: dict[str, torch.Tensor]) -> None:
    found: dict[str, dict[str, torch.Tensor]] = {}
    for full, value in tensors.items():
        key, name = full.split("/", 1)
        found.setdefault(name, {})[key] = value
    for name, parameter in model.named_parameters():
        if name in found:
            optimizer.remember(parameter, {key: value.to(parameter.device) for key, value in found[name].items()})


def size_in_bytes(model: nn.Module) -> int:
    """About how many bytes one checkpoint of the model takes."""
    return sum(p.numel() * 4 * (3 if p.requires_grad else 1) for p in model.parameters())


def save(
    folder: Path,
    model: nn.Module,
    optimizer: Optimizers,
    state: dict[str, Any],
    best: dict[str, torch.Tensor] | None = None,
    carried: dict[str, torch.Tensor] | None = None,
) -> Path:
    """Write `folder/step-N` whole or not at all, then prune all but the newest two; returns the new folder.

    `best` are weights kept aside, `carried` the states that an objective carries from batch to batch.
    """
    target = folder / f"step-{state['step']:09d}"
    with files.atomic_folder(target, step=state["step"], seed=state["seed"]) as temporary:
        save_file(tensors_of(model), temporary / "model.safetensors")
        save_file(_optimizer_tensors(model, optimizer), temporary / "optimizer.safetensors")
        if best is not None:
            save_file(best, temporary / "best.safetensors")
        if carried:
            values = {name: tensor.detach().cpu().contiguous() for name, tensor in carried.items()}
            save_file(values, temporary / "carried.safetensors")
        files.write_json(temporary / STATE, state)
    for old in kept(folder)[:-KEPT]:
        shutil.rmtree(old)
    return target


def kept(folder: Path) -> list[Path]:
    """The checkpoints under `folder`, whole or not, the oldest first."""
    return sorted(folder.glob("step-*"))


def latest(folder: Path, identity: dict[str, Any]) -> Restored | None:
    """The newest checkpoint under `folder` whose manifest verifies; None where there is none.

    Damaged ones are passed over and named in the result. RequestError where the training found there is another one
    than `identity` describes.
    """
    identity = json.loads(json.dumps(identity))  # as it comes back from a file: tuples are lists
    passed_over: list[str] = []
    for candidate in reversed(kept(folder)):
        try:
            files.verify_folder(candidate)
            state = files.read_json(candidate / STATE)
        except CheckpointError as error:
            passed_over.append(str(error))
            continue
        differing = sorted(k for k in identity if state["identity"].get(k) != identity[k])
        if differing:
            key = differing[0]
            raise RequestError(
                f"holds a training with another {', '.join(differing)} "
                f"({key} was {state['identity'].get(key)!r}, now {identity[key]!r})",
                where=str(folder.parent),
                fix="Give another --out, or the same options to go on with that one.",
            )
        return Restored(state, candidate, passed_over)
    if passed_over:
        raise CheckpointError(
            f"no checkpoint there is whole; the newest: {passed_over[0]}",
            where=str(folder),
            fix="Start again with another --out.",
        )
    return None


def restore(
    found: Restored, model: nn.Module, optimizer: Optimizers, carried: dict[str, torch.Tensor] | None = None
) -> dict[str, torch.Tensor] | None:
    """Put back a checkpoint's tensors: model, optimiser and `carried`; returns the best weights so far, if any."""
    copy_into(model, load_file(found.folder / "model.safetensors"), str(found.folder))
    _restore_optimizer(model, optimizer, load_file(found.folder / "optimizer.safetensors"))
    states = found.folder / "carried.safetensors"
    if carried is not None and states.exists():
        device = next(model.parameters()).device
        carried.update({name: tensor.to(device) for name, tensor in load_file(states).items()})
    best = found.folder / "best.safetensors"
    return load_file(best) if best.exists() else None
