"""evaluate wic: does a model tell whether a word means the same in two sentences? Frozen vectors and a threshold."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import DataError, RequestError
from munmaek.core.runtime import permutation
from munmaek.data.usages import NOT_FOUND, UsagePairs, read_usages
from munmaek.run.model import Model, load
from munmaek.tasks.sense import area, best_threshold, pair_cosines

HALF_STREAM = 0x31C
CHUNK_ROWS = 512


@dataclass(frozen=True)
class LayerScore:
    """One layer, 0 is the embeddings.

    Attributes:
        threshold: cosine from which on a word is said to mean the same, learnt on the training rows.
        train_accuracy, train_auc: on the rows it was learnt on. accuracy, auc: on the scored rows, 0 to 1. The area
            under the ROC curve needs no threshold, and is 0.5 where the word has one vector for ever.
    """

    layer: int
    threshold: float
    train_accuracy: float
    train_auc: float
    accuracy: float
    auc: float


@dataclass(frozen=True)
class WordInContext:
    """Accuracy and area of every layer, and of the one that is best on the training rows.

    Attributes:
        layer, accuracy, auc: the layer of the best training accuracy, then area, and its scores.
        majority: share of the commoner answer among the scored rows: what no knowledge at all gets.
        num_rows, num_train: rows scored, rows for threshold and layer. halved: both were drawn from one file.
        notes: rows that were left out, and where the training rows came from.
    """

    layer: int
    accuracy: float
    auc: float
    majority: float
    num_rows: int
    num_train: int
    halved: bool
    layers: list[LayerScore]
    seconds: float
    notes: list[str]


def word_in_context(
    model: Model | str | Path,
    data: str | Path,
    *,
    train: str | Path | None = None,
    first_column: str | None = None,
    second_column: str | None = None,
    same_column: str | None = None,
    device: str = "auto",
    progress: Callable[[int], None] | None = None,
) -> WordInContext:
    """Score a model's vectors on pairs of usages, the model left as it is.

    A word's vector is the mean over the tokens that hold its characters; two usages are said to have one sense where
    the cosine of their vectors reaches a threshold. A model with one vector a word is at chance by construction.

    Args:
        data: the rows to score; columns as `data.usages.read_usages` finds them (word, two sentences, answer; the word
            may stand in [square brackets] in its sentences).
        train: rows for threshold and layer; None takes a fixed random half of `data`, and scores the other.
        first_column, second_column, same_column: of sentences and answer, where they have no usual names.
        progress: called with the number of pairs read since the last call.
    Raises:
        RequestError: no such file or column, or twice the same file. DataError: no rows of both answers.
    """
    began = time.monotonic()
    if train is not None and Path(train).resolve() == Path(data).resolve():
        fix = "Give the training rows, or leave --train out to use a half of the file."
        raise RequestError("the rows to score are those to learn from", where=f"--train {train}", fix=fix)
    columns: dict[str, Any] = {"first_column": first_column, "second_column": second_column, "same_column": same_column}
    tables = [read_usages(path, **columns) for path in (data, train) if path is not None]
    loaded = model if isinstance(model, Model) else load(model, device)
    notes: list[str] = []
    found = [_cosines(loaded, table, notes, progress) for table in tables]
    (cosines, same), (known, senses) = found if train is not None else _halves(*found[0])
    if train is None:
        notes.append(f"threshold and layer were learnt on {len(senses):,} rows drawn from the file, and the other "
                     f"{len(same):,} were scored")  # fmt: skip
    for answers in (same, senses):
        if answers.all() or not answers.any():
            fix = "Give rows of both answers."
            raise DataError("all words that can be found mean the same, or none does", where=str(data), fix=fix)
    layers = [_layer(layer, known[:, layer], senses, cosines[:, layer], same) for layer in range(cosines.shape[1])]
    best = max(layers, key=lambda score: (score.train_accuracy, score.train_auc))
    return WordInContext(
        best.layer, best.accuracy, best.auc, float(max(same.mean(), 1 - same.mean())), len(same), len(senses),
        train is None, layers, time.monotonic() - began, notes,
    )  # fmt: skip


def _layer(
    layer: int, known: NDArray[np.float64], senses: NDArray[np.bool_], cosines: NDArray[np.float64],
    same: NDArray[np.bool_],
) -> LayerScore:  # fmt: skip
    threshold, accuracy = best_threshold(known, senses)
    return LayerScore(
        layer, threshold, accuracy, area(known[senses], known[~senses]),
        float(np.mean((cosines >= threshold) == same)), area(cosines[same], cosines[~same]),
    )  # fmt: skip


def _halves(
    cosines: NDArray[np.float64], same: NDArray[np.bool_]
) -> tuple[tuple[NDArray[np.float64], NDArray[np.bool_]], tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """The rows to score, and those to learn from."""
    order, middle = permutation(len(same), 0, HALF_STREAM), len(same) // 2
    learnt, scored = np.sort(order[:middle]), np.sort(order[middle:])
    return (cosines[scored], same[scored]), (cosines[learnt], same[learnt])


def _cosines(
    model: Model, pairs: UsagePairs, notes: list[str], progress: Callable[[int], None] | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """`(rows, layers)` cosines of the rows whose words are found, and whether they mean the same."""
    skipped = dict(pairs.skipped)
    spans = [(one.place, other.place) for one, other in zip(pairs.first, pairs.second, strict=True)]
    kept = [row for row, both in enumerate(spans) if None not in both]
    found: list[NDArray[np.float64]] = [np.zeros((0, model.num_layers))]
    for start in range(0, len(kept), CHUNK_ROWS):
        rows = kept[start : start + CHUNK_ROWS]
        first, second = (
            model.spans_layers([usages[row].text for row in rows], [spans[row][side] or (0, 0) for row in rows])
            for side, usages in enumerate((pairs.first, pairs.second))
        )
        found.append(pair_cosines(first, second))
        if progress is not None:
            progress(len(rows))
    cosines = np.concatenate(found)
    read = ~np.isnan(cosines).any(axis=1)
    skipped[NOT_FOUND] = len(pairs) - len(kept)
    skipped["the word stands past what the model reads"] = int(np.sum(~read))
    notes += [f"{pairs.path.name}: {count:,} rows skipped: {reason}" for reason, count in skipped.items() if count]
    return cosines[read], np.array(pairs.same, dtype=bool)[kept][read]
