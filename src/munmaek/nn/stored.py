"""Weights in torch's own files: read as weights alone, never as anything that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from munmaek.core.errors import CheckpointError


def read_old_weights(folder: Path) -> dict[str, NDArray[Any]]:
    """The tensors of an old Hugging Face folder's pytorch_model.bin, floating-point ones as float32.

    Raises:
        CheckpointError: there is none, or it holds more than weights.
    """
    old = folder / "pytorch_model.bin"
    if not old.is_file():
        raise CheckpointError(
            "the folder has no model.safetensors and no pytorch_model.bin",
            where=str(folder),
            fix="Copy the whole folder again.",
        )
    try:
        loaded = torch.load(old, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        first = str(error).split("\n")[0]
        raise CheckpointError(
            f"cannot be read as weights alone: {first}", where=str(old), fix="Save it as model.safetensors."
        ) from error
    if not isinstance(loaded, dict):
        raise CheckpointError("does not hold tensors by name", where=str(old))
    return {
        str(name): value.detach().to(torch.float32).numpy() if value.is_floating_point() else value.numpy()
        for name, value in loaded.items()
        if isinstance(value, torch.Tensor)
    }
