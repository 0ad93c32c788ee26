"""A word tokenizer that lacks some words, and a small ELMo over it."""

from __future__ import annotations

import pytest
import torch

from munmaek import systems
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.tokenizers import train_tokenizer

SMALL = {"cells": 16, "dim": 8, "num_highway": 1, "filters": ((1, 6), (2, 8), (4, 10)), "character_dim": 5}


@pytest.fixture(scope="session")
def words(documents):
    """A tokenizer of words with room for 12 of the corpus's 17."""
    return train_tokenizer(MemoryCorpus(documents), "word", 32, min_count=1)


@pytest.fixture
def elmo_card():
    return systems.load("elmo")


@pytest.fixture
def build(elmo_card, words):
    """settings -> a model, the same for each test."""

    def make(**settings):
        torch.manual_seed(7)
        return elmo_card.build(elmo_card.config(**{"vocab_size": words.vocab_size, **SMALL, **settings}))

    return make
