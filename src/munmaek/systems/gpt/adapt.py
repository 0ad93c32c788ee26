"""How GPT is fine-tuned (Radford 2018 §3.2, §3.3): the extract token's state, the auxiliary loss, both orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from munmaek.core.contracts import Adaptation
from munmaek.systems.gpt.model import Gpt

AUXILIARY = 0.5
"""Lambda of equation 5 (Radford 2018 §4.1)."""
MANY_LABELS = 30_000
"""Up to so many labels the auxiliary loss is left out: with 100 and 1,000 film reviews it costs 4 points and 1, with
10,000 it changes nothing (docs/LOG.md). Radford 2018 §5 found that larger sets gain by it and smaller ones do not."""

TOKENS = 256
"""Of a batch the auxiliary loss is of so many tokens at most, chosen anew each time: in expectation that is the loss of
all, and a softmax over 16,000 words for every token of 64 reviews is half of what a step takes."""


def settings(num_labels: int, per_token: bool = False) -> Mapping[str, Any]:
    """What differs from every system's defaults: the last token's state, and with many labels the auxiliary loss."""
    return {"pooling": "last", "auxiliary": AUXILIARY if num_labels > MANY_LABELS else 0.0}


def next_words(module: nn.Module, states: Tensor, inputs: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """The language model's summed loss, nats, on the task's own texts, and its targets: all tokens but each first.

    L1 of equation 5; the states are those that the task's head was given, so it costs the output layer alone.

    Deviates: of more than `TOKENS` targets it is what a random part of them makes of the sum.
    """
    assert isinstance(module, Gpt)
    ids, mask = inputs["input_ids"], inputs["attention_mask"][:, 1:]
    total = int(mask.sum())
    loss, _ = module.next_word_loss(states[:, :-1], _some(mask), ids[:, 1:])
    return loss * max(1.0, total / TOKENS), total


def _some(mask: Tensor) -> Tensor:
    """A mask with at most `TOKENS` of its True places, any of them with the same chance."""
    places = mask.flatten().nonzero()[:, 0]
    if len(places) <= TOKENS:
        return mask
    chosen = torch.zeros(mask.numel(), dtype=torch.bool, device=mask.device)
    chosen[places[torch.randperm(len(places), device=mask.device)[:TOKENS]]] = True
    return chosen.view_as(mask)


ADAPTATION = Adaptation(settings=settings, auxiliary=next_words, both_orders=True)
