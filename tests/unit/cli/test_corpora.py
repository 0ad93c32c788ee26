from __future__ import annotations

from pathlib import Path

import pytest

from munmaek.cli.corpora import corpus_of
from munmaek.data.homographs import NOTICE


def test_words_are_paths() -> None:
    assert corpus_of(["a.txt", "built-in"]) == [Path("a.txt"), Path("built-in")]


def test_the_built_in_corpus_says_that_it_is_synthetic(capsys: pytest.CaptureFixture[str]) -> None:
    document = next(iter(corpus_of(["built-in"])))
    assert len(document) >= 3
    assert all(isinstance(sentence, str) for sentence in document)
    assert "synthetic" in NOTICE
    assert NOTICE in capsys.readouterr().err
