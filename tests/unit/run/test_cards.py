"""Models that were trained before a comparison stand in it beside those that it trains."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from munmaek.core.errors import CheckpointError, RequestError
from munmaek.report import page, tables
from munmaek.run import cards
from munmaek.run.compare import compare
from munmaek.run.comparison import Comparison
from munmaek.run.request import names_of

OPTIONS: dict[str, Any] = {
    "labels": [8], "seeds": 2, "word": "배우", "sentences": ("배우 음악 정말 좋다", "결말 배우 너무 지루하다"),
}  # fmt: skip
TRAINING: dict[str, Any] = {
    "size": "tiny", "budget": "10 steps", "pretraining": {"tokenizer": "word", "vocab_size": 300, "min_count": 1},
}  # fmt: skip


@pytest.fixture
def reviews(pretrained: Path, tmp_path: Path) -> Path:
    """A model of another tool: nothing says what its training took."""
    return Path(shutil.copytree(pretrained, tmp_path / "reviews"))


def asked(out: Path, labelled: tuple[Path, Path], **changes: Any) -> Comparison:
    return compare(out=out, train=labelled[0], test=labelled[1], **OPTIONS | changes)


def scores(found: Comparison, arm: str) -> list[dict[str, float]]:
    return [row.scores for row in found.rows if row.arm == arm]


def test_a_trained_model_has_the_rows_and_the_card_that_its_comparison_gave_it(
    corpus: Path, labelled: tuple[Path, Path], tmp_path: Path
) -> None:
    first = asked(tmp_path / "first", labelled, corpus=corpus, systems=["bert"], **TRAINING)
    folder = Path(shutil.copytree(tmp_path / "first/models/bert", tmp_path / "film"))
    again = asked(tmp_path / "again", labelled, trained=[folder])
    assert [arm.name for arm in again.arms] == ["chance", "tfidf", "film", "film from scratch"]
    assert scores(again, "film") == scores(first, "bert")
    assert scores(again, "film from scratch") == scores(first, "bert from scratch")
    (card,), (known,) = again.models, first.models
    assert (card.system, card.title) == ("film", "BERT (film)")
    for name in ("size", "parameters", "tokens", "steps", "seconds", "validation", "bits_per_character", "tokenizer"):
        assert getattr(card, name) == getattr(known, name), name
    assert (again.corpus, again.size, again.budget) == ("", "", "")
    assert {each.system for each in (*again.pairs, *again.maps, *again.neighbours)} == {"film"}


def test_beside_systems_that_are_trained_there(
    corpus: Path, labelled: tuple[Path, Path], reviews: Path, tmp_path: Path
) -> None:
    found = asked(tmp_path / "out", labelled, corpus=corpus, systems=["word2vec"], trained=[reviews], scratch=False,
                  floors=False, **TRAINING)  # fmt: skip
    assert [arm.title for arm in found.arms] == ["Word2Vec", "BERT (reviews)"]
    assert [(card.system, card.steps > 0) for card in found.models] == [("word2vec", True), ("reviews", False)]
    assert found.contrast("word2vec", "reviews", 8) is not None
    for korean in (False, True):
        (row,) = re.findall(r"<tr><th[^>]*>BERT \(reviews\)</th>(.*)</tr>", tables.cards(found, korean))
        assert re.findall(r"<td>(.*?)</td>", row)[1:6] == ["–"] * 5  # tokens, steps, time, energy, memory
        assert "BERT (reviews)" in page.write(found, tmp_path / "out", korean).read_text("utf-8")


def test_what_is_known_is_not_measured_again(
    labelled: tuple[Path, Path], reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = asked(tmp_path / "out", labelled, trained=[reviews], scratch=False)
    monkeypatch.setattr(cards, "evaluate_lm", None)
    monkeypatch.setattr("munmaek.run.arms.NetworkArm.run", None)
    again = asked(tmp_path / "out", labelled, trained=[reviews], scratch=False)
    assert (again.rows, again.models) == (first.rows, first.models)


def test_names_are_those_of_folders_with_what_tells_them_apart(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a/film", "b/film", "c/b/film", "bert", "tfidf")]
    names = ["film", "b/film", "c/b/film", f"{tmp_path.name}/bert", f"{tmp_path.name}/tfidf"]
    assert names_of(folders) == dict(zip(names, folders, strict=True))
    with pytest.raises(RequestError, match="twice"):
        names_of([tmp_path / "film", tmp_path / "other" / ".." / "film"])


def test_what_cannot_be_compared(labelled: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no text"):
        asked(tmp_path / "out", labelled, systems=["bert"], trained=[tmp_path / "film"])
    with pytest.raises(RequestError, match="no text"):
        asked(tmp_path / "out", labelled)
    with pytest.raises(CheckpointError, match="no such folder"):
        asked(tmp_path / "out", labelled, trained=[tmp_path / "film"])
