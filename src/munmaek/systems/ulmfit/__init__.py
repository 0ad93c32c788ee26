"""ULMFiT's card: Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from munmaek.core.contracts import System, Tokenizer
from munmaek.core.recipe import Recipe
from munmaek.systems.ulmfit import foreign
from munmaek.systems.ulmfit.adapt import ADAPTATION
from munmaek.systems.ulmfit.encoder import UlmfitEncoder
from munmaek.systems.ulmfit.language import UlmfitLanguageModel
from munmaek.systems.ulmfit.model import PRESETS, UlmfitConfig, UlmfitForPreTraining
from munmaek.systems.ulmfit.objective import OPTIONS, UlmfitObjective

RECIPES = {
    "tiny": Recipe(learning_rate=5e-3, batch_tokens=4096, dropout=0.0),
    "mini": Recipe(learning_rate=1.2e-2, optimizer="muon", batch_tokens=1024, dropout=0.0),
    "small": Recipe(learning_rate=3e-3, batch_tokens=4096, weight_decay=0.1),
    "medium": Recipe(learning_rate=3e-3, batch_tokens=8192, weight_decay=0.1),
    "base": Recipe(learning_rate=3e-3, batch_tokens=8192, weight_decay=0.1),
}
"""AdamW with a short warm-up and linear decay; mini has Muon for the LSTMs' matrices and small batches. Deviates:
Merity 2018 §5 trains 750 epochs with NT-ASGD (`--set optimizer=asgd`), Howard 2018's released code with Adam; without
dropout below small, where a budget of minutes is less than an epoch or little more and dropout only costs."""


def _objective(
    config: UlmfitConfig, tokenizer: Tokenizer, max_length: int, options: Mapping[str, Any] | None = None
) -> UlmfitObjective:
    return UlmfitObjective(tokenizer, max_length, config.direction, **dict(options or {}))


def _token_embeddings(model: nn.Module) -> Tensor:
    assert isinstance(model, UlmfitForPreTraining)
    return model.encoder.words.weight


CARD = System(
    name="ulmfit",
    title="ULMFiT",
    paper="Howard and Ruder 2018, arXiv:1801.06146; AWD-LSTM: Merity et al. 2018, arXiv:1708.02182",
    config=UlmfitConfig,
    presets=PRESETS,
    recipes=RECIPES,
    options=OPTIONS,
    build=UlmfitForPreTraining,
    objective=_objective,
    encoder=UlmfitEncoder,
    save=foreign.save,
    load=foreign.read,
    imports={"fastai": foreign.read_fastai},
    tokenizer="bpe",
    token_embeddings=_token_embeddings,
    language_model=UlmfitLanguageModel,
    adaptation=ADAPTATION,
)
