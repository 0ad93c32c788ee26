"""Folders of n-gram models: our own safetensors, and ARPA files for and from other tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer as Backend
from tokenizers import models
from torch import nn

from munmaek.core.config import from_dict, to_dict
from munmaek.core.contracts import Tokenizer
from munmaek.core.errors import CheckpointError
from munmaek.core.files import write_json
from munmaek.data import kinds
from munmaek.data.normalise import Normaliser
from munmaek.data.tokenizers import TextTokenizer, load_tokenizer
from munmaek.formats import huggingface, safetensors
from munmaek.systems.ngram import arpa
from munmaek.systems.ngram.model import NEVER, Level, Ngram, NgramConfig

MODEL_TYPE = "munmaek-ngram"
ARPA = "model.arpa.gz"
NAMES = {"[UNK]": arpa.UNKNOWN, "[CLS]": arpa.BEGIN, "[SEP]": arpa.END}
"""Our special tokens, and the words of an ARPA file that stand for them."""


def save(model: nn.Module, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a model into an existing folder: weights, tokenizer, and `model.arpa.gz` for other tools.

    Raises:
        CheckpointError: the tokenizer's vocabulary is not the model's. JobError: no room.
    """
    assert isinstance(model, Ngram)
    assert isinstance(tokenizer, TextTokenizer)
    huggingface.check_vocabulary(model.config.vocab_size, tokenizer, folder, spare=0)
    write_json(folder / huggingface.CONFIG, {"model_type": MODEL_TYPE} | to_dict(model.config))
    weights = {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}
    safetensors.write(folder / huggingface.WEIGHTS, weights, metadata={"format": "pt"})
    tokenizer.save(folder)
    words = [f"[{number}]" for number in range(tokenizer.vocab_size)]  # numbers that no token has stay so
    for word, number in tokenizer.vocab().items():
        words[number] = word
    for role, name in (("unk", arpa.UNKNOWN), ("cls", arpa.BEGIN), ("sep", arpa.END)):
        if role in tokenizer.special:
            words[tokenizer.special[role]] = name
    arpa.write(folder / ARPA, words, model.levels())


def read(folder: Path) -> tuple[Ngram, Tokenizer]:
    """A folder that `save` wrote.

    Raises:
        CheckpointError: a file or a tensor is missing, of the wrong shape or not finite, or n-grams are not in order.
        FormatError: a damaged file.
    """
    folder = Path(folder)
    values = huggingface.read_config(folder, MODEL_TYPE)
    config = from_dict(NgramConfig, {name: value for name, value in values.items() if name != "model_type"},
                       str(folder / huggingface.CONFIG))  # fmt: skip
    tokenizer = load_tokenizer(folder)
    huggingface.check_vocabulary(config.vocab_size, tokenizer, folder, spare=0)
    weights = safetensors.read_folder(folder)
    if weights is None:
        raise CheckpointError("the folder has no model.safetensors", where=str(folder), fix="Copy it again.")
    where = folder / huggingface.WEIGHTS
    levels: list[Level] = []
    for length in range(1, config.order + 1):
        names = [f"log_probs.{length - 1}", f"backoffs.{length - 1}", *([f"keys_{length}"] if length > 1 else [])]
        for name in names:
            if name not in weights:
                raise CheckpointError(f"the tensor {name} is missing", where=str(where), fix="Copy it again.")
        keys = weights[names[2]] if length > 1 else np.arange(config.vocab_size, dtype=np.int64)
        below = len(levels[-1].keys) if levels else 1
        if keys.dtype != np.int64 or keys.ndim != 1 or not _sound(keys, below * config.vocab_size):
            raise CheckpointError(f"{names[2]} is not the keys of n-grams", where=str(where), fix="Copy it again.")
        logs, backoffs = (huggingface.check_tensor(name, weights[name], keys.shape, where) for name in names[:2])
        levels.append(Level(keys.copy(), logs.copy(), backoffs.copy()))
    model = Ngram(config)
    model.fill(levels)
    return model.eval(), tokenizer


def _sound(keys: np.ndarray, most: int) -> bool:
    return not len(keys) or (keys[0] >= 0 and int(keys[-1]) < most and bool((keys[1:] > keys[:-1]).all()))


def read_arpa(path: Path) -> tuple[Ngram, Tokenizer]:
    """An ARPA file, plain or .gz, with a tokenizer that splits at white space and punctuation into its words.

    A file of another tokenizer's tokens needs that tokenizer: put its tokenizer.json into the folder made of it.

    Raises:
        FormatError: the file is damaged or of another kind; says the line. RequestError: no such file.
    """
    names, levels = arpa.read(path)
    numbers = {name: number for number, name in enumerate(names)}
    order = [numbers[NAMES[token]] if token in NAMES else -1 for token in kinds.SPECIALS]
    kept = [number for number in range(len(names)) if number not in order and names[number] not in kinds.SPECIALS]
    order += kept
    tokens = [*kinds.SPECIALS, *(names[number] for number in kept)]
    backend = Backend(models.WordLevel(vocab={word: place for place, word in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer = TextTokenizer(kinds.finish(backend, "word"), "word", normaliser=Normaliser())
    model = Ngram(NgramConfig(len(order), order=len(levels)))
    model.fill(_renumbered(levels, np.array(order, dtype=np.int64), len(names)))
    return model.eval(), tokenizer


def _renumbered(levels: list[Level], order: np.ndarray, size: int) -> list[Level]:
    """Levels whose words get new numbers: the new word n is the old word order[n], or none where that is -1."""
    new = np.full(size, -1, np.int64)
    new[order[order >= 0]] = np.flatnonzero(order >= 0)
    old = np.maximum(order, 0)
    none = order < 0
    logs = np.where(none, np.float32(NEVER), levels[0].log_probs[old])
    backoffs = np.where(none, np.float32(0), levels[0].backoffs[old])
    found = [Level(np.arange(len(order), dtype=np.int64), logs, backoffs)]
    places = new  # old place of an n-gram one word shorter -> its new place, or -1
    for level in levels[1:]:
        parents, first = np.divmod(level.keys, size)
        kept = (places[parents] >= 0) & (new[first] >= 0)
        keys = places[parents] * len(order) + new[first]
        chosen = np.flatnonzero(kept)[np.argsort(keys[kept])]
        places = np.full(len(level.keys), -1, np.int64)
        places[chosen] = np.arange(len(chosen))
        found.append(Level(keys[chosen], level.log_probs[chosen], level.backoffs[chosen]))
    return found
