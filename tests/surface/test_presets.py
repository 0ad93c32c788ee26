"""Every preset of every system builds, at its full size, and its recipe can be followed."""

from __future__ import annotations

import pytest
import torch

from munmaek import systems

PRESETS = [(name, size) for name in systems.NAMES for size in systems.load(name).presets]
# encoder parameters of the published BERT miniatures, without the vocabulary's embeddings and the heads, in millions
LAYERS = {"tiny": (2, 128), "mini": (4, 256), "small": (4, 512), "medium": (8, 512), "base": (12, 768)}


@pytest.mark.parametrize(("name", "size"), PRESETS)
def test_a_preset_builds(name: str, size: str) -> None:
    card = systems.load(name)
    with torch.device("meta"):
        model = card.build(card.config(**{**card.presets[size], "vocab_size": 1000}))
    assert sum(parameter.numel() for parameter in model.parameters()) > 100_000


@pytest.mark.parametrize("size", LAYERS)
def test_bert_has_the_published_widths(size: str) -> None:
    preset = systems.load("bert").presets[size]
    assert tuple(LAYERS[size]) == (preset["num_layers"], preset["dim"])


@pytest.mark.parametrize(("name", "size"), PRESETS)
def test_a_recipe_can_be_followed(name: str, size: str) -> None:
    recipe = systems.load(name).recipes[size]
    assert recipe.rate(0.0) == (0.0 if recipe.warmup else recipe.learning_rate)
    assert recipe.rate(recipe.warmup) == pytest.approx(recipe.learning_rate)
    assert recipe.rate(1.0) < 0.01 * recipe.learning_rate
    assert recipe.batch_tokens >= recipe.max_length
    assert recipe.micro_tokens >= recipe.max_length
