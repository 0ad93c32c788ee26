"""Real sentences (KB-WiC): systems that read the context tell senses apart, those with one vector a word do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from facts import FACTS

from munmaek import systems
from munmaek.run.known_data import general_text
from munmaek.run.pretrain import pretrain
from munmaek.run.wic import word_in_context

BUDGET = "1500k tokens"
MARGIN = 0.02
"""Of 3,318 pairs the area's standard error is 0.01."""


@pytest.fixture(scope="module")
def text(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Paragraphs, sentences, dialogue and reviews."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUNMAEK_DATA", str(data_dir))
        return general_text(tmp_path_factory.mktemp("general") / "general.txt")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("system", [name for name in systems.names() if systems.load(name).makes_vectors])
def test_senses_of_real_words(system: str, text: Path, data_dir: Path, tmp_path: Path) -> None:
    pretrain(system, corpus=text, out=tmp_path, size="tiny", budget=BUDGET, tokenizer="morpheme-word", device="cpu")
    usages = data_dir / "kobest" / "WiC"
    found = word_in_context(tmp_path, usages / "train.tsv", train=usages / "dev.tsv", device="cpu")
    if FACTS[system].sees == "alone":
        assert abs(found.auc - 0.5) < MARGIN
    else:
        assert found.auc > 0.5 + MARGIN  # of the layer that is best on the other rows
