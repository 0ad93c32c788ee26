"""A tokenizer: only its border and padding are asked for."""

from __future__ import annotations

import pytest

from munmaek.data.tokenizers import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer([["눈이 와서 너무 좋다"]], "bpe", vocab_size=60)
