"""How GPT is fine-tuned (Radford 2018 §3.2, §3.3): the extract token's state, the auxiliary loss, both orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from munmaek.core.contracts import Adaptation
from munmaek.systems.gpt.model import Gpt

AUXILIARY = 0.5
"""Lambda of equation 5 (Radford 2018 §4.1)."""


def settings(num_labels: int, per_token: bool = False) -> Mapping[str, Any]:
    """What differs from the defaults for every system: the last token's state, and the auxiliary loss."""
    return {"pooling": "last", "auxiliary": AUXILIARY}


def next_words(module: nn.Module, states: Tensor, inputs: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """The language model's summed loss, nats, on the task's own texts, and its targets: all tokens but each first.

    L1 of equation 5; the states are those that the task's head was given, so it costs the output layer alone.
    """
    assert isinstance(module, Gpt)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    loss, _ = module.next_word_loss(states[:, :-1], mask[:, 1:], ids[:, 1:])
    return loss, int(mask[:, 1:].sum())


ADAPTATION = Adaptation(settings=settings, auxiliary=next_words, both_orders=True)
