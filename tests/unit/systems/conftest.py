"""A small corpus, its tokenizer and shards, and a small BERT."""

from __future__ import annotations

import pytest
import torch

from munmaek import systems
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.shards import build_shards
from munmaek.data.tokenizers import train_tokenizer

WORDS = [
    "눈이", "배가", "말을", "밤에", "다리를", "사과는", "강가에서", "천천히", "조용히", "내렸다", "먹었다",
    "달렸다", "보았다", "걸었다", "들었다", "좋았다", "예쁘다",
]  # fmt: skip


def sentence(number: int) -> str:
    """One of many sentences, of 3 to 12 words."""
    return " ".join(WORDS[(number * 7 + 5 * place + place * place) % len(WORDS)] for place in range(3 + number % 10))


@pytest.fixture(scope="session")
def documents() -> list[list[str]]:
    """120 documents of 2 to 6 sentences."""
    return [[sentence(40 * i + j) for j in range(2 + i % 5)] for i in range(120)]


@pytest.fixture(scope="session")
def tokenizer(documents):
    return train_tokenizer(MemoryCorpus(documents), vocab_size=150)


@pytest.fixture(scope="session")
def shards_of(tokenizer, tmp_path_factory):
    """documents -> shards."""

    def build(documents: list[list[str]]):
        folder = tmp_path_factory.mktemp("shards")
        return build_shards(MemoryCorpus(documents), tokenizer, folder / "s", corpus_hash=str(folder))

    return build


@pytest.fixture(scope="session")
def paired(shards_of, documents):
    return shards_of(documents)


@pytest.fixture(scope="session")
def single(shards_of):
    return shards_of([[sentence(i)] for i in range(400)])


@pytest.fixture
def card():
    return systems.load("bert")


@pytest.fixture
def small(card, tokenizer):
    """A config and a model in evaluation mode, the same for each test."""
    torch.manual_seed(5)
    return card.build(
        card.config(vocab_size=tokenizer.vocab_size, dim=32, num_layers=2, num_heads=4, max_positions=64)
    ).eval()
