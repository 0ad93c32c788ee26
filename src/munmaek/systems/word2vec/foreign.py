"""Model folders of word vectors, and files of them from other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from munmaek.core.config import from_dict, to_dict
from munmaek.core.contracts import Tokenizer
from munmaek.core.errors import CheckpointError
from munmaek.core.files import write_json
from munmaek.data.tokenizers import load_tokenizer, special_ids, tokenizer_of_words
from munmaek.formats import huggingface, safetensors, vectors
from munmaek.systems.word2vec.encoder import Word2VecEncoder, all_vectors, words_of
from munmaek.systems.word2vec.model import Word2Vec, Word2VecConfig

TYPE = "word2vec"
VECTORS = "vectors.bin"
"""The words and their vectors once more, as word2vec binary: what gensim and the others open."""


def save(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path) -> None:
    """Write config.json, model.safetensors, the tokenizer and vectors.bin into an existing folder.

    Raises:
        CheckpointError: the tokenizer's vocabulary is not the model's. JobError: no room.
    """
    assert isinstance(model, Word2Vec)
    config = model.config
    huggingface.check_vocabulary(config.vocab_size, tokenizer, folder, spare=0)
    values = {"architectures": ["Word2Vec"], "model_type": TYPE, "hidden_size": config.dim} | to_dict(config)
    write_json(folder / huggingface.CONFIG, values)
    matrices = {name: p.detach().cpu()[:, : config.dim].contiguous().numpy() for name, p in model.named_parameters()}
    safetensors.write(folder / huggingface.WEIGHTS, matrices | {"counts": model.counts.cpu().numpy()})
    tokenizer.save(folder)
    words, special = words_of(tokenizer), set(special_ids(tokenizer))
    kept = [n for n, word in enumerate(words) if n not in special and word and not {" ", "\n"} & set(word)]
    values = all_vectors(Word2VecEncoder(model.cpu(), tokenizer))[kept]
    vectors.write(folder / VECTORS, [words[n] for n in kept], values, "binary")


def read(folder: Path) -> tuple[Word2Vec, Tokenizer]:
    """Read a folder that `save` wrote.

    Raises:
        CheckpointError: a file is missing or does not fit the others. FormatError: a damaged file.
    """
    values: dict[str, Any] = dict(huggingface.read_config(folder, TYPE))
    for name in ("architectures", "model_type", "hidden_size"):
        values.pop(name, None)
    config = from_dict(Word2VecConfig, values, str(folder / huggingface.CONFIG))
    tokenizer = load_tokenizer(folder)
    huggingface.check_vocabulary(config.vocab_size, tokenizer, folder, spare=0)
    where = folder / huggingface.WEIGHTS
    tensors = safetensors.read(where)
    with torch.device("meta"):
        model = Word2Vec(config)
    model = model.to_empty(device="cpu")
    counts = tensors.get("counts")
    if counts is None or counts.shape != (config.vocab_size,) or counts.dtype != np.int64 or counts.min() < 0:
        raise CheckpointError("the counts of the words are missing or no counts", where=str(where))
    model.counts.copy_(torch.from_numpy(counts.copy()))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            shape = (len(parameter), config.dim)
            if name not in tensors:
                raise CheckpointError(f"the tensor {name} is missing", where=str(where), fix="Copy the folder again.")
            parameter.zero_()
            parameter[:, : config.dim] = torch.from_numpy(huggingface.check_tensor(name, tensors[name], shape, where))
    return model.eval(), tokenizer


def read_vectors(path: Path) -> tuple[Word2Vec, Tokenizer]:
    """A file of word vectors of another tool: word2vec text or binary, fastText's .vec, GloVe's text.

    Rows that cannot be used (not UTF-8, twice the same, not finite) and words that a text cannot hold (with a space)
    are left out; the model's `notes` say how many.

    Raises:
        FormatError: the file is damaged or of another kind.
    """
    found = vectors.read(path, strict=False)
    tokenizer = tokenizer_of_words(found.words)
    numbers, special = tokenizer.vocab(), set(special_ids(tokenizer))
    kept = [n for n, word in enumerate(found.words) if word in numbers and numbers[word] not in special]
    model = Word2Vec(Word2VecConfig(vocab_size=tokenizer.vocab_size, dim=found.dim))
    with torch.no_grad():
        model.inputs.zero_()
        places = torch.tensor([numbers[found.words[n]] for n in kept])
        model.inputs[places, : found.dim] = torch.from_numpy(found.values[kept])
    model.notes = [f"{count:,} rows are left out: {reason}" for reason, count in found.left_out.items()]
    if len(kept) < len(found.words):
        model.notes.append(f"{len(found.words) - len(kept):,} words are left out: they hold a space or are special")
    return model.eval(), tokenizer
