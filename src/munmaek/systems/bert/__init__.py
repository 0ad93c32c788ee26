"""BERT's card: Devlin 2018, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from munmaek.core.contracts import System, Tokenizer
from munmaek.core.errors import RequestError
from munmaek.core.recipe import Recipe
from munmaek.systems.bert import foreign
from munmaek.systems.bert.encoder import BertEncoder
from munmaek.systems.bert.model import PRESETS, BertConfig, BertForPreTraining
from munmaek.systems.bert.objective import OPTIONS, BertObjective

RECIPES = {
    "tiny": Recipe(learning_rate=3e-3, optimizer="muon", batch_tokens=4096, dropout=0.0),
    "mini": Recipe(learning_rate=5e-4, optimizer="muon", batch_tokens=2048, dropout=0.0),
    "small": Recipe(learning_rate=8e-4, batch_tokens=8192),
    "medium": Recipe(learning_rate=6e-4, batch_tokens=16384),
    "base": Recipe(learning_rate=4e-4, batch_tokens=65536, max_length=512),
}
"""AdamW with linear warm-up and decay (Devlin 2018 A.2). Deviates: small batches and higher rates, because on a small
budget the number of steps counts for more than their size; `max_length` 128 throughout where Devlin ends with 512."""

AT_WORDS = {"mini": {"optimizer": "adamw", "learning_rate": 1e-3, "batch_tokens": 4096}}
"""Muon is for leaving the plateau of single words, on which an encoder that starts at word vectors never stands. Its
matrices grow all the while (those of the hidden layers to four times what AdamW leaves), and the longer it trained the
less the network learnt from labels: after 7 million tokens of reviews it predicts worse than AdamW (4.29 nats and 4.17)
and has 84.0 against 84.9 % with 10,000 of NSMC's labels.
"""


def _objective(
    config: BertConfig, tokenizer: Tokenizer, max_length: int, options: Mapping[str, Any] | None = None
) -> BertObjective:
    if max_length > config.max_positions:
        raise RequestError(
            f"max_length {max_length} is more than the model's {config.max_positions} positions",
            where="max_length",
            fix=f"Give {config.max_positions} or less.",
        )
    return BertObjective(tokenizer, max_length, **dict(options or {}))


def _masked_words(model: nn.Module, inputs: Mapping[str, Tensor], places: Tensor) -> Tensor:
    """Logits `(places, vocab)` of the words at some places `(batch, seq)`, masked or not."""
    assert isinstance(model, BertForPreTraining)
    states = model.bert(inputs["input_ids"], inputs["attention_mask"], inputs["token_type_ids"])
    return model.word_logits(states[places])


def _token_embeddings(model: nn.Module) -> Tensor:
    assert isinstance(model, BertForPreTraining)
    return model.bert.embeddings.words.weight


CARD = System(
    name="bert",
    title="BERT",
    paper="Devlin et al. 2018, arXiv:1810.04805",
    config=BertConfig,
    presets=PRESETS,
    recipes=RECIPES,
    at_words=AT_WORDS,
    options=OPTIONS,
    build=BertForPreTraining,
    objective=_objective,
    encoder=BertEncoder,
    save=foreign.save,
    load=foreign.read,
    imports={"hf": foreign.read},
    masked_words=_masked_words,
    token_embeddings=_token_embeddings,
)
