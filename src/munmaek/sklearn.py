"""scikit-learn's estimators on top of a pre-trained model: in a `Pipeline`, in a `GridSearchCV`, with `clone`.

    from munmaek.sklearn import TextClassifier

    TextClassifier("runs/bert", epochs=10).fit(texts, labels).predict(["눈이 와서 너무 좋다"])

X is a sequence of texts. A model folder is named, not held, so that an estimator is small, and is cloned by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek import tasks
from munmaek.core.errors import DataError, RequestError
from munmaek.data import tagged
from munmaek.run.model import POOLINGS, load
from munmaek.run.tuned import Tuned
from munmaek.run.tuning import Tuner
from munmaek.tasks.examples import Examples

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError:
    raise RequestError("munmaek.sklearn needs scikit-learn", fix="pip install 'munmaek[table]'") from None

WHERE = "fit(X, y)"


def texts_of(X: Any) -> list[str]:
    """X as texts: a list, a column of a table, an array `(texts,)` or `(texts, 1)`.

    Raises:
        DataError: it is one text, holds something else than texts, or has several columns.
    """
    if isinstance(X, str | bytes):
        raise DataError("X is one text", where="X", fix="Give a list of texts.")
    values = np.asarray(X, dtype=object)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        shape = f"X has the shape {values.shape}"
        raise DataError(shape, where="X", fix="Give texts, (texts,); choose one column of a table.")
    texts: list[Any] = values.tolist()
    odd = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
    if odd is not None:
        found = f"row {odd} of X is no text but {type(texts[odd]).__name__}"
        raise DataError(found, where="X", fix="Give strings; fill what is missing with an empty one.")
    return texts


def _targets(texts: Sequence[str], y: Any) -> NDArray[Any]:
    targets = np.asarray(y)
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.shape != (len(texts),):
        raise DataError(f"{len(texts)} texts, but y has the shape {targets.shape}", where=WHERE)
    return targets


class _FineTuned(BaseEstimator):
    """What a classifier, a regressor and a tagger share."""

    def __init__(
        self,
        model: str | Path = "",
        *,
        epochs: float | None = None,
        learning_rate: float | None = None,
        pooling: str | None = None,
        max_length: int | None = None,
        settings: dict[str, Any] | None = None,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.pooling = pooling
        self.max_length = max_length
        self.settings = settings
        self.seed = seed
        self.device = device

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags

    def _learn(self, task: str, texts: list[str], labels: list[str]) -> None:
        named = {"epochs": self.epochs, "learning_rate": self.learning_rate, "pooling": self.pooling}
        tuner = Tuner(
            load(self.model, self.device), tasks.load(task), Examples(texts, None, labels, WHERE),
            changes={**(self.settings or {}), **{name: value for name, value in named.items() if value is not None}},
            max_length=self.max_length,
        )  # fmt: skip
        fitted = tuner.fit(self.seed)
        self.tuned_ = Tuned(tuner.model, tuner.task, fitted.answers, fitted.network, tuner.max_length, pairs=False)

    def _answer(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self, "tuned_")
        return self.tuned_.answer(texts_of(X))


class TextClassifier(ClassifierMixin, _FineTuned):
    """Fine-tune a model to classify texts.

    Args:
        model: a folder that `munmaek pretrain` or `munmaek import` wrote.
        epochs, learning_rate, pooling: instead of the defaults for the number of labels; further `settings` by name,
            see `munmaek.tasks.defaults.Settings`.
        max_length: tokens read of a text. seed: of the head, the order and dropout. device: auto, cpu or cuda.
    Attributes:
        classes_: the labels seen, sorted. tuned_: the fine-tuned model.
    """

    def fit(self, X: Any, y: Any) -> TextClassifier:
        """Learn from texts and their labels, of any kind that sorts; DataError where all labels are one."""
        texts = texts_of(X)
        self.classes_, places = np.unique(_targets(texts, y), return_inverse=True)
        self._learn("classify", texts, [str(place) for place in places.tolist()])
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Probabilities `(texts, classes)`, in the order of `classes_`."""
        return self._answer(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest label of each text."""
        likeliest = self._answer(X).argmax(axis=1)
        return self.classes_[likeliest]


class TextRegressor(RegressorMixin, _FineTuned):
    """Fine-tune a model to predict a number from a text; arguments as of `TextClassifier`."""

    def fit(self, X: Any, y: Any) -> TextRegressor:
        """Learn from texts and their numbers; DataError where all are the same."""
        texts = texts_of(X)
        self._learn("regress", texts, [repr(float(value)) for value in _targets(texts, y).tolist()])
        return self

    def predict(self, X: Any) -> NDArray[np.float32]:
        """A number a text, `(texts,)`."""
        return self._answer(X)


class SequenceTagger(_FineTuned):
    """Fine-tune a model to find named entities in texts; arguments as of `TextClassifier` (`pooling` has no effect).

    An entity is (start, end, type): text[start:end] in characters, and any name.
    """

    def fit(self, X: Any, y: Any) -> SequenceTagger:
        """Learn from texts and the list of entities of each; DataError where there are none, or one is none."""
        texts = texts_of(X)
        self._learn("tag", texts, [tagged.join(row) for row in _entities(texts, y)])
        self.types_ = sorted({name.partition("-")[2] for name in self.tuned_.answers.classes[1:]})
        return self

    def predict(self, X: Any) -> list[list[tagged.Entity]]:
        """The entities found in each text, in its order."""
        return [list(row) for row in self._answer(X)]

    def score(self, X: Any, y: Any) -> float:
        """F1 over entities: start, end and type must all be right."""
        texts, found = texts_of(X), self._answer(X)
        task, answers = self.tuned_.task, self.tuned_.answers
        wanted = task.targets(answers, [tagged.join(row) for row in _entities(texts, y)], WHERE)
        return task.scores(answers, found, wanted)[task.best]


def _entities(texts: Sequence[str], y: Any) -> list[list[tagged.Entity]]:
    """What each text's entities are, in the order of their beginnings; DataError where one is none of its text."""
    rows: list[list[Any]] = [list(row) for row in y]
    if len(rows) != len(texts):
        raise DataError(f"{len(texts)} texts, but y has {len(rows)} rows", where=WHERE)
    for row, (text, entities) in enumerate(zip(texts, rows, strict=True)):
        for entity in entities:
            start, end, kind = entity if isinstance(entity, list | tuple) and len(entity) == 3 else (0, 0, "")
            if not (isinstance(kind, str) and kind and 0 <= start < end <= len(text)):
                found = f"row {row} of y has {entity!r}, and its text {len(text)} characters"
                raise DataError(found, where=WHERE, fix="Give (start, end, type) for each entity of each text.")
    return [sorted((int(start), int(end), kind) for start, end, kind in entities) for entities in rows]


class TextEmbedder(TransformerMixin, BaseEstimator):
    """A model's vectors as features: nothing is learnt.

    Args:
        model: a model folder. pooling: mean, first, last or max. normalise: vectors of length 1. device: see above.
    """

    def __init__(
        self, model: str | Path = "", *, pooling: str = "mean", normalise: bool = False, device: str = "auto"
    ) -> None:
        self.model = model
        self.pooling = pooling
        self.normalise = normalise
        self.device = device

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    def fit(self, X: Any = None, y: Any = None) -> TextEmbedder:
        """Load the model; RequestError for a pooling there is not."""
        if self.pooling not in POOLINGS:
            raise RequestError(f"no pooling {self.pooling!r}", where="pooling", fix=f"Poolings: {', '.join(POOLINGS)}.")
        self.model_ = load(self.model, self.device)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Vectors `(texts, dim)`."""
        check_is_fitted(self, "model_")
        return self.model_.embed(texts_of(X), self.pooling, normalise=self.normalise)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """A name a dimension."""
        check_is_fitted(self, "model_")
        return np.array([f"{self.model_.system.name}{place}" for place in range(self.model_.dim)], dtype=object)
