"""Folders of GloVe: our own safetensors, the vectors as word2vec text beside them, and GloVe's own text files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import models

from munmaek.core.config import from_dict, to_dict
from munmaek.core.contracts import Tokenizer
from munmaek.core.errors import CheckpointError
from munmaek.core.files import write_json
from munmaek.data import kinds
from munmaek.data.normalise import Normaliser
from munmaek.data.tokenizers import TextTokenizer, load_tokenizer
from munmaek.formats import huggingface, safetensors, vectors
from munmaek.systems.glove.model import Glove, GloveConfig

MODEL_TYPE = "munmaek-glove"
VECTORS = "vectors.txt"


def save(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a model into an existing folder: weights, tokenizer, and `vectors.txt` (word2vec text) for other tools.

    Words that no entry was learnt from, special tokens and words with a space are not in `vectors.txt`.

    Raises:
        CheckpointError: the tokenizer's vocabulary is not the model's. JobError: no room.
    """
    assert isinstance(model, Glove)
    assert isinstance(tokenizer, TextTokenizer)
    huggingface.check_vocabulary(model.config.vocab_size, tokenizer, folder, spare=0)
    write_json(folder / huggingface.CONFIG, {"model_type": MODEL_TYPE} | to_dict(model.config))
    weights = {name: value.detach().cpu().float().numpy() for name, value in model.state_dict().items()}
    safetensors.write(folder / huggingface.WEIGHTS, weights, metadata={"format": "pt"})
    tokenizer.save(folder)
    special, learnt = set(tokenizer.special.values()), model.learnt.tolist()
    words = [(number, word) for word, number in tokenizer.vocab().items()
             if learnt[number] and number not in special and " " not in word]  # fmt: skip
    if words:
        ids = torch.tensor([number for number, _ in words])
        with torch.no_grad():
            values = model.cpu().vectors(ids).numpy()
        vectors.write(folder / VECTORS, [word for _, word in words], values)


def read(folder: Path) -> tuple[Glove, Tokenizer]:
    """A folder that `save` wrote.

    Raises:
        CheckpointError: a file or a tensor is missing, of the wrong shape or not finite. FormatError: a damaged file.
    """
    folder = Path(folder)
    values = huggingface.read_config(folder, MODEL_TYPE)
    config = from_dict(GloveConfig, {name: value for name, value in values.items() if name != "model_type"},
                       str(folder / huggingface.CONFIG))  # fmt: skip
    tokenizer = load_tokenizer(folder)
    huggingface.check_vocabulary(config.vocab_size, tokenizer, folder, spare=0)
    weights = safetensors.read_folder(folder)
    if weights is None:
        raise CheckpointError("the folder has no model.safetensors", where=str(folder), fix="Copy it again.")
    model = _empty(config)
    where = folder / huggingface.WEIGHTS
    for name, tensor in model.state_dict().items():
        if name not in weights:
            raise CheckpointError(f"the tensor {name} is missing", where=str(where), fix="Copy the whole folder again.")
        weights[name] = huggingface.check_tensor(name, weights[name], tuple(tensor.shape), where)
        tensor.copy_(torch.from_numpy(weights[name]))
    return model.eval(), tokenizer


def read_text(path: Path) -> tuple[Glove, Tokenizer]:
    """A file of GloVe's own program (a word and its numbers a line, no first line); its vectors are W, W~ is 0.

    Words that are not UTF-8, repeat an earlier one or are special to a tokenizer here are left out.

    Raises:
        FormatError: the file is damaged or of another kind; says the byte. RequestError: no such file.
    """
    found = vectors.read(path, "glove", strict=False)
    kept = [place for place, word in enumerate(found.words) if word not in kinds.SPECIALS]
    numbers = {word: number for number, word in enumerate([*kinds.SPECIALS, *(found.words[place] for place in kept)])}
    backend = Backend(models.WordLevel(vocab=numbers, unk_token="[UNK]"))
    tokenizer = TextTokenizer(kinds.finish(backend, "word"), "word", normaliser=Normaliser())
    model = _empty(GloveConfig(tokenizer.vocab_size, found.dim))
    first = len(kinds.SPECIALS)
    with torch.no_grad():
        for tensor in (model.words, model.contexts):
            tensor.zero_()
        model.words[first:, :-1] = torch.from_numpy(np.ascontiguousarray(found.values[kept]))
        model.word_squares[first:] = 2.0  # these words were learnt from
    return model.eval(), tokenizer


def _empty(config: GloveConfig) -> Glove:
    with torch.random.fork_rng(devices=[]):
        return Glove(config)
