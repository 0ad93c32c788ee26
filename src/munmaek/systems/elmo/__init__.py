"""ELMo's card: Peters 2018, "Deep contextualized word representations"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from munmaek.core.contracts import System, Tokenizer
from munmaek.core.recipe import Recipe
from munmaek.systems.elmo import foreign
from munmaek.systems.elmo.adapt import ADAPTATION
from munmaek.systems.elmo.encoder import ElmoEncoder
from munmaek.systems.elmo.language import ElmoLanguageModel
from munmaek.systems.elmo.model import PRESETS, ElmoConfig, ElmoForPreTraining
from munmaek.systems.elmo.objective import OPTIONS, ElmoObjective
from munmaek.systems.elmo.spelling import spell

RECIPES = {
    "tiny": Recipe(learning_rate=4e-3, batch_tokens=4096, dropout=0.0),
    "mini": Recipe(learning_rate=1.2e-2, optimizer="muon", batch_tokens=1024, dropout=0.0),
    "small": Recipe(learning_rate=2e-3, batch_tokens=8192),
    "medium": Recipe(learning_rate=1.5e-3, batch_tokens=16384),
    "base": Recipe(learning_rate=1e-3, batch_tokens=65536),
}
"""AdamW with linear warm-up and decay; mini, for minutes, has Muon for its matrices and small batches.
Deviates: the release trains with Adagrad at 0.2 and batches of 128 windows of 20 words a device, without a schedule."""


def _objective(
    config: ElmoConfig, tokenizer: Tokenizer, max_length: int, options: Mapping[str, Any] | None = None
) -> ElmoObjective:
    return ElmoObjective(tokenizer, max_length, characters=config.characters, max_symbols=config.max_symbols,
                         **dict(options or {}))  # fmt: skip


def _token_embeddings(model: nn.Module) -> Tensor:
    assert isinstance(model, ElmoForPreTraining)
    return model.softmax_weight


CARD = System(
    name="elmo",
    title="ELMo",
    paper="Peters et al. 2018, arXiv:1802.05365",
    config=ElmoConfig,
    presets=PRESETS,
    recipes=RECIPES,
    options=OPTIONS,
    build=ElmoForPreTraining,
    objective=_objective,
    encoder=ElmoEncoder,
    save=foreign.save,
    load=foreign.read,
    imports={"elmo": foreign.read_bilm},
    exports={"elmo": foreign.write_bilm},
    tokenizer="morpheme-word",
    vocab_size=200_000,
    token_embeddings=_token_embeddings,
    spell=spell,
    language_model=ElmoLanguageModel,
    adaptation=ADAPTATION,
)
