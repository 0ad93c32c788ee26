"""A sample of the vocabulary to stand for all of it in the softmax (Jozefowicz 2016 §3.1, Bengio 2008)."""

# ruff: noqa: F722
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from munmaek.nn.softmax import linear_cross_entropy

LEAST = 4
"""With less than so many words for every draw, all words count: a sample would hardly be smaller."""


class Sample(NamedTuple):
    """Words, the logarithm of each one's chance to be among them, and where each label is among them."""

    words: Tensor
    log_chances: Tensor
    places: Tensor


def sample_words(labels: Int[Tensor, " rows"], vocab_size: int, tries: int) -> Sample:
    """The labels of a batch, and the different words of `tries` log-uniform draws; one sample for all rows.

    Word k is drawn with probability p = log((k + 2) / (k + 1)) / log(V + 1), which fits ids in the order of frequency.
    It is in the sample with the chance 1 - (1 - p)^tries, or surely where it is a label. With the logarithm of the
    chance taken off each logit, the sum of exponentials over the sample is that over the vocabulary in expectation.

    Deviates: the released code draws until it has a number of different words, corrects the label's logit, too, and
    keeps other rows' labels out unless they are drawn; its chances are estimates, these are exact.
    """
    uniform = torch.rand(tries, device=labels.device, dtype=torch.float64)
    drawn = (torch.exp(uniform * math.log(vocab_size + 1)).long() - 1).clamp_(0, vocab_size - 1)
    words, places = torch.unique(torch.cat([labels, drawn]), return_inverse=True)
    log_chances = _log_chances(words, vocab_size, tries)
    log_chances[places[: len(labels)]] = 0.0
    return Sample(words, log_chances, places[: len(labels)])


def cross_entropies(
    rows: Sequence[tuple[Tensor, Tensor]], weight: Float[Tensor, "vocab dim"], bias: Float[Tensor, " vocab"], tries: int
) -> list[tuple[Tensor, Tensor | None]]:
    """Summed cross entropy, nats, and hits of (states, labels), as `linear_cross_entropy` gives them, for each pair.

    Where gradients are on and the vocabulary is `LEAST` times as large as `tries`, over one sample of it for all
    pairs; there are no hits then.

    Args:
        rows: states (rows, dim) and labels (labels,); states past the labels' are padding. tries: draws; 0 is never.
    """
    if not (torch.is_grad_enabled() and 0 < LEAST * tries <= len(bias)):
        return [linear_cross_entropy(states, weight, bias, labels) for states, labels in rows]
    sample = sample_words(torch.cat([labels for _, labels in rows]), len(bias), tries)
    weight, bias = weight[sample.words], bias[sample.words] - sample.log_chances
    places = sample.places.split([len(labels) for _, labels in rows])
    return [linear_cross_entropy(states, weight, bias, at) for (states, _), at in zip(rows, places, strict=True)]


def _log_chances(words: Int[Tensor, " words"], vocab_size: int, tries: int) -> Float[Tensor, " words"]:
    """log(1 - (1 - p)^tries) of each word."""
    rank = words.double()
    share = torch.log1p(1 / (rank + 1)) / math.log(vocab_size + 1)
    return torch.log(-torch.expm1(tries * torch.log1p(-share))).float()
