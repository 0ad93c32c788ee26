from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from munmaek import systems
from munmaek.core.errors import RequestError
from munmaek.core.recipe import Recipe


def test_the_tuple_is_the_folders() -> None:
    folders = {p.parent.name for p in Path(systems.__file__).parent.glob("*/__init__.py")}
    assert set(systems.NAMES) == folders
    assert systems.names() == systems.NAMES


@pytest.mark.parametrize("name", systems.NAMES)
def test_each_card_is_whole(name: str) -> None:
    card = systems.load(name)
    assert card.name == name
    assert set(card.presets) == set(card.recipes) == {"tiny", "mini", "small", "medium", "base"}
    assert all(isinstance(recipe, Recipe) for recipe in card.recipes.values())
    for size, settings in card.presets.items():
        config = card.config(vocab_size=100, **settings)
        assert config.max_positions >= card.recipes[size].max_length
    assert (Path(systems.__file__).parent / name / "README.md").is_file()


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(RequestError, match=r"'gpt5'.*bert"):
        systems.load("gpt5")


def test_the_register_itself_costs_nothing() -> None:
    code = "import sys, munmaek.systems; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
