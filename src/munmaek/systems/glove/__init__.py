"""GloVe's card: Pennington 2014, "GloVe: Global Vectors for Word Representation"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from munmaek.core.contracts import Adaptation, System, Tokenizer
from munmaek.core.recipe import Recipe
from munmaek.systems.glove import foreign
from munmaek.systems.glove.encoder import GloveEncoder
from munmaek.systems.glove.model import PRESETS, Glove, GloveConfig
from munmaek.systems.glove.objective import OPTIONS, GloveObjective

RECIPE = Recipe(
    learning_rate=0.05, warmup=0.0, decay="constant", batch_tokens=1 << 18, max_length=512, precision="fp32"
)
RECIPES = {size: replace(RECIPE) for size in PRESETS}
"""AdaGrad at 0.05 throughout (§4.2); a batch is a stretch of entries, each of which is a step of its own."""


def _objective(
    config: GloveConfig, tokenizer: Tokenizer, max_length: int, options: Mapping[str, Any] | None = None
) -> GloveObjective:
    return GloveObjective(tokenizer, config.x_max, config.alpha, **dict(options or {}))


CARD = System(
    name="glove",
    title="GloVe",
    paper="Pennington, Socher and Manning 2014, EMNLP, doi:10.3115/v1/D14-1162",
    config=GloveConfig,
    presets=PRESETS,
    recipes=RECIPES,
    options=OPTIONS,
    build=Glove,
    objective=_objective,
    encoder=GloveEncoder,
    save=foreign.save,
    load=foreign.read,
    imports={"glove": foreign.read_text},
    tokenizer="morpheme-word",
    vocab_size=200_000,
    adaptation=Adaptation(apart=True),
    holds_out=False,
)
