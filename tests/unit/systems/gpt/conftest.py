"""A small GPT, and a byte-pair tokenizer of its own."""

from __future__ import annotations

import pytest
import torch

from munmaek import systems
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.tokenizers import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer(documents):
    return train_tokenizer(MemoryCorpus(documents), "bpe", vocab_size=150)


@pytest.fixture
def card():
    return systems.load("gpt")


@pytest.fixture(params=["post", "pre"])
def small(request, card, tokenizer):
    """A model whose weights are far from the initial ones, in evaluation mode, as GPT-1 and as GPT-2 is."""
    torch.manual_seed(5)
    sizes = {"dim": 32, "num_layers": 3, "num_heads": 4, "max_positions": 24, "dropout": 0.0, "attention_dropout": 0.0}
    model = card.build(card.config(vocab_size=tokenizer.vocab_size, norm=request.param, **sizes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model
