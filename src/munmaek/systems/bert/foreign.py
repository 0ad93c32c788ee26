"""Hugging Face folders of BERT: the table of weight names, the reader and the writer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from munmaek.core.contracts import Tokenizer
from munmaek.core.errors import CheckpointError
from munmaek.core.files import write_json
from munmaek.data.tokenizers import load_tokenizer
from munmaek.formats import huggingface, safetensors
from munmaek.nn.stored import read_old_weights
from munmaek.systems.bert.model import BertConfig, BertForPreTraining

Arrays = dict[str, NDArray[Any]]

TRUNK: dict[str, tuple[str, ...]] = {
    "bert.embeddings.words.weight": ("bert.embeddings.word_embeddings.weight",),
    "bert.embeddings.positions.weight": ("bert.embeddings.position_embeddings.weight",),
    "bert.embeddings.types.weight": ("bert.embeddings.token_type_embeddings.weight",),
    "bert.embeddings.norm.weight": ("bert.embeddings.LayerNorm.weight",),
    "bert.embeddings.norm.bias": ("bert.embeddings.LayerNorm.bias",),
}
LAYER: dict[str, tuple[str, ...]] = {
    "attention.inner.qkv": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "attention.inner.output": ("attention.output.dense",),
    "attention.norm": ("attention.output.LayerNorm",),
    "feed_forward.inner.up": ("intermediate.dense",),
    "feed_forward.inner.down": ("output.dense",),
    "feed_forward.norm": ("output.LayerNorm",),
}
"""Each has a weight and a bias."""
HEADS: dict[str, dict[str, tuple[str, ...]]] = {
    "pooler": {
        "bert.pooler.weight": ("bert.pooler.dense.weight",),
        "bert.pooler.bias": ("bert.pooler.dense.bias",),
    },
    "masked word head": {
        "word_transform.dense.weight": ("cls.predictions.transform.dense.weight",),
        "word_transform.dense.bias": ("cls.predictions.transform.dense.bias",),
        "word_transform.norm.weight": ("cls.predictions.transform.LayerNorm.weight",),
        "word_transform.norm.bias": ("cls.predictions.transform.LayerNorm.bias",),
        "word_bias": ("cls.predictions.bias",),
    },
    "next sentence head": {
        "pair.weight": ("cls.seq_relationship.weight",),
        "pair.bias": ("cls.seq_relationship.bias",),
    },
}
"""Parts that a checkpoint may lack as a whole; they are newly initialised then, and named in `untrained`."""
CONFIG = {
    "vocab_size": "vocab_size", "dim": "hidden_size", "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads", "feed_forward": "intermediate_size",
    "max_positions": "max_position_embeddings", "num_types": "type_vocab_size",
}  # fmt: skip
SHARES = {
    "dropout": ("hidden_dropout_prob", 0.1), "attention_dropout": ("attention_probs_dropout_prob", 0.1),
    "norm_epsilon": ("layer_norm_eps", 1e-12), "init_std": ("initializer_range", 0.02),
}  # fmt: skip
UNSUPPORTED = {
    "position_embedding_type": "absolute", "hidden_act": "gelu", "is_decoder": False, "add_cross_attention": False,
    "tie_word_embeddings": True,
}  # fmt: skip
"""config.json's options that must have this value; left out, they have it."""


def table(num_layers: int) -> dict[str, tuple[str, ...]]:
    """Our weight name -> the Hugging Face names whose tensors, one under the other, it is."""
    names = dict(TRUNK)
    for layer in range(num_layers):
        for ours, theirs in LAYER.items():
            for kind in ("weight", "bias"):
                sources = tuple(f"bert.encoder.layer.{layer}.{name}.{kind}" for name in theirs)
                names[f"bert.blocks.{layer}.{ours}.{kind}"] = sources
    for part in HEADS.values():
        names |= part
    return names


def to_foreign(weights: Mapping[str, NDArray[Any]], num_layers: int) -> Arrays:
    """Our weights under Hugging Face names; joined matrices are split."""
    names = table(num_layers)
    return {
        theirs: piece
        for ours, sources in names.items()
        for theirs, piece in zip(sources, np.split(weights[ours], len(sources)), strict=True)
    }


def from_foreign(weights: Mapping[str, NDArray[Any]], num_layers: int) -> Arrays:
    """Hugging Face weights under our names; names that are missing, or parts of a joined matrix, are left out."""
    found: Arrays = {}
    for ours, sources in table(num_layers).items():
        pieces = [weights[name] for name in sources if name in weights]
        if len(pieces) == len(sources):
            found[ours] = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
    return found


def read(folder: Path) -> tuple[BertForPreTraining, Tokenizer]:
    """Any BERT folder of Hugging Face: BertModel, BertForPreTraining, BertForMaskedLM or a fine-tuned one.

    Heads that the folder does not have are newly initialised and named in the model's `untrained`.

    Raises:
        CheckpointError: a file or a tensor is missing, of the wrong shape or not finite; an option that this BERT does
            not have (relative positions, another activation); a tokenizer of another vocabulary.
        FormatError: a damaged file.
    """
    folder = Path(folder)
    config = read_config(folder)
    tokenizer = load_tokenizer(folder)
    huggingface.check_vocabulary(config.vocab_size, tokenizer, folder)
    tensors = safetensors.read_folder(folder)
    weights = _renamed(read_old_weights(folder) if tensors is None else tensors)
    where = folder / huggingface.WEIGHTS
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertForPreTraining(config)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    model.untrained = _absent_parts(weights)
    skipped = {ours for part in model.untrained for ours in HEADS[part]}
    sources = {ours: theirs for ours, theirs in table(config.num_layers).items() if ours not in skipped}
    for theirs, shape in _expected(sources, shapes):
        if theirs not in weights:
            raise CheckpointError(
                f"the tensor {theirs} is missing", where=str(where), fix="Copy the whole folder again."
            )
        weights[theirs] = huggingface.check_tensor(theirs, weights[theirs], shape, where)
    _check_tied(weights, where)
    found = from_foreign({name: weights[name] for names in sources.values() for name in names}, config.num_layers)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in found.items()}, strict=False)
    return model.eval(), tokenizer


def read_config(folder: Path) -> BertConfig:
    """The shape of a BERT from its config.json; CheckpointError for options that this BERT does not have."""
    values = huggingface.read_config(folder, "bert")
    where = folder / huggingface.CONFIG
    for name, needed in UNSUPPORTED.items():
        if values.get(name, needed) != needed:
            raise CheckpointError(
                f"{name} is {values[name]!r}; this BERT has {needed!r} only",
                where=str(where),
                fix="Choose a checkpoint of the published BERT.",
            )
    pad = values.get("pad_token_id", 0)
    sizes = {ours: huggingface.whole_number(values, theirs, folder) for ours, theirs in CONFIG.items()}
    shares: dict[str, Any] = {
        ours: huggingface.share(values, theirs, folder, default) for ours, (theirs, default) in SHARES.items()
    }
    if sizes["dim"] % sizes["num_heads"]:
        raise CheckpointError(
            f"num_attention_heads {sizes['num_heads']} does not divide hidden_size {sizes['dim']}", where=str(where)
        )
    return BertConfig(**sizes, **shares, pad_id=pad if isinstance(pad, int) else 0)


def _renamed(weights: Mapping[str, NDArray[Any]]) -> Arrays:
    """Names of BertModel (no prefix) and of TensorFlow's norms (gamma, beta) as BertForPreTraining's today."""
    bare = not any(name.startswith("bert.") for name in weights)
    renamed: Arrays = {}
    for name, tensor in weights.items():
        if bare and name.split(".")[0] in ("embeddings", "encoder", "pooler"):
            name = f"bert.{name}"
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        renamed[name] = tensor
    decoder_bias = renamed.get("cls.predictions.decoder.bias")
    if "cls.predictions.bias" not in renamed and decoder_bias is not None:
        renamed["cls.predictions.bias"] = decoder_bias
    return renamed


def _absent_parts(weights: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
    return tuple(
        part
        for part, names in HEADS.items()
        if not any(theirs in weights for sources in names.values() for theirs in sources)
    )


def _expected(
    sources: Mapping[str, tuple[str, ...]], shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for ours, names in sources.items():
        first, *rest = shapes[ours]
        for theirs in names:
            yield theirs, (first // len(names), *rest)


def _check_tied(weights: Mapping[str, NDArray[Any]], where: Path) -> None:
    decoder = weights.get("cls.predictions.decoder.weight")
    words = weights["bert.embeddings.word_embeddings.weight"]
    if decoder is not None and not np.array_equal(decoder.astype(np.float32), words):
        raise CheckpointError(
            "the output matrix is not the word embeddings; this BERT shares the two",
            where=str(where),
            fix="Choose a checkpoint of the published BERT.",
        )


def save(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a model into an existing folder as Hugging Face and sentence-transformers files (FORMATS 1-3).

    Raises:
        CheckpointError: the tokenizer's vocabulary is not the model's. JobError: no room.
    """
    assert isinstance(model, BertForPreTraining)
    config = model.config
    huggingface.check_vocabulary(config.vocab_size, tokenizer, folder)
    values: dict[str, Any] = {"architectures": ["BertForPreTraining"], "model_type": "bert", "torch_dtype": "float32"}
    values |= {theirs: getattr(config, ours) for ours, theirs in CONFIG.items()}
    values |= {theirs: getattr(config, ours) for ours, (theirs, _) in SHARES.items()}
    values |= {"hidden_act": "gelu", "position_embedding_type": "absolute", "pad_token_id": config.pad_id}
    weights = {name: value.detach().cpu().float().numpy() for name, value in model.state_dict().items()}
    write_json(folder / huggingface.CONFIG, values)
    safetensors.write(folder / huggingface.WEIGHTS, to_foreign(weights, config.num_layers), metadata={"format": "pt"})
    tokenizer.save(folder)
    huggingface.write_sentence_transformer(folder, config.dim, config.max_positions)
