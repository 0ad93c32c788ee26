"""The n-gram model's card: interpolated modified Kneser-Ney, Chen and Goodman 1998."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from munmaek.core.contracts import System, Tokenizer
from munmaek.core.recipe import Recipe
from munmaek.systems.ngram import counting, foreign, smoothing
from munmaek.systems.ngram.language import NgramLanguageModel, NoVectors
from munmaek.systems.ngram.model import PRESETS, Ngram, NgramConfig
from munmaek.systems.ngram.objective import OPTIONS, NgramObjective

RECIPES = dict.fromkeys(PRESETS, Recipe(batch_tokens=8192, precision="fp32"))
"""Nothing is trained; a batch is that many predictions, for measuring."""


def _objective(
    config: NgramConfig, tokenizer: Tokenizer, max_length: int, options: Mapping[str, Any] | None = None
) -> NgramObjective:
    return NgramObjective(tokenizer, config.order, **dict(options or {}))


def _fit(model: nn.Module, objective: Any, shards: Any, progress: Callable[[float], None]) -> None:
    """Count the texts of a corpus and fill the model; DataError where there is no text."""
    assert isinstance(model, Ngram)
    assert isinstance(objective, NgramObjective)
    order = model.config.order
    levels = counting.count(shards, order, begin=objective.begin, end=objective.end, context=objective.context,
                            memory=objective.memory, progress=progress)  # fmt: skip
    filled, used = smoothing.estimate(levels, begin=objective.begin, predicted=objective.predicted)
    model.fill(filled)
    sizes = ", ".join(f"{len(level.keys):,}" for level in levels)
    objective.notes.append(f"n-grams of 1 to {order} words: {sizes}")
    fallen = [str(place) for place, discount in enumerate(used, 1) if not discount.estimated]
    if fallen:
        objective.notes.append(
            f"too few n-grams to estimate the discounts of length {', '.join(fallen)}: {smoothing.FALLBACK} were taken"
        )


CARD = System(
    name="ngram",
    title="n-gram",
    paper="Chen and Goodman 1998, TR-10-98, Harvard; Kneser and Ney 1995, ICASSP",
    config=NgramConfig,
    presets=PRESETS,
    recipes=RECIPES,
    options=OPTIONS,
    build=Ngram,
    objective=_objective,
    encoder=NoVectors,
    makes_vectors=False,
    save=foreign.save,
    load=foreign.read,
    imports={"arpa": foreign.read_arpa},
    language_model=NgramLanguageModel,
    fit=_fit,
)
