"""What the battery must know of each system: what a position sees, what the first loss is, and what is not asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Facts:
    """One system.

    Attributes:
        sees: what a state may depend on: "both" sides of a token, only what comes "before" it, or the token "alone".
        theory: loss part -> what an untrained system's must be near, in nats a target: "ln V" or "ln 2".
        smallest: settings of a model so small that it can be trained a thousand times.
        not_asked: test -> why it means nothing for this system; shown as the reason of a skip.
    """

    sees: str
    theory: Mapping[str, str]
    smallest: Mapping[str, Any]
    not_asked: Mapping[str, str] = field(default_factory=dict)


_ENTRIES = "a sample is an entry of a matrix: no padding, no classes; tests/unit/systems/glove asks instead"

FACTS = {
    "glove": Facts(
        "alone",
        {"glove": "f(X) ln²X / 2"},
        {"dim": 16},
        {
            "test_an_epoch_has_every_sample_once_and_little_padding": _ENTRIES,
            "test_the_first_loss_is_near_theory": _ENTRIES,
            "test_every_part_reacts_to_every_label_value": _ENTRIES,
        },
    ),
    "bert": Facts("both", {"mlm": "ln V", "nsp": "ln 2"}, {"dim": 32, "num_layers": 2, "num_heads": 2}),
}
