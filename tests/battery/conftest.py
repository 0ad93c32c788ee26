"""Every registered system in turn, its smallest preset, its usual tokenizer, and a small corpus of documents."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from bench import Bench
from facts import FACTS

from munmaek import systems
from munmaek.data.homographs import HomographCorpus
from munmaek.run.prepare import Prepared, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    """Kind of tokenizer -> the corpus prepared with it."""
    folder: Path = tmp_path_factory.mktemp("battery")
    return cache(
        lambda kind: prepare(HomographCorpus(seed=3, count=400), cache=folder, tokenizer=kind, vocab_size=1500)
    )


@pytest.fixture(params=systems.NAMES)
def bench(request: pytest.FixtureRequest, prepared: Callable[[str], Prepared]) -> Bench:
    name = request.node.originalname
    facts = FACTS[request.param]
    if name in facts.not_asked:
        pytest.skip(f"not asked of {request.param}: {facts.not_asked[name]}")
    card = systems.load(request.param)
    return Bench(card, facts, prepared(card.tokenizer))
