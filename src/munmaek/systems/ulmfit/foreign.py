"""fastai's layout of an AWD-LSTM: the table of weight names, the reader of its .pth, and our folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

from munmaek.core.config import from_dict, to_dict
from munmaek.core.contracts import Tokenizer
from munmaek.core.errors import CheckpointError
from munmaek.core.files import read_json, write_json
from munmaek.data.tokenizers import TextTokenizer, load_tokenizer
from munmaek.formats import huggingface, safetensors
from munmaek.systems.ulmfit.model import UlmfitConfig, UlmfitForPreTraining

Arrays = dict[str, NDArray[Any]]

TYPE = "ulmfit"
LAYER = {
    "weight_input": "module.weight_ih_l0",
    "weight_state": "weight_hh_l0_raw",
    "bias_input": "module.bias_ih_l0",
    "bias_state": "module.bias_hh_l0",
}
"""A layer's tensors. Rows stand there as input, forget, new, output; here as input, forget, output, new."""
WORDS, BIAS = "0.encoder.weight", "1.decoder.bias"
COPIES = (WORDS, "0.encoder_dp.emb.weight", "1.decoder.weight")
"""The word embeddings stand there three times: one tensor."""
DROPPED = "module.weight_hh_l0"
"""What fastai's weight drop last made of `weight_hh_l0_raw`; written as a copy of it, not read."""
VOCABULARIES = ("vocab.json", "itos.json", "vocab.txt", "itos.txt")
ROLES = {"pad": ("xxpad", "_pad_"), "unk": ("xxunk", "_unk_"), "sep": ("xxbos", "xbos", "_bos_")}


def table(num_layers: int) -> dict[str, str]:
    """Our weight name -> fastai's."""
    names = {"encoder.words.weight": WORDS, "word_bias": BIAS}
    for layer in range(num_layers):
        names |= {f"encoder.layers.{layer}.{ours}": f"0.rnns.{layer}.{theirs}" for ours, theirs in LAYER.items()}
    return names


def exchanged(name: str, tensor: NDArray[Any]) -> NDArray[Any]:
    """A tensor with the rows of its last two gates exchanged, where it is a layer's; its own inverse."""
    if ".layers." not in name:
        return tensor
    enter, forget, third, fourth = np.split(tensor, 4)
    return np.concatenate([enter, forget, fourth, third])


def to_foreign(weights: Mapping[str, NDArray[Any]], num_layers: int) -> Arrays:
    """Our weights as the whole state of fastai's language model, its copies included."""
    found = {theirs: exchanged(ours, weights[ours]) for ours, theirs in table(num_layers).items()}
    found |= dict.fromkeys(COPIES, found[WORDS])
    for layer in range(num_layers):
        found[f"0.rnns.{layer}.{DROPPED}"] = found[f"0.rnns.{layer}.weight_hh_l0_raw"]
    return found


def from_foreign(weights: Mapping[str, NDArray[Any]], num_layers: int) -> Arrays:
    """fastai's weights under our names; missing ones are left out."""
    names = table(num_layers).items()
    return {ours: exchanged(ours, weights[theirs]) for ours, theirs in names if theirs in weights}


# ---- our folders ----------------------------------------------------------------------------------------------------


def save(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path) -> None:
    """Write config.json, the tokenizer, and model.safetensors in fastai's layout: `load_state_dict` of its model fits.

    Raises:
        CheckpointError: the tokenizer's vocabulary is not the model's. JobError: no room.
    """
    assert isinstance(model, UlmfitForPreTraining)
    huggingface.check_vocabulary(model.config.vocab_size, tokenizer, folder)
    weights = {name: value.detach().cpu().float().numpy() for name, value in model.state_dict().items()}
    write_json(folder / huggingface.CONFIG, {"model_type": TYPE, **to_dict(model.config)})
    safetensors.write(folder / huggingface.WEIGHTS, to_foreign(weights, model.config.num_layers), metadata={})
    tokenizer.save(folder)


def read(folder: Path) -> tuple[UlmfitForPreTraining, Tokenizer]:
    """A folder that `save` wrote.

    Raises:
        CheckpointError: a file or a tensor is missing, of the wrong shape or not finite. FormatError: a damaged file.
    """
    folder = Path(folder)
    values = huggingface.read_config(folder, TYPE)
    where = folder / huggingface.CONFIG
    config = from_dict(UlmfitConfig, {k: v for k, v in values.items() if k != "model_type"}, str(where))
    tokenizer = load_tokenizer(folder)
    huggingface.check_vocabulary(config.vocab_size, tokenizer, folder)
    tensors = safetensors.read_folder(folder)
    if tensors is None:
        raise CheckpointError("the folder has no model.safetensors", where=str(folder), fix="Copy it again.")
    return _filled(config, tensors, folder / huggingface.WEIGHTS), tokenizer


def _filled(config: UlmfitConfig, tensors: Mapping[str, NDArray[Any]], where: Path) -> UlmfitForPreTraining:
    """A model with fastai's weights, each checked; the softmax's bias alone may be missing (an encoder's file)."""
    with torch.random.fork_rng(devices=[]):
        model = UlmfitForPreTraining(config)
    found = from_foreign(tensors, config.num_layers)
    sound: dict[str, torch.Tensor] = {}
    for ours, theirs in table(config.num_layers).items():
        if ours in found:
            shape = tuple(model.state_dict()[ours].shape)
            array = huggingface.check_tensor(theirs, found[ours], shape, where)
            sound[ours] = torch.from_numpy(np.ascontiguousarray(array))
        elif theirs != BIAS:
            fix = "Copy the file again."
            raise CheckpointError(f"the tensor {theirs} is missing", where=str(where), fix=fix)
    for copy in COPIES:
        if copy in tensors and not np.array_equal(tensors[copy], tensors[WORDS]):
            raise CheckpointError(f"{copy} is not {WORDS}; this model shares the two", where=str(where))
    model.load_state_dict(sound, strict=False)
    model.untrained = () if "word_bias" in sound else ("bias of the softmax",)
    return model.eval()


# ---- fastai's files -------------------------------------------------------------------------------------------------


def read_fastai(source: Path) -> tuple[UlmfitForPreTraining, Tokenizer]:
    """A language model, or its encoder, that fastai saved: one .pth, and its vocabulary beside it.

    The vocabulary is tokenizer.json, or a list of words (vocab.json, itos.json, vocab.txt or itos.txt, one a line) for
    a model of whole words. fastai's own .pkl is a pickle and is never read. A name with "bwd" or "backward" is that of
    a backward model.

    Raises:
        CheckpointError: a file or a tensor is missing, or what is there is no AWD-LSTM. FormatError: a damaged file.
    """
    source = Path(source)
    path = source if source.is_file() else _only_pth(source)
    tensors = read_pth(path)
    layers = {int(name.split(".")[2]) for name in tensors if name.startswith("0.rnns.")}
    first = tensors.get("0.rnns.0.module.weight_ih_l0")
    if WORDS not in tensors or first is None or layers != set(range(len(layers))):
        raise CheckpointError("not the weights of fastai's AWD-LSTM", where=str(path), fix="Save it with learn.save.")
    if tensors[WORDS].ndim != 2 or first.ndim != 2 or first.shape[0] < 4 or first.shape[0] % 4:
        raise CheckpointError("tensors of odd shapes", where=str(path), fix="Copy the file again.")
    vocab_size, dim = tensors[WORDS].shape
    backward = any(mark in path.stem.lower() for mark in ("bwd", "backward"))
    config = UlmfitConfig(vocab_size, dim, first.shape[0] // 4, len(layers), "backward" if backward else "forward")
    tokenizer = read_vocabulary(path.parent)
    if tokenizer.vocab_size > vocab_size:
        raise CheckpointError(
            f"the vocabulary has {tokenizer.vocab_size:,} words and the model {vocab_size:,}: it is another model's",
            where=str(path.parent), fix="Put the model's own vocabulary there.",
        )  # fmt: skip
    huggingface.check_vocabulary(vocab_size, tokenizer, path.parent)
    return _filled(config, tensors, path), tokenizer


def _only_pth(folder: Path) -> Path:
    found = sorted(folder.glob("*.pth"))
    if len(found) != 1:
        raise CheckpointError(f"{len(found)} files end in .pth", where=str(folder), fix="Name the one to read.")
    return found[0]


def read_pth(path: Path) -> Arrays:
    """The tensors of fastai's .pth, weights only: of `learn.save` (with its optimiser or not) or `save_encoder`."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError("there is no such file", where=str(path), fix="Give a .pth or its folder.") from None
    except Exception as error:  # torch raises many kinds for a damaged file
        raise CheckpointError(
            f"cannot be read as weights alone: {str(error).splitlines()[0]}", where=str(path),
            fix="Save it without the optimiser: learn.save(NAME, with_opt=False).",
        ) from error  # fmt: skip
    inner = loaded.get("model", loaded) if isinstance(loaded, dict) else None
    if not isinstance(inner, dict):
        raise CheckpointError("does not hold tensors by name", where=str(path))
    found = {str(k): v.detach().float().numpy() for k, v in inner.items() if isinstance(v, torch.Tensor)}
    if not any(name.startswith("0.") for name in found):
        found = {f"0.{name}": tensor for name, tensor in found.items()}
    return found


def read_vocabulary(folder: Path) -> Tokenizer:
    """The tokenizer beside a .pth: tokenizer.json, or a list of whole words with fastai's special ones among them."""
    if (folder / "tokenizer.json").is_file():
        return load_tokenizer(folder)
    path = next((folder / name for name in VOCABULARIES if (folder / name).is_file()), None)
    if path is None:
        raise CheckpointError(
            "there is no vocabulary; fastai's .pkl is a pickle, which is never read", where=str(folder),
            fix="Write the list learn.dls.vocab[0] as vocab.json, or put a tokenizer.json there.",
        )  # fmt: skip
    words = read_json(path) if path.suffix == ".json" else path.read_text("utf-8").rstrip("\n").split("\n")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise CheckpointError("not a list of words", where=str(path), fix='A list: ["xxunk", "xxpad", ...].')
    special: dict[str, str] = {}
    for role, names in ROLES.items():
        token = next((name for name in names if name in words), None)
        if token is None:
            raise CheckpointError(f"none of {', '.join(names)} is there", where=str(path), fix="Write the whole list.")
        special[role] = token
    places: dict[str, int] = {}
    for place, word in enumerate(words):  # fastai fills a vocabulary up with words of the same name
        places.setdefault(word, place)
    backend = Backend(models.WordLevel(places, special["unk"]))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # type: ignore[assignment]
    return TextTokenizer(backend, "word", special=special, settings={"origin": "fastai"})
