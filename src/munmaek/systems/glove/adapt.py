"""How word vectors are fine-tuned: a linear model on their mean, and the vectors themselves, at rates for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from munmaek.core.contracts import Adaptation


def settings(num_labels: int) -> Mapping[str, Any]:
    """What differs from the defaults: a mean of vectors has no layers to upset, so both learn at high rates."""
    return {"learning_rate": 1e-3, "head_rate": 10.0, "dropout": 0.0, "warmup": 0.0}


ADAPTATION = Adaptation(settings=settings)
