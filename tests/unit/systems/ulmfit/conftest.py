"""Small AWD-LSTMs of both directions, and a byte-pair tokenizer of their own."""

from __future__ import annotations

import pytest
import torch

from munmaek import systems
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.shards import build_shards
from munmaek.data.tokenizers import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer(documents):
    return train_tokenizer(MemoryCorpus(documents), "bpe", vocab_size=150)


@pytest.fixture(scope="session")
def shards(documents, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return build_shards(MemoryCorpus(documents), tokenizer, folder / "s", corpus_hash="x")


@pytest.fixture
def card():
    return systems.load("ulmfit")


@pytest.fixture(params=["forward", "backward"])
def small(request, card, tokenizer):
    torch.manual_seed(5)
    shape = {"dim": 16, "hidden": 24, "num_layers": 3, "max_positions": 64, "direction": request.param}
    return card.build(card.config(vocab_size=tokenizer.vocab_size, **shape)).eval()
