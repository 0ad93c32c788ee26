"""Files of ELMo: the table of bilm-tf's weight names, its two files read and written, and our own folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

from munmaek.core.config import from_dict, to_dict
from munmaek.core.contracts import Tokenizer
from munmaek.core.errors import CheckpointError, RequestError
from munmaek.core.files import read_json, write_atomic, write_json
from munmaek.data import kinds
from munmaek.data.normalise import Normaliser
from munmaek.data.tokenizers import TextTokenizer, load_tokenizer
from munmaek.formats import hdf5, huggingface, safetensors
from munmaek.systems.elmo.characters import NUM_SYMBOLS
from munmaek.systems.elmo.model import ElmoConfig, ElmoForPreTraining

Arrays = dict[str, NDArray[Any]]

TYPE = "elmo"
OPTIONS, BILM_WEIGHTS, BILM_VOCABULARY = "options.json", "weights.hdf5", "vocab.txt"
BILM_SPECIALS = {"<S>": "[CLS]", "</S>": "[SEP]", "<UNK>": "[UNK]"}
GATES = (0, 3, 1, 2)
"""Where bilm-tf's gates i, j, f, o stand among ours: input, forget, output, new."""


@dataclass(frozen=True)
class Entry:
    """One tensor of bilm-tf: our tensors that it is made of, and how it is turned.

    Kinds: "vector"; "matrix", turned over; "filter", (1, width, characters, number); "symbols", without our row 0;
    "gates", the matrices of inputs and states one under the other, and "gate bias", in their order of gates.
    """

    ours: tuple[str, ...]
    kind: str = "vector"


def table(config: ElmoConfig) -> dict[str, Entry]:
    """bilm-tf's name -> what it is of ours. The softmax has no name there: the release does not hold it."""
    names = {"char_embed": Entry(("elmo.words.symbols.weight",), "symbols")}
    for place in range(len(config.filters)):
        names[f"CNN/W_cnn_{place}"] = Entry((f"elmo.words.convolutions.{place}.weight",), "filter")
        names[f"CNN/b_cnn_{place}"] = Entry((f"elmo.words.convolutions.{place}.bias",))
    for place in range(config.num_highway):
        for theirs, part in (("transform", "transform"), ("carry", "gate")):
            ours = f"elmo.words.highways.{place}.{part}"
            names[f"CNN_high_{place}/W_{theirs}"] = Entry((f"{ours}.weight",), "matrix")
            names[f"CNN_high_{place}/b_{theirs}"] = Entry((f"{ours}.bias",))
    if config.num_filters != config.dim:
        names["CNN_proj/W_proj"] = Entry(("elmo.words.projection.weight",), "matrix")
        names["CNN_proj/b_proj"] = Entry(("elmo.words.projection.bias",))
    for direction in range(2):
        for place in range(config.num_layers):
            cell, ours = f"RNN_{direction}/RNN/MultiRNNCell/Cell{place}/LSTMCell", f"elmo.layers.{place}"
            both = (f"{ours}.weight_input.{direction}", f"{ours}.weight_state.{direction}")
            names[f"{cell}/W_0"] = Entry(both, "gates")
            names[f"{cell}/B"] = Entry((f"{ours}.biases.{direction}",), "gate bias")
            if config.projected:
                names[f"{cell}/W_P_0"] = Entry((f"{ours}.projection.{direction}",), "matrix")
    return names


def _turned(entry: Entry, parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Our tensors as theirs."""
    first = parts[0]
    if entry.kind == "symbols":
        return first[1:]
    if entry.kind == "filter":
        return first.transpose(2, 1, 0)[None]
    if entry.kind == "matrix":
        return first.T
    if entry.kind == "gate bias":
        return first.reshape(4, -1)[list(GATES)].reshape(-1)
    if entry.kind == "gates":
        joined = np.concatenate(parts, axis=1)
        return joined.reshape(4, -1, joined.shape[1])[list(GATES)].reshape(joined.shape).T
    return first


def _turned_back(entry: Entry, value: NDArray[Any], width: int) -> list[NDArray[Any]]:
    """Their tensor as ours; `width` is that of the first of two matrices under one another."""
    order = np.argsort(GATES)
    if entry.kind == "symbols":
        return [np.concatenate([np.zeros_like(value[:1]), value])]
    if entry.kind == "filter":
        return [value[0].transpose(2, 1, 0)]
    if entry.kind == "matrix":
        return [value.T]
    if entry.kind == "gate bias":
        return [value.reshape(4, -1)[order].reshape(-1)]
    if entry.kind == "gates":
        joined = value.T.reshape(4, -1, len(value))[order].reshape(-1, len(value))
        return [joined[:, :width], joined[:, width:]]
    return [value]


def to_bilm(weights: Mapping[str, NDArray[Any]], config: ElmoConfig) -> Arrays:
    """Our weights under bilm-tf's names; the softmax, and the vector of no symbol, are left out."""
    found: Arrays = {}
    for theirs, entry in table(config).items():
        found[theirs] = np.ascontiguousarray(_turned(entry, [weights[name] for name in entry.ours]))
    return found


def from_bilm(arrays: Mapping[str, NDArray[Any]], config: ElmoConfig) -> Arrays:
    """bilm-tf's weights under our names."""
    return {
        name: value
        for theirs, entry in table(config).items()
        for name, value in zip(entry.ours, _turned_back(entry, arrays[theirs], config.dim), strict=True)
    }


# ---- bilm-tf's two files --------------------------------------------------------------------------------------------


def read_bilm(folder: Path) -> tuple[ElmoForPreTraining, Tokenizer]:
    """A folder with bilm-tf's options.json and *weights*.hdf5, and its vocab*.txt where there is one.

    The text is cut at white space, as there; the softmax starts untrained. Without a vocabulary every word is read by
    its characters all the same, only no word can be predicted.

    Raises:
        CheckpointError: a file or a tensor is missing, of another shape or not finite; options that are not ELMo's.
        FormatError: a damaged HDF5 file.
    """
    folder = Path(folder)
    source = _one(folder, "*options*.json", "options.json")
    weights = _one(folder, "*weights*.hdf5", "the weights, such as lm_weights.hdf5")
    words = _vocabulary(folder)
    config = _config(read_json(source), source, len(kinds.SPECIALS) + len(words))
    arrays = hdf5.read(weights)
    with torch.device("meta"):
        shapes = {name: np.empty((0, *value.shape)) for name, value in ElmoForPreTraining(config).state_dict().items()}
    for theirs, entry in table(config).items():
        if theirs not in arrays:
            raise CheckpointError(f"the tensor {theirs} is missing", where=str(weights), fix="Copy the file again.")
        expected = _foreign_shape(entry, [shapes[name].shape[1:] for name in entry.ours])
        arrays[theirs] = huggingface.check_tensor(theirs, arrays[theirs], expected, weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ElmoForPreTraining(config)
    found = from_bilm(arrays, config)
    model.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in found.items()}, strict=False)
    torch.nn.init.zeros_(model.softmax_weight)  # every word is equally likely, until it is trained
    model.untrained = ("softmax",)
    return model.eval(), _tokenizer(words)


def write_bilm(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path) -> None:
    """Write bilm-tf's files into an existing folder: options.json, weights.hdf5 and vocab.txt.

    Raises:
        RequestError: characters that bilm-tf does not have. JobError: no room.
    """
    assert isinstance(model, ElmoForPreTraining)
    config = model.config
    if config.characters != "bytes":
        raise RequestError(
            f"bilm-tf reads bytes and this model reads characters of the kind {config.characters!r}",
            where="export",
            fix="Train with characters=bytes for other tools.",
        )
    weights = {name: value.detach().cpu().float().numpy() for name, value in model.state_dict().items()}
    write_json(folder / OPTIONS, options_of(config))
    hdf5.write(folder / BILM_WEIGHTS, to_bilm(weights, config))
    special = set(kinds.SPECIALS)
    ordered = tokenizer.vocab()  # type: ignore[attr-defined]
    words = [*BILM_SPECIALS, *(word for word in ordered if word not in special)]
    write_atomic(folder / BILM_VOCABULARY, "".join(f"{word}\n" for word in words))


def options_of(config: ElmoConfig) -> dict[str, Any]:
    """bilm-tf's options.json of a shape."""
    return {
        "lstm": {
            "cell_clip": config.cell_clip, "proj_clip": config.state_clip, "dim": config.cells,
            "projection_dim": config.dim, "n_layers": config.num_layers, "use_skip_connections": config.skip,
        },
        "char_cnn": {
            "activation": config.activation, "embedding": {"dim": config.character_dim},
            "filters": [list(pair) for pair in config.filters], "n_highway": config.num_highway,
            "max_characters_per_token": config.max_symbols, "n_characters": NUM_SYMBOLS,
        },
        "dropout": config.dropout,
    }  # fmt: skip


def _config(options: Any, where: Path, vocab_size: int) -> ElmoConfig:
    try:
        lstm, cnn = options["lstm"], options["char_cnn"]
        if int(cnn["n_characters"]) not in (NUM_SYMBOLS - 1, NUM_SYMBOLS):
            raise CheckpointError(f"n_characters is {cnn['n_characters']}, expected {NUM_SYMBOLS}", where=str(where))
        return ElmoConfig(
            vocab_size=vocab_size, cells=int(lstm["dim"]), dim=int(lstm["projection_dim"]),
            num_layers=int(lstm["n_layers"]), cell_clip=float(lstm.get("cell_clip") or 0),
            state_clip=float(lstm.get("proj_clip") or 0), skip=bool(lstm.get("use_skip_connections", False)),
            max_symbols=int(cnn["max_characters_per_token"]), character_dim=int(cnn["embedding"]["dim"]),
            filters=cnn["filters"], num_highway=int(cnn.get("n_highway") or 0), activation=str(cnn["activation"]),
            dropout=float(options.get("dropout", 0.1)),
        )  # fmt: skip
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise CheckpointError(f"not the options of an ELMo: {error!r}", where=str(where)) from error


def _foreign_shape(entry: Entry, ours: list[tuple[int, ...]]) -> tuple[int, ...]:
    empty = [np.broadcast_to(np.zeros((), np.float32), shape) for shape in ours]
    if entry.kind == "gates":
        return (ours[0][1] + ours[1][1], ours[0][0])
    if entry.kind == "gate bias":
        return ours[0]
    return _turned(entry, empty).shape


def _one(folder: Path, pattern: str, what: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        said = f"{len(found)} files {pattern}" if found else f"no {what}"
        raise CheckpointError(f"the folder has {said}", where=str(folder), fix="Give a folder with one ELMo in it.")
    return found[0]


def _vocabulary(folder: Path) -> list[str]:
    """Different words of vocab*.txt in their order, bilm-tf's own marks left out; none without the file."""
    found = sorted(folder.glob("vocab*.txt"))
    if not found:
        return []
    lines = _one(folder, "vocab*.txt", "").read_text("utf-8", errors="replace").split("\n")
    words = (Normaliser()(line.rstrip("\r")) for line in lines)
    return list(dict.fromkeys(word for word in words if word and word not in {*BILM_SPECIALS, *kinds.SPECIALS}))


def _tokenizer(words: list[str]) -> TextTokenizer:
    vocabulary = {word: number for number, word in enumerate((*kinds.SPECIALS, *words))}
    backend = kinds.finish(Backend(models.WordLevel(vocab=vocabulary, unk_token="[UNK]")), "word")
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    return TextTokenizer(backend, "word", normaliser=Normaliser(), settings={"origin": "bilm-tf"})


# ---- our folder -----------------------------------------------------------------------------------------------------


def read(folder: Path) -> tuple[ElmoForPreTraining, Tokenizer]:
    """A folder that `save` wrote.

    Raises:
        CheckpointError: a file or a tensor is missing, of the wrong shape or not finite; a tokenizer of another
            vocabulary. FormatError: a damaged file.
    """
    folder = Path(folder)
    values = huggingface.read_config(folder, TYPE)
    try:
        config = from_dict(
            ElmoConfig, {k: v for k, v in values.items() if k != "model_type"}, str(folder / huggingface.CONFIG)
        )
    except CheckpointError:
        raise
    except RequestError as error:
        raise CheckpointError(error.what, where=str(folder / huggingface.CONFIG)) from error
    tokenizer = load_tokenizer(folder)
    huggingface.check_vocabulary(config.vocab_size, tokenizer, folder, spare=0)
    where = folder / huggingface.WEIGHTS
    tensors = safetensors.read(where)
    with torch.device("meta"):
        model = ElmoForPreTraining(config)
    found: dict[str, torch.Tensor] = {}
    for name, value in model.state_dict().items():
        if name not in tensors:
            raise CheckpointError(f"the tensor {name} is missing", where=str(where), fix="Copy the whole folder again.")
        found[name] = torch.from_numpy(huggingface.check_tensor(name, tensors[name], tuple(value.shape), where))
    model.load_state_dict(found, assign=True)
    return model.eval(), tokenizer


def save(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a model into an existing folder: config.json, model.safetensors, the tokenizer, and bilm-tf's options.json.

    Raises:
        CheckpointError: the tokenizer's vocabulary is not the model's. JobError: no room.
    """
    assert isinstance(model, ElmoForPreTraining)
    huggingface.check_vocabulary(model.config.vocab_size, tokenizer, folder, spare=0)
    write_json(folder / huggingface.CONFIG, {"model_type": TYPE, **to_dict(model.config)})
    if model.config.characters == "bytes":
        write_json(folder / OPTIONS, options_of(model.config))
    weights = {name: value.detach().cpu().float().numpy() for name, value in model.state_dict().items()}
    safetensors.write(folder / huggingface.WEIGHTS, weights, metadata={"format": "pt"})
    tokenizer.save(folder)
