"""GPT's card: Radford 2018, "Improving Language Understanding by Generative Pre-Training"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from munmaek.core.contracts import System, Tokenizer
from munmaek.core.errors import RequestError
from munmaek.core.recipe import Recipe
from munmaek.systems.gpt import foreign, original
from munmaek.systems.gpt.adapt import ADAPTATION
from munmaek.systems.gpt.encoder import GptEncoder
from munmaek.systems.gpt.language import GptLanguageModel
from munmaek.systems.gpt.model import PRESETS, GptConfig, GptForPreTraining
from munmaek.systems.gpt.objective import OPTIONS, GptObjective

RECIPES = {
    "tiny": Recipe(learning_rate=3e-3, optimizer="muon", batch_tokens=4096, dropout=0.0),
    "mini": Recipe(learning_rate=3e-3, optimizer="muon", batch_tokens=4096, dropout=0.0),
    "small": Recipe(learning_rate=8e-4, batch_tokens=8192),
    "medium": Recipe(learning_rate=6e-4, batch_tokens=16384),
    "base": Recipe(learning_rate=2.5e-4, decay="cosine", batch_tokens=32768, max_length=512),
}
"""Base is Radford 2018 §4.1: Adam to 2.5e-4, cosine to 0, 64 rows of 512 tokens; its warm-up of 2,000 updates is a
share here. Deviates below base: small batches, higher rates and rows of 128, for budgets of minutes and hours."""


def _objective(
    config: GptConfig, tokenizer: Tokenizer, max_length: int, options: Mapping[str, Any] | None = None
) -> GptObjective:
    if max_length > config.max_positions:
        raise RequestError(
            f"max_length {max_length} is more than the model's {config.max_positions} positions",
            where="max_length",
            fix=f"Give {config.max_positions} or less.",
        )
    return GptObjective(tokenizer, max_length, **dict(options or {}))


def _token_embeddings(model: nn.Module) -> Tensor:
    assert isinstance(model, GptForPreTraining)
    return model.gpt.words.weight


CARD = System(
    name="gpt",
    title="GPT",
    paper="Radford et al. 2018, Improving Language Understanding by Generative Pre-Training",
    config=GptConfig,
    presets=PRESETS,
    recipes=RECIPES,
    options=OPTIONS,
    build=GptForPreTraining,
    objective=_objective,
    encoder=GptEncoder,
    save=foreign.save,
    load=foreign.read,
    imports={"hf": foreign.read, "openai-gpt": original.read},
    tokenizer="bpe",
    token_embeddings=_token_embeddings,
    language_model=GptLanguageModel,
    adaptation=ADAPTATION,
)
