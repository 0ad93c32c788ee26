"""nearest and analogy: the words around a word, and what is to one word as another is to a third."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from munmaek.core.contracts import Encoding
from munmaek.core.errors import RequestError
from munmaek.run.model import Model, load
from munmaek.tasks.intrinsic import Vocabulary

_AT_ONCE = 4_096
Answers = list[tuple[str, float]]


@dataclass(frozen=True)
class Neighbours:
    """The words nearest to a word, with cosines; `known` says whether it is a word of the vocabulary itself."""

    word: str
    known: bool
    nearest: Answers


@dataclass(frozen=True)
class Analogy:
    """What is to the third word as the second is to the first: by 3CosAdd (cosines) and by 3CosMul."""

    words: tuple[str, str, str]
    add: Answers
    multiply: Answers


def nearest(model: Model | str | Path, word: str, *, top: int = 10) -> Neighbours:
    """The words of the vocabulary whose vectors are nearest to a word's.

    A word that the vocabulary lacks has the mean of its tokens' vectors, or of its n-grams where the system has them.
    RequestError where that is nothing.
    """
    model = model if isinstance(model, Model) else load(model)
    known = vocabulary(model)
    vector, row = _vector(model, known, word)
    return Neighbours(word, row is not None, known.nearest(vector, top, [] if row is None else [row]))


def analogy(model: Model | str | Path, first: str, second: str, third: str, *, top: int = 10) -> Analogy:
    """What is to `third` as `second` is to `first`; the three are not among the answers. RequestError as `nearest`."""
    model = model if isinstance(model, Model) else load(model)
    known = vocabulary(model)
    found = [_vector(model, known, word) for word in (first, second, third)]
    vectors = [vector / np.linalg.norm(vector) for vector, _ in found]
    rows = [row for _, row in found if row is not None]
    a, b, c = vectors
    add, multiply = (known.analogy(a, b, c, top, rows, multiply=way) for way in (False, True))
    return Analogy((first, second, third), add, multiply)


def vocabulary(model: Model) -> Vocabulary:
    """Every word of a model's vocabulary but the special ones, with its vector in the lowest layer."""
    names = [""] * model.tokenizer.vocab_size
    for word, number in model.tokenizer.vocab().items():  # type: ignore[attr-defined]
        names[number] = word
    special = set(model.tokenizer.special.values())  # type: ignore[attr-defined]
    ids = [number for number, word in enumerate(names) if word and number not in special]
    vectors = np.zeros((len(ids), model.dim), np.float32)
    for start in range(0, len(ids), _AT_ONCE):
        part = [Encoding([number], [], [], [], [0]) for number in ids[start : start + _AT_ONCE]]
        arrays = model.encoder.collate(part)
        inputs = {name: torch.from_numpy(np.ascontiguousarray(a)).to(model.device) for name, a in arrays.items()}
        with torch.inference_mode():
            vectors[start : start + len(part)] = model.encoder.forward(inputs, all_layers=True)[0, :, 0].float().cpu()
    return Vocabulary([names[number] for number in ids], vectors)


def _vector(model: Model, known: Vocabulary, word: str) -> tuple[NDArray[np.float32], int | None]:
    row = known.row(word)
    if row is None:
        tokens = model.tokens(word)
        row = known.row(tokens[0].text) if len(tokens) == 1 else None  # "new york", where new_york is a word
    if row is not None:
        return known.unit[row], row
    states = model.states(word)[0] if word.strip() else np.zeros((0, model.dim), np.float32)
    vector = states.mean(axis=0) if len(states) else np.zeros(model.dim, np.float32)
    if not vector.any():
        raise RequestError(
            f"the model has no vector for {word!r}", where="WORD",
            fix="Its corpus had the word too rarely; a model trained with subwords=jamo composes unseen words.",
        )  # fmt: skip
    return vector, None
