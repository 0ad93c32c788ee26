"""Hugging Face folders of GPT-1 and GPT-2: the tables of weight names, the reader and the writer."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from munmaek.core.contracts import Tokenizer
from munmaek.core.errors import CheckpointError
from munmaek.core.files import read_json, write_atomic, write_json
from munmaek.data.tokenizers import TextTokenizer
from munmaek.formats import huggingface, safetensors
from munmaek.formats.huggingface import OtherTypeError
from munmaek.nn.stored import read_old_weights
from munmaek.systems.gpt import vocabulary
from munmaek.systems.gpt.model import GptConfig, GptForPreTraining

Arrays = dict[str, NDArray[Any]]

TYPES = {"post": "openai-gpt", "pre": "gpt2"}
"""Where the norm stands -> Hugging Face's name of the model."""
TRUNK = {
    "post": {"words": "tokens_embed", "positions": "positions_embed"},
    "pre": {"words": "wte", "positions": "wpe", "norm": "ln_f"},
}
LAYER = {
    "attention.inner.qkv": "attn.c_attn",
    "attention.inner.output": "attn.c_proj",
    "attention.norm": "ln_1",
    "feed_forward.inner.up": "mlp.c_fc",
    "feed_forward.inner.down": "mlp.c_proj",
    "feed_forward.norm": "ln_2",
}
"""Each has a weight and a bias; matrices stand there as (inputs, outputs), here as (outputs, inputs)."""
CONFIG = {"vocab_size": "vocab_size", "dim": "n_embd", "num_layers": "n_layer", "num_heads": "n_head",
          "max_positions": "n_positions"}  # fmt: skip
SHARES = {
    "dropout": ("resid_pdrop", 0.1), "attention_dropout": ("attn_pdrop", 0.1),
    "norm_epsilon": ("layer_norm_epsilon", 1e-5), "init_std": ("initializer_range", 0.02),
}  # fmt: skip
NEEDED: dict[str, dict[str, tuple[Any, ...]]] = {
    "post": {"afn": ("gelu",), "tie_word_embeddings": (True,)},
    "pre": {
        "activation_function": ("gelu_new", "gelu_pytorch_tanh"), "tie_word_embeddings": (True,),
        "scale_attn_weights": (True,), "scale_attn_by_inverse_layer_idx": (False,), "add_cross_attention": (False,),
    },
}  # fmt: skip
"""config.json's options that must have one of these values; left out, they have it."""
START = "munmaek_start"
"""Our own entry of config.json: GptConfig.start."""


def table(config: GptConfig) -> dict[str, tuple[str, bool]]:
    """Our weight name -> the Hugging Face name, and whether the matrix is transposed there."""
    names: dict[str, tuple[str, bool]] = {}
    for ours, theirs in TRUNK[config.norm].items():
        for kind in ("weight", "bias") if ours == "norm" else ("weight",):
            names[f"gpt.{ours}.{kind}"] = f"transformer.{theirs}.{kind}", False
    for layer in range(config.num_layers):
        for ours, theirs in LAYER.items():
            for kind in ("weight", "bias"):
                turned = kind == "weight" and not ours.endswith("norm")
                names[f"gpt.blocks.{layer}.{ours}.{kind}"] = f"transformer.h.{layer}.{theirs}.{kind}", turned
    return names


def to_foreign(weights: Mapping[str, NDArray[Any]], config: GptConfig) -> Arrays:
    """Our weights under Hugging Face's names."""
    return {theirs: weights[ours].T if turned else weights[ours] for ours, (theirs, turned) in table(config).items()}


def from_foreign(weights: Mapping[str, NDArray[Any]], config: GptConfig) -> Arrays:
    """Hugging Face weights under our names; missing ones are left out."""
    return {
        ours: weights[theirs].T if turned else weights[theirs]
        for ours, (theirs, turned) in table(config).items()
        if theirs in weights
    }


def read(folder: Path) -> tuple[GptForPreTraining, Tokenizer]:
    """Any `openai-gpt` or `gpt2` folder of Hugging Face, with or without its language model head.

    Special tokens that fine-tuning needs and the vocabulary lacks are added, with new rows of the word embeddings, as
    Radford 2018 §3.3 does; the model's `untrained` names them.

    Raises:
        CheckpointError: a file or a tensor is missing, of the wrong shape or not finite; an option that this GPT does
            not have; a tokenizer of another vocabulary. OtherTypeError: another model. FormatError: a damaged file.
    """
    folder = Path(folder)
    config, values = read_config(folder)
    tokenizer = vocabulary.read(folder, TYPES[config.norm], values)
    huggingface.check_vocabulary(config.vocab_size, tokenizer, folder)
    tensors = safetensors.read_folder(folder)
    weights = _renamed(read_old_weights(folder) if tensors is None else tensors)
    where = folder / huggingface.WEIGHTS
    _check_tied(weights, config, where)
    start = values.get(START)
    known = start if isinstance(start, bool) else None
    return finish(from_foreign(weights, config), config, tokenizer, where, known)


def finish(
    weights: Mapping[str, NDArray[Any]], config: GptConfig, tokenizer: TextTokenizer, where: Path, start: bool | None
) -> tuple[GptForPreTraining, Tokenizer]:
    """A model of weights under our names, checked, and with the special tokens that are missing; see `read`.

    `start` is the config's; None: as the vocabulary has a start token or not.
    """
    names = table(config)
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in GptForPreTraining(config).state_dict().items()}
    sound: dict[str, torch.Tensor] = {}
    for name, shape in shapes.items():
        theirs = names[name][0]
        if name not in weights:
            raise CheckpointError(
                f"the tensor {theirs} is missing", where=str(where), fix="Copy the whole folder again."
            )
        array = huggingface.check_tensor(theirs, weights[name], shape, where)
        sound[name] = torch.from_numpy(np.ascontiguousarray(array))
    tokenizer, added = vocabulary.complete(tokenizer)
    rows = max(config.vocab_size, tokenizer.vocab_size)
    if rows > config.vocab_size:
        generator = torch.Generator().manual_seed(0)
        new = torch.randn(rows - config.vocab_size, config.dim, generator=generator) * config.init_std
        sound["gpt.words.weight"] = torch.cat([sound["gpt.words.weight"], new])
    config = dataclasses.replace(config, vocab_size=rows, start="start" not in added if start is None else start)
    with torch.random.fork_rng(devices=[]):
        model = GptForPreTraining(config)
    model.load_state_dict(sound)
    model.untrained = tuple(f"{name} token" for name in added)
    return model.eval(), tokenizer


def read_config(folder: Path) -> tuple[GptConfig, dict[str, Any]]:
    """The shape of a GPT from its config.json, and that file; CheckpointError for options that this GPT lacks."""
    where = folder / huggingface.CONFIG
    try:
        values, norm = huggingface.read_config(folder, TYPES["post"]), "post"
    except OtherTypeError as error:
        if error.found != TYPES["pre"]:
            raise
        values, norm = huggingface.read_config(folder, TYPES["pre"]), "pre"
    if "n_embd" not in values and "model_type" not in values:
        raise OtherTypeError("unnamed", TYPES["post"], where)
    for name, allowed in NEEDED[norm].items():
        if values.get(name, allowed[0]) not in allowed:
            raise CheckpointError(
                f"{name} is {values[name]!r}; this GPT has {allowed[0]!r} only",
                where=str(where),
                fix="Choose a checkpoint of the published GPT or GPT-2.",
            )
    sizes = {ours: huggingface.whole_number(values, theirs, folder) for ours, theirs in CONFIG.items()}
    shares: dict[str, Any] = {
        ours: huggingface.share(values, theirs, folder, default) for ours, (theirs, default) in SHARES.items()
    }
    if sizes["dim"] % sizes["num_heads"]:
        raise CheckpointError(f"n_head {sizes['num_heads']} does not divide n_embd {sizes['dim']}", where=str(where))
    inner = 4 * sizes["dim"]
    if norm == "pre" and values.get("n_inner") is not None:
        inner = huggingface.whole_number(values, "n_inner", folder)
    return GptConfig(**sizes, **shares, norm=norm, feed_forward=inner), values


def _renamed(weights: Mapping[str, NDArray[Any]]) -> Arrays:
    """Names of the model without its head as those of the model with it."""
    if any(name.startswith("transformer.") for name in weights):
        return dict(weights)
    return {f"transformer.{name}": tensor for name, tensor in weights.items()}


def _check_tied(weights: Mapping[str, NDArray[Any]], config: GptConfig, where: Path) -> None:
    """CheckpointError where the output matrix is not the word embeddings."""
    head = weights.get("lm_head.weight")
    words = weights.get(table(config)["gpt.words.weight"][0])
    if head is not None and words is not None and not np.array_equal(head, words):
        raise CheckpointError(
            "the output matrix is not the word embeddings; this GPT shares the two",
            where=str(where),
            fix="Choose a checkpoint of the published GPT or GPT-2.",
        )


def save(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a model into an existing folder as Hugging Face and sentence-transformers files (FORMATS 1-3).

    Raises:
        CheckpointError: the tokenizer's vocabulary is not the model's. JobError: no room.
    """
    assert isinstance(model, GptForPreTraining)
    config = model.config
    huggingface.check_vocabulary(config.vocab_size, tokenizer, folder)
    roles = {f"{name}_token_id": tokenizer.token_id(role) for name, role in vocabulary.NAMES_THERE.items()}
    architecture = {"post": "OpenAIGPTLMHeadModel", "pre": "GPT2LMHeadModel"}[config.norm]
    values: dict[str, Any] = {"architectures": [architecture], "model_type": TYPES[config.norm]}
    values |= {theirs: getattr(config, ours) for ours, theirs in CONFIG.items()}
    values |= {theirs: getattr(config, ours) for ours, (theirs, _) in SHARES.items()}
    values |= {"embd_pdrop": config.dropout, "torch_dtype": "float32", START: config.start, **roles}
    values |= {"afn": "gelu"} if config.norm == "post" else {"activation_function": "gelu_new",
                                                            "n_inner": config.feed_forward}  # fmt: skip
    weights = {name: value.detach().cpu().float().numpy() for name, value in model.state_dict().items()}
    write_json(folder / huggingface.CONFIG, values)
    write_json(folder / "generation_config.json", {"_from_model_config": True, **roles})
    safetensors.write(folder / huggingface.WEIGHTS, to_foreign(weights, config), metadata={"format": "pt"})
    tokenizer.save(folder)
    _complete_tokenizer(tokenizer, folder)
    huggingface.write_sentence_transformer(folder, config.dim, config.max_positions)


def _complete_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """What a GPT's folder has beside any tokenizer's: names of begin and end, no token types, the merges as text.

    With token types a GPT-1 of Hugging Face would add the word embeddings of 0 and 1 to every position.
    """
    assert isinstance(tokenizer, TextTokenizer)
    names = {f"{theirs}_token": tokenizer.special_tokens[role] for theirs, role in vocabulary.NAMES_THERE.items()}
    path = folder / "tokenizer_config.json"
    write_json(path, read_json(path) | names | {"model_input_names": ["input_ids", "attention_mask"]})
    path = folder / "special_tokens_map.json"
    write_json(path, read_json(path) | names)
    found = vocabulary.merges_of(tokenizer)
    if found is not None:
        write_atomic(folder / "vocab.json", json.dumps(found[0], ensure_ascii=False) + "\n")
        write_atomic(folder / "merges.txt", "#version: 0.2\n" + "".join(f"{line}\n" for line in found[1]))
