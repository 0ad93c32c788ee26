"""Every registered system in turn, its smallest preset, and a small corpus of documents."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import Bench

from munmaek import systems
from munmaek.data.homographs import HomographCorpus
from munmaek.run.prepare import Prepared, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    cache: Path = tmp_path_factory.mktemp("battery")
    return prepare(HomographCorpus(seed=3, count=400), cache=cache, vocab_size=1500)


@pytest.fixture(params=systems.NAMES)
def bench(request: pytest.FixtureRequest, prepared: Prepared) -> Bench:
    return Bench(systems.load(request.param), prepared)
