"""Word vectors learnt by their spelling, before the language model (Pinter 2017, "Mimicking Word Embeddings using
Subword RNNs", arXiv:1707.06961, §3)."""

# ruff: noqa: F722
from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Tokenizer
from munmaek.core.runtime import uniform
from munmaek.systems.elmo.characters import Speller
from munmaek.systems.elmo.model import ElmoForPreTraining

STEPS, WORDS_AT_ONCE, RATE, WARMUP = 3_200, 64, 1e-2, 0.06
POWER = 0.75
"""A word is taken in proportion to its count to this power, as Word2Vec takes its negatives."""
DIRECTIONS = 100
"""Of so many directions in which vectors differ, one is common to all words (Mu 2018 §2.2)."""
_STREAM = 0x5E11


def spell(
    model: nn.Module,
    tokenizer: Tokenizer,
    ids: Int[NDArray[np.integer], " words"],
    vectors: Float[Tensor, "words dim"],
    counts: NDArray[np.integer],
    seconds: float | None,
    tell: Callable[[str, float], None],
) -> None:
    """Teach the character CNN the vectors of known words: least squares between what it makes of a word and its vector.

    Vectors are learnt without what they all share (`without_the_common`), which cells would add up over a text, and
    with variance 1 over all coordinates, which the LSTMs can tell apart at once. Deviates: Pinter's network is a BiLSTM
    over characters, and all words count alike; here frequent words come more often, so that most tokens of a text start
    near their vectors (Korean reviews, 29,030 words, 800 steps of 256: mean cosine 0.86 over tokens).

    Args:
        model: an ELMo, new, on the device of the vectors.
        ids: the words' numbers. counts: how often each entry of the vocabulary occurs.
        seconds: to take, after the first step; None for `STEPS` steps.
        tell: hears what is being done and the share done.
    """
    assert isinstance(model, ElmoForPreTraining)
    config, words = model.config, model.elmo.words
    speller = Speller(tokenizer, config.characters, config.max_symbols)
    device, wanted = vectors.device, without_the_common(vectors, np.maximum(counts[ids], 1))
    wanted = wanted / wanted.std()
    weights = np.maximum(counts[ids], 1).astype(np.float64) ** POWER
    edges = (np.cumsum(weights) / weights.sum())[:-1]
    optimizer = torch.optim.AdamW(words.parameters(), lr=RATE, weight_decay=0.0, fused=True)
    began, step, done = 0.0, 0, 0.0
    while done < 1:
        chosen = np.unique(np.searchsorted(edges, uniform(_STREAM, step, np.arange(WORDS_AT_ONCE))))
        found = words(torch.from_numpy(speller.rows(ids[chosen])).to(device))
        loss = (found - wanted[torch.from_numpy(chosen).to(device)]).square().mean()
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (done + 1 / STEPS) / WARMUP) * (1 - done)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step == 1:
            began = time.monotonic()  # the first step also makes the processor's kernels
        done = step / STEPS if seconds is None else (time.monotonic() - began) / seconds
        tell("learning to spell the word vectors", min(1.0, done))
    words.zero_grad()


def without_the_common(vectors: Float[Tensor, "words dim"], counts: NDArray[np.integer]) -> Float[Tensor, "words dim"]:
    """Word vectors less their mean and the directions in which they differ most, one in a hundred.

    "All but the top" (Mu 2018, arXiv:1702.01417, algorithm 1). Deviates: a word weighs as much as it has tokens, since
    texts are read here and not lists of words.
    """
    share = torch.from_numpy(counts / counts.sum()).to(vectors)[:, None]
    centred = vectors - (share * vectors).sum(0)
    top = round(vectors.shape[1] / DIRECTIONS)
    _, directions = torch.linalg.eigh(centred.T @ (share * centred))
    most = directions[:, directions.shape[1] - top :]
    return centred - centred @ most @ most.T
