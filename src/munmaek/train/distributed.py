"""Devices, precision and processes: one process on a laptop, many under torchrun."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from munmaek.core.errors import RequestError
from munmaek.core.runtime import world


def pick_device(asked: str = "auto") -> torch.device:
    """The device to compute on: "auto" takes a GPU where torch sees one, this process's own under torchrun."""
    if asked == "auto":
        asked = "cuda" if torch.cuda.is_available() else "cpu"
    if asked.startswith("cuda"):
        if not torch.cuda.is_available():
            raise RequestError(
                f"torch {torch.__version__} sees no CUDA device",
                where=f"--device {asked}",
                fix="Use --device cpu, or install a CUDA build of torch.",
            )
        index = int(os.environ.get("LOCAL_RANK", "0")) if ":" not in asked else int(asked.split(":")[1])
        torch.cuda.set_device(index)
        return torch.device("cuda", index)
    if asked not in ("cpu", "mps"):
        raise RequestError(f"no device {asked!r}", where="--device", fix="Devices: auto, cpu, cuda, cuda:1, mps.")
    return torch.device(asked)


@cache
def _cpu_multiplies_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8", errors="replace")
    except OSError:
        return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", " bf16"))


def pick_precision(asked: str, device: torch.device) -> str:
    """The precision, "bf16" or "fp32"; "auto" is bf16 where the machine has instructions for it."""
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device.type == "cpu" and _cpu_multiplies_bf16() else "fp32"


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[Any]:
    """bf16 autocast with fp32 master weights, or nothing."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def to_tensors(arrays: Mapping[str, np.ndarray], device: torch.device) -> dict[str, torch.Tensor]:
    """NumPy rows as tensors on the device."""
    return {name: torch.from_numpy(np.ascontiguousarray(array)).to(device) for name, array in arrays.items()}


@contextlib.contextmanager
def processes(device: torch.device) -> Iterator[tuple[int, int]]:
    """Join torchrun's process group (gloo on CPUs, nccl on GPUs) and leave it at the end; yields (rank, world)."""
    rank, size = world()
    mine = size > 1 and not dist.is_initialized()
    if mine:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield rank, size
    finally:
        if mine:
            dist.destroy_process_group()


def wrap(model: nn.Module, device: torch.device) -> nn.Module:
    """The model as DistributedDataParallel where there are several processes."""
    if not dist.is_initialized():
        return model
    ids = [device.index] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(model, device_ids=ids, find_unused_parameters=True)


def add_up(values: list[float], device: torch.device) -> list[float]:
    """Sum each value over the processes."""
    if not dist.is_initialized():
        return values
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(tensor)
    return tensor.tolist()


def from_first(value: Any) -> Any:
    """The first process's value, in every process."""
    if not dist.is_initialized():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def meet() -> None:
    """Wait until every process is here."""
    if dist.is_initialized():
        dist.barrier()
