"""The honest floor: TF-IDF of character 1- to 4-grams and a linear model, which knows no text but the labelled."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import RequestError

NGRAMS = (1, 4)
REGULARISATION = 4.0
"""scikit-learn's C, the inverse of the penalty."""


def tfidf(
    texts: Sequence[str],
    targets: NDArray[np.int64],
    asked: Sequence[str],
    pairs: Sequence[str] | None = None,
    asked_pairs: Sequence[str] | None = None,
) -> NDArray[np.int64]:
    """The classes `(asked,)` that logistic regression on the training texts gives to the texts asked about.

    Args:
        texts, targets, pairs: training texts and their class numbers; second texts where there are.
    Raises:
        RequestError: scikit-learn is not installed.
    """
    try:
        extraction: Any = importlib.import_module("sklearn.feature_extraction.text")
        linear: Any = importlib.import_module("sklearn.linear_model")
    except ImportError:
        raise RequestError("the TF-IDF floor needs scikit-learn", fix="pip install scikit-learn") from None
    vectors = extraction.TfidfVectorizer(
        analyzer="char", ngram_range=NGRAMS, sublinear_tf=True, dtype=np.float32, lowercase=False,
        min_df=2 if len(texts) > 5_000 else 1,
    )  # fmt: skip
    model = linear.LogisticRegression(C=REGULARISATION, max_iter=300)
    model.fit(vectors.fit_transform(_joined(texts, pairs)), targets)
    return np.asarray(model.predict(vectors.transform(_joined(asked, asked_pairs))), dtype=np.int64)


def _joined(texts: Sequence[str], pairs: Sequence[str] | None) -> list[str]:
    return list(texts) if pairs is None else [f"{text}\t{pair}" for text, pair in zip(texts, pairs, strict=True)]
