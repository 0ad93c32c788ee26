"""What every Hugging Face model folder has around its weights: config.json, and the files of sentence-transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from munmaek.core.contracts import Tokenizer
from munmaek.core.errors import CheckpointError
from munmaek.core.files import read_json, write_json

CONFIG = "config.json"
WEIGHTS = "model.safetensors"


class OtherTypeError(CheckpointError):
    """A sound config.json of another model type; `found` is its name."""

    def __init__(self, found: str, expected: str, where: Path) -> None:
        super().__init__(f"a model of type {found!r}, expected {expected!r}", where=str(where))
        self.found = found


def read_config(folder: Path, model_type: str) -> dict[str, Any]:
    """config.json of a model of one type.

    Raises:
        CheckpointError: no such folder or file, or not JSON. OtherTypeError: a model of another type.
    """
    where = folder / CONFIG
    if not folder.is_dir():
        raise CheckpointError("there is no such folder", where=str(folder), fix="Give the folder with config.json.")
    config = read_json(where)
    if not isinstance(config, dict):
        raise CheckpointError("not a JSON object", where=str(where), fix="Copy the whole folder again.")
    config = cast("dict[str, Any]", config)
    found = config.get("model_type", model_type if "hidden_size" in config else None)
    if found != model_type:
        raise OtherTypeError(str(found), model_type, where)
    return config


def whole_number(config: dict[str, Any], name: str, where: Path, default: int | None = None) -> int:
    """A positive whole number of config.json; CheckpointError where it is missing or something else."""
    value = config.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**31:
        raise CheckpointError(f"{name} is {value!r}, expected a positive whole number", where=str(where / CONFIG))
    return value


def share(config: dict[str, Any], name: str, where: Path, default: float) -> float:
    """A number of config.json in [0, 1); CheckpointError where it is something else."""
    value = config.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise CheckpointError(f"{name} is {value!r}, expected a number from 0 to 1", where=str(where / CONFIG))
    return float(value)


def check_tensor(name: str, tensor: NDArray[Any], shape: tuple[int, ...], where: Path) -> NDArray[np.float32]:
    """A tensor as float32, after checking its shape and that every number is finite; CheckpointError otherwise."""
    if tensor.shape != shape:
        raise CheckpointError(f"{name} has the shape {tensor.shape}, expected {shape}", where=str(where))
    if tensor.dtype.kind != "f":
        raise CheckpointError(f"{name} holds {tensor.dtype}, expected floating-point numbers", where=str(where))
    values = tensor.astype(np.float32)
    bad = int(values.size - np.count_nonzero(np.isfinite(values)))
    if bad:
        raise CheckpointError(
            f"{name} holds {bad:,} values that are not finite (NaN or infinite)",
            where=str(where),
            fix="The training that wrote it had diverged, or the file is damaged; use an earlier checkpoint.",
        )
    return values


def check_vocabulary(vocab_size: int, tokenizer: Tokenizer, folder: Path, *, spare: float = 0.1) -> None:
    """CheckpointError where the tokenizer's vocabulary is not the model's.

    A published model may have more rows than words, rows that pad the matrix to a round number: up to this share of it
    may be `spare`; 0 for systems whose files are only written here.
    """
    if (1 - spare) * vocab_size <= tokenizer.vocab_size <= vocab_size:
        return
    raise CheckpointError(
        f"the tokenizer has {tokenizer.vocab_size:,} words and the model {vocab_size:,}: it is another model's",
        where=str(folder),
        fix="Put the model's own tokenizer files there.",
    )


def write_sentence_transformer(folder: Path, dim: int, max_length: int) -> None:
    """The files that make a model folder open in SentenceTransformer, with the mean of the token vectors.

    Class paths are those of sentence-transformers before version 6, which later ones read as well.
    """
    write_json(
        folder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ],
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})
    (folder / "1_Pooling").mkdir(exist_ok=True)
    write_json(
        folder / "1_Pooling" / CONFIG,
        {
            "word_embedding_dimension": dim,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )
    write_json(
        folder / "config_sentence_transformers.json",
        {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"},
    )
