"""Word2Vec's card: Mikolov 2013a and 2013b, with the subwords of Bojanowski 2017 and Park 2018."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from munmaek.core.contracts import Adaptation, System, Tokenizer
from munmaek.core.recipe import Recipe
from munmaek.systems.word2vec import foreign
from munmaek.systems.word2vec.encoder import Word2VecEncoder, entries_of
from munmaek.systems.word2vec.model import PRESETS, Word2Vec, Word2VecConfig
from munmaek.systems.word2vec.objective import OPTIONS, Word2VecObjective

_RECIPE = Recipe(learning_rate=0.025, warmup=0.0, decay="linear", batch_tokens=32_768, max_length=1_000)
RECIPES = dict.fromkeys(PRESETS, _RECIPE)
"""The rate falls in a straight line from 0.025 to 0 over the planned words, as in the original program (there to 1e-4
of it), which advises 0.05 for CBOW. Every batch has one rate, so a batch is a small share of a training."""


def _objective(
    config: Word2VecConfig, tokenizer: Tokenizer, max_length: int, options: Mapping[str, Any] | None = None
) -> Word2VecObjective:
    return Word2VecObjective(tokenizer, max_length, entries_of(config, tokenizer), **dict(options or {}))


CARD = System(
    name="word2vec",
    title="Word2Vec",
    paper="Mikolov et al. 2013, arXiv:1301.3781 and arXiv:1310.4546",
    config=Word2VecConfig,
    presets=PRESETS,
    recipes=RECIPES,
    options=OPTIONS,
    build=Word2Vec,
    objective=_objective,
    encoder=Word2VecEncoder,
    save=foreign.save,
    load=foreign.read,
    imports={"vectors": foreign.read_vectors},
    tokenizer="morpheme-word",
    vocab_size=200_000,
    adaptation=Adaptation(apart=True),
)
