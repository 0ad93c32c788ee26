"""A new network's embeddings, started at word vectors of the same tokens: each generation stands on the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from munmaek.core.contracts import Encoding, System
from munmaek.core.errors import RequestError
from munmaek.core.recipe import Budget
from munmaek.data.shards import Shards
from munmaek.data.tokenizers import special_ids
from munmaek.run.model import Model, load

SPREAD = 2.0
"""Standard deviation of the vectors, in that of the embeddings as they are drawn: what is known stands out from what
is not (position, segment)."""
TOKENS_AT_ONCE = 4_096
AUTO = "auto"
"""Asks for word vectors that are learnt first."""
WORDS = "words"
"""The folder, in the model's own, that they are written to."""
SHARE, EPOCHS = 0.1, 5
"""Of a time, what goes to them; for a budget of tokens, epochs or steps, passes over the corpus (Mikolov 2013)."""
SPELLING, LEAST = 0.1, 6.0
"""Of the time of a network that computes its words' vectors from their spelling, what goes to learning them so; of a
short time so many seconds, or a third."""


def split_budget(budget: str) -> tuple[str, str]:
    """A budget for word vectors, and what is left of the whole for the network that starts at them."""
    seconds = Budget.parse(budget).seconds
    if seconds is None:
        return f"{EPOCHS} epochs", budget
    return f"{SHARE * seconds:.3f}s", f"{(1 - SHARE) * seconds:.3f}s"


def split_for_spelling(card: System, budget: str) -> tuple[float | None, str]:
    """Seconds in which the system learns to spell word vectors (None: as long as it takes), and what is left then."""
    seconds = Budget.parse(budget).seconds
    if card.spell is None or seconds is None:
        return None, budget
    spelling = max(SPELLING * seconds, min(LEAST, seconds / 3))
    return spelling, f"{seconds - spelling:.3f}s"


def width(card: System, size: str, settings: Mapping[str, Any]) -> int:
    """How many numbers embed a token in a new network of the system, with these settings of its config.

    Raises:
        RequestError: it embeds no tokens.
    """
    small = card.build(card.config(**{**card.presets[size], **settings, "vocab_size": 8}))
    return _embeddings(card)(small).shape[1]


def _embeddings(card: System) -> Callable[[nn.Module], torch.Tensor]:
    if card.token_embeddings is None:
        found = f"{card.title} has no embeddings of tokens to start"
        raise RequestError(found, where="--words", fix="Leave it out.")
    return card.token_embeddings


def read_words(card: System, folder: str | Path) -> Model:
    """A model with one vector a token, to start a new network of the system at.

    Raises:
        RequestError: the system embeds no tokens, or the model's vectors depend on what stands around them.
    """
    _embeddings(card)
    words = load(folder, "cpu")
    if not words.system.makes_vectors or words.system.contextual:
        fix = "Train some with: munmaek pretrain word2vec --tokenizer wordpiece --vocab-size 16000 --set dim=256 ..."
        raise RequestError(f"{words.system.title} has no vectors of tokens alone", where=f"--words {folder}", fix=fix)
    return words


def start_at_words(
    card: System, module: nn.Module, words: Model, shards: Shards, seconds: float | None = None,
    tell: Callable[[str, float], None] = lambda what, share: None,
) -> None:  # fmt: skip
    """Set the embeddings of a network's tokens to word vectors; special tokens and those without one stay as drawn.

    The vectors' mean is taken off, and they are brought to `SPREAD` times the embeddings' standard deviation. Where the
    softmax shares the embeddings it starts there too. A system that computes vectors from the tokens' spelling is
    taught them (`System.spell`), and its softmax starts at them.

    Args:
        module: a network of the system over the vectors' own tokens.
        shards: the corpus, whose frequent words are spelt best. seconds, tell: see `System.spell`.
    Raises:
        RequestError: vectors and embeddings differ in width.
    """
    matrix = _embeddings(card)(module)
    if words.dim != matrix.shape[1]:
        fix = f"Train the vectors with --set dim={matrix.shape[1]}."
        found = f"vectors of {words.dim} numbers cannot be embeddings of {matrix.shape[1]}"
        raise RequestError(found, where=f"--words {words.folder}", fix=fix)
    with torch.no_grad():
        vectors = _vectors(words).to(matrix)
        known = vectors.any(1)
        known[special_ids(words.tokenizer)] = False
        found = vectors[known] - vectors[known].mean(0)
        matrix[known] = found * (SPREAD * matrix.std() / found.std())
    if card.spell is not None:
        ids = torch.nonzero(known)[:, 0].cpu().numpy()
        card.spell(module, words.tokenizer, ids, found, shards.counts(), seconds, tell)


def _vectors(words: Model) -> torch.Tensor:
    """(vocab, dim): every token's vector, 0 where it has none."""
    numbers = np.arange(words.tokenizer.vocab_size)
    found: list[torch.Tensor] = []
    for start in range(0, len(numbers), TOKENS_AT_ONCE):
        each = [Encoding([number], [], [], [], [0]) for number in numbers[start : start + TOKENS_AT_ONCE].tolist()]
        inputs = {name: torch.from_numpy(array) for name, array in words.encoder.collate(each).items()}
        found.append(words.encoder.forward(inputs)[:, 0])
    return torch.cat(found)
