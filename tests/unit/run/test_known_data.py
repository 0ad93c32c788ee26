"""Data sets known by name: which files they are, whichever of their names those have, and what is said where not."""

from __future__ import annotations

from pathlib import Path

import pytest

from munmaek.cli import main
from munmaek.core.errors import RequestError
from munmaek.run.known_data import known_data


@pytest.mark.parametrize("names", [("klue-ner-v1.1_train.tsv", "klue-ner-v1.1_dev.tsv"), ("train.tsv", "dev.tsv.gz")])
def test_klue_ner_is_tags_without_a_corpus(
    names: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MUNMAEK_DATA", str(tmp_path))
    folder = tmp_path / "klue-ner"
    folder.mkdir()
    (folder / names[0]).write_text("가\tB-PS\n", "utf-8")
    with pytest.raises(RequestError, match=r"klue-ner-v1.1_dev.tsv is not there"):
        known_data("klue-ner", tmp_path / "out")
    (folder / names[1]).touch()
    found = known_data("klue-ner", tmp_path / "out")
    assert (found.corpus, found.train, found.test) == (None, folder / names[0], folder / names[1])
    assert found.task == "tag"
    assert main(["compare", "--data", "klue-ner", "--out", str(tmp_path / "out")]) == 2
    assert "no text to pre-train on" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_built_in_rows_are_classes(tmp_path: Path) -> None:
    found = known_data("built-in", tmp_path)
    assert found.task == "classify"
    assert found.corpus is not None
    assert len(found.train.read_text("utf-8").splitlines()) == 4_001
