"""The estimators do what scikit-learn's own tools ask of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from munmaek import systems
from munmaek.core.errors import DataError, RequestError
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run import folder as model_folder

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from munmaek.sklearn import SequenceTagger, TextClassifier, TextEmbedder, TextRegressor, texts_of

GOOD, BAD = ("정말 좋다", "너무 재미있다", "최고의 영화"), ("정말 싫다", "너무 지루하다", "최악의 영화")
THINGS = ("배우", "음악", "대사", "결말", "화면", "연출", "줄거리", "분위기")
TEXTS = [f"{thing} {opinion}" for thing in THINGS for pair in zip(GOOD, BAD, strict=True) for opinion in pair]
LABELS = ["good", "bad"] * (len(TEXTS) // 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with random weights, as `pretrain` writes it."""
    tokenizer = train_tokenizer([[text] for text in TEXTS], "word", 100, min_count=1)
    card = systems.load("bert")
    torch.manual_seed(7)
    model = card.build(card.config(**card.presets["tiny"], vocab_size=tokenizer.vocab_size, max_positions=64))
    facts = {"size": "tiny", "recipe": {"max_length": 32}}
    return model_folder.write(tmp_path_factory.mktemp("models") / "bert", card, model, tokenizer, facts)


def test_labels_of_any_kind_come_back(folder: Path) -> None:
    found = TextClassifier(folder, epochs=20).fit(TEXTS, LABELS)
    assert found.classes_.tolist() == ["bad", "good"]
    assert found.score(TEXTS, LABELS) > 0.95
    probabilities = found.predict_proba(["배우 정말 좋다", "배우 정말 싫다"])
    assert probabilities.shape == (2, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert probabilities[0, 1] > 0.5 > probabilities[1, 1]
    numbers = np.where(np.array(LABELS) == "good", 7, -3)
    assert set(TextClassifier(folder, epochs=1).fit(TEXTS, numbers).predict(TEXTS)) <= {7, -3}


def test_the_same_seed_gives_the_same_answers(folder: Path) -> None:
    first, second, third = (TextClassifier(folder, epochs=2, seed=s).fit(TEXTS, LABELS) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.predict_proba(TEXTS), second.predict_proba(TEXTS))
    assert not np.array_equal(first.predict_proba(TEXTS), third.predict_proba(TEXTS))


def test_numbers(folder: Path) -> None:
    wanted = np.where(np.array(LABELS) == "good", 4.5, 1.5)
    found = TextRegressor(folder, epochs=20).fit(TEXTS, wanted)
    assert found.predict(TEXTS).shape == (len(TEXTS),)
    assert found.score(TEXTS, wanted) > 0.8


def test_entities_come_back_in_the_shape_they_were_given(folder: Path) -> None:
    opinion = {text: [(text.index(" ") + 1, len(text), label)] for text, label in zip(TEXTS, LABELS, strict=True)}
    texts, wanted = [*TEXTS, "배우 음악"], [*opinion.values(), []]
    found = SequenceTagger(folder, epochs=30).fit(texts, wanted)
    assert found.types_ == ["bad", "good"]
    assert found.score(texts, wanted) > 0.95
    assert found.predict(["화면 정말 좋다", "대사 결말"]) == [[(3, 8, "good")], []]
    for odd, message in (([(0, 9, "good")], "3 characters"), (["good"], "row 0"), ([(0, 1, "")], "row 0")):
        with pytest.raises(DataError, match=message):
            SequenceTagger(folder).fit(["눈이다"], [odd])
    with pytest.raises(DataError, match="y has 2 rows"):
        SequenceTagger(folder).fit(["눈"], [[], []])
    with pytest.raises(DataError, match="nothing to find"):
        SequenceTagger(folder).fit(["눈"], [[]])
    with pytest.raises(NotFittedError):
        SequenceTagger(folder).score(["눈"], [[]])


def test_vectors_in_a_pipeline(folder: Path) -> None:
    model = make_pipeline(TextEmbedder(folder), StandardScaler(), LogisticRegression(max_iter=1_000))
    assert cross_val_score(model, TEXTS, LABELS, cv=3).mean() > 0.8
    embedder = TextEmbedder(folder, normalise=True).fit()
    vectors = embedder.transform(TEXTS[:3])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert len(embedder.get_feature_names_out()) == vectors.shape[1]


def test_a_grid_of_settings(folder: Path) -> None:
    model = TextClassifier(folder, settings={"probe": False})
    search = GridSearchCV(model, {"epochs": [1, 20]}, cv=2).fit(np.array(TEXTS), LABELS)
    assert search.best_params_ == {"epochs": 20}
    assert search.predict(["배우 최악의 영화"]).tolist() == ["bad"]


def test_a_clone_has_the_parameters_and_nothing_learnt(folder: Path) -> None:
    found = clone(TextClassifier(folder, epochs=1, settings={"batch_rows": 8}).fit(TEXTS, LABELS))
    assert found.get_params()["settings"] == {"batch_rows": 8}
    with pytest.raises(NotFittedError):
        found.predict(TEXTS)
    found.set_params(epochs=3)
    assert found.epochs == 3


CHECKS = (
    "check_estimator_cloneable", "check_parameters_default_constructible", "check_no_attributes_set_in_init",
    "check_get_params_invariance", "check_set_params",
    "check_estimator_repr", "check_valid_tag_types", "check_estimator_tags_renamed", "check_mixin_order",
)  # fmt: skip
"""What scikit-learn checks of an estimator without giving it numbers; the rest gives it tables of numbers for X."""


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("estimator", [TextClassifier(), TextRegressor(), SequenceTagger(), TextEmbedder()])
def test_what_scikit_learn_checks_of_estimators(estimator: Any, check: str) -> None:
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


def test_what_is_no_list_of_texts(folder: Path) -> None:
    assert texts_of(np.array([["a"], ["b"]])) == ["a", "b"]
    for odd, message in (("눈", "one text"), ([1, 2], "row 0 of X"), ([["a", "b"]], "shape"), (["a", None], "row 1")):
        with pytest.raises(DataError, match=message):
            texts_of(odd)
    with pytest.raises(DataError, match="y has the shape"):
        TextClassifier(folder).fit(TEXTS, LABELS[:-1])
    with pytest.raises(DataError, match="nothing to tell apart"):
        TextClassifier(folder).fit(TEXTS, ["good"] * len(TEXTS))
    with pytest.raises(RequestError, match="no pooling"):
        TextEmbedder(folder, pooling="median").fit()
    with pytest.raises(RequestError, match="no setting"):
        TextClassifier(folder, settings={"epoch": 3}).fit(TEXTS, LABELS)
