"""What every test shares: the --slow switch, the folder of real data, and a cache that is nobody's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

os.environ["OMP_NUM_THREADS"] = "1"  # small models: one thread each, and several tests at a time
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["MUNMAEK_LANG"] = "en"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets: MUNMAEK_DATA, else ../shared/data beside the checkout. Skips without one."""
    folder = Path(os.environ.get("MUNMAEK_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set MUNMAEK_DATA to a folder that `munmaek fetch` filled")
    return folder


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared corpora of the tests go to a folder of their own, never to the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["MUNMAEK_CACHE"] = str(folder)
    return folder
