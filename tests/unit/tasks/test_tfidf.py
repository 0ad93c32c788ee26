from __future__ import annotations

import sys

import numpy as np
import pytest

from munmaek.core.errors import RequestError
from munmaek.tasks.tfidf import tfidf

GOOD, BAD = ["정말 좋다", "너무 좋아요", "좋은 영화"], ["정말 싫다", "너무 싫어요", "싫은 영화"]


def test_it_learns_from_characters() -> None:
    targets = np.array([1, 1, 1, 0, 0, 0])
    assert tfidf(GOOD + BAD, targets, ["좋았다", "싫었다", "좋네요"]).tolist() == [1, 0, 1]


def test_it_reads_both_texts_of_a_pair() -> None:
    texts, pairs = ["같은 글"] * 6, GOOD + BAD
    found = tfidf(texts, np.array([1, 1, 1, 0, 0, 0]), ["같은 글"] * 2, pairs, ["좋았다", "싫었다"])
    assert found.tolist() == [1, 0]


def test_without_scikit_learn_it_says_so(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    with pytest.raises(RequestError, match="pip install scikit-learn"):
        tfidf(GOOD, np.array([0, 1, 1]), GOOD)
