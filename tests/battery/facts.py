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


FACTS = {
    "ulmfit": Facts(
        "before",
        {"lm": "ln V"},
        {"dim": 32, "hidden": 48, "num_layers": 2},
        {"test_epochs_differ": "a window of a stream is numbered by its place in the epoch; the text in it differs"},
    ),
    "elmo": Facts(
        "both",
        {"forward": "ln V", "backward": "ln V"},
        {"cells": 32, "dim": 16, "num_highway": 1, "filters": [[1, 8], [3, 16]]},
    ),
    "gpt": Facts("before", {"lm": "ln V"}, {"dim": 32, "num_layers": 2, "num_heads": 2}),
    "bert": Facts("both", {"mlm": "ln V", "nsp": "ln 2"}, {"dim": 32, "num_layers": 2, "num_heads": 2}),
}
