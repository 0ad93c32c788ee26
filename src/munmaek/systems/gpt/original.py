"""OpenAI's own files of GPT-1: params_N.npy, their shapes, and the byte-pair vocabulary (FORMATS 8)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core.contracts import Tokenizer
from munmaek.core.errors import CheckpointError, FormatError
from munmaek.core.files import read_json
from munmaek.data.tokenizers import TextTokenizer
from munmaek.formats import huggingface, npy
from munmaek.systems.gpt import foreign
from munmaek.systems.gpt.model import GptConfig, GptForPreTraining
from munmaek.systems.gpt.vocabulary import openai_bpe

SHAPES, WORDS, MERGES = "params_shapes.json", "encoder_bpe_40000.json", "vocab_40000.bpe"
PARTS = 10
ORDER = ("attn.c_attn", "attn.c_proj", "ln_1", "mlp.c_fc", "mlp.c_proj", "ln_2")
"""A layer's parts in the order of the released graph, each a weight and a bias; before them positions, then words."""
MOST_NUMBERS = 2**33


def read(folder: Path) -> tuple[GptForPreTraining, Tokenizer]:
    """The folder `model` of openai/finetune-transformer-lm.

    Raises:
        CheckpointError: a file is missing, or what the files hold is no GPT-1. FormatError: a damaged file.
    """
    folder = Path(folder)
    shapes = read_shapes(folder / SHAPES)
    config = config_of(shapes, folder / SHAPES)
    tokenizer = TextTokenizer(
        openai_bpe(folder / WORDS, folder / MERGES), "bpe", special={"unk": "<unk>"}, settings={"origin": "other"}
    )
    huggingface.check_vocabulary(config.vocab_size, tokenizer, folder)
    flat = _numbers(folder, sum(map(math.prod, shapes)))
    weights: dict[str, NDArray[Any]] = {}
    begin = 0
    for name, shape in zip(names(config.num_layers), shapes, strict=True):
        size = math.prod(shape)
        weights[name] = flat[begin : begin + size].reshape(shape[1:] if len(shape) == 3 else shape)
        begin += size
    return foreign.finish(foreign.from_foreign(weights, config), config, tokenizer, folder / "params_0.npy", False)


def names(num_layers: int) -> list[str]:
    """Hugging Face's names of the tensors, in the order of the files."""
    trunk = ["transformer.positions_embed.weight", "transformer.tokens_embed.weight"]
    return trunk + [
        f"transformer.h.{layer}.{part}.{kind}"
        for layer in range(num_layers)
        for part in ORDER
        for kind in ("weight", "bias")
    ]


def read_shapes(path: Path) -> list[tuple[int, ...]]:
    """The shapes of the tensors; FormatError where the file holds anything else."""
    values = read_json(path)
    sound = isinstance(values, list) and all(isinstance(shape, list) and 1 <= len(shape) <= 3 for shape in values)
    if sound:
        sound = all(type(size) is int and 1 <= size < 2**31 for shape in values for size in shape)
    if not sound or sum(map(math.prod, values)) > MOST_NUMBERS:
        raise FormatError("not a list of shapes of a GPT-1", where=str(path), fix="Copy the file again.")
    return [tuple(shape) for shape in values]


def config_of(shapes: list[tuple[int, ...]], where: Path) -> GptConfig:
    """The model that has tensors of these shapes; heads are 64 wide (Radford 2018 §4.1), or one head where dim < 64."""
    layers, rest = divmod(len(shapes) - 2, 2 * len(ORDER))
    if layers < 1 or rest or any(len(shape) != 2 for shape in shapes[:2]):
        raise CheckpointError(f"{len(shapes)} tensors are not those of a GPT-1", where=str(where))
    positions, dim = shapes[0]
    heads = max(1, dim // 64)
    if dim % heads:
        raise CheckpointError(f"a width of {dim} is not that of a GPT-1: heads are 64 wide", where=str(where))
    widths = (3 * dim, dim, dim, 4 * dim, dim, dim)
    expected: list[tuple[int, ...]] = [(positions, dim), (shapes[1][0], dim)]
    for _ in range(layers):
        for part, width in zip(ORDER, widths, strict=True):
            inputs = 4 * dim if part == "mlp.c_proj" else dim
            expected += [(width,), (width,)] if part.startswith("ln") else [(1, inputs, width), (width,)]
    if shapes != expected:
        found = next((a, b) for a, b in zip(shapes, expected, strict=True) if a != b)
        raise CheckpointError(f"a tensor has the shape {found[0]}, expected {found[1]}", where=str(where))
    return GptConfig(shapes[1][0], dim, layers, heads, max_positions=positions)


def _numbers(folder: Path, expected: int) -> NDArray[np.float32]:
    parts = [npy.read(folder / f"params_{number}.npy") for number in range(PARTS)]
    total = sum(part.size for part in parts)
    if total != expected or any(part.ndim != 1 or part.dtype.kind != "f" for part in parts):
        raise CheckpointError(
            f"the {PARTS} files hold {total:,} numbers and the shapes ask for {expected:,}",
            where=str(folder),
            fix="Copy the whole folder again.",
        )
    return np.concatenate(parts).astype(np.float32)
