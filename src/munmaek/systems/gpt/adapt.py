"""How GPT is fine-tuned (Radford 2018 §3.2, §3.3): the extract token's state, the auxiliary loss, both orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from munmaek.core.contracts import Adaptation
from munmaek.systems.gpt.model import Gpt

AUXILIARY = 0.5
"""Lambda of equation 5 (Radford 2018 §4.1)."""
MANY_LABELS = 30_000
"""Up to so many labels the auxiliary loss is left out: with 100 and 1,000 film reviews it costs 4 points and 1, with
10,000 it changes nothing (docs/LOG.md). Radford 2018 §5 found that larger sets gain by it and smaller ones do not."""


def settings(num_labels: int, per_token: bool = False) -> Mapping[str, Any]:
    """What differs from every system's defaults: the last token's state, and with many labels the auxiliary loss."""
    return {"pooling": "last", "auxiliary": AUXILIARY if num_labels > MANY_LABELS else 0.0}


def next_words(module: nn.Module, states: Tensor, inputs: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """The language model's summed loss, nats, on the task's own texts, and its targets: all tokens but each first.

    L1 of equation 5; the states are those that the task's head was given, so it costs the output layer alone.
    """
    assert isinstance(module, Gpt)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    loss, _ = module.next_word_loss(states[:, :-1], mask[:, 1:], ids[:, 1:])
    return loss, int(mask[:, 1:].sum())


ADAPTATION = Adaptation(settings=settings, auxiliary=next_words, both_orders=True)
