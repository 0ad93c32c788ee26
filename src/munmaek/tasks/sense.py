"""Sense separation and word in context: do two occurrences of a word lie closer when they mean the same?

No training, only vectors, and for word in context a threshold (Pilehvar and Camacho-Collados 2019, KB-WiC).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def separation(vectors: NDArray[np.floating], senses: Sequence[str]) -> float:
    """Area under the ROC curve of the cosine between occurrences as a sign of the same sense, 0 to 1.

    Cosines are taken from the mean of the word's vectors: contextual vectors lie in a narrow cone, around what all
    occurrences share (Ethayarajh 2019), and that says nothing of sense.

    Of all pairs of occurrences of one word, the chance that a pair of one sense has a larger cosine than a pair of two
    senses; ties count half. 0.5 is blindness: a word with one vector for ever gives exactly 0.5.

    Args:
        vectors: (occurrences, dim). senses: the sense of each.
    Returns:
        NaN where all occurrences have one sense, or no sense occurs twice.
    """
    vectors = vectors - vectors.mean(axis=0)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    first, second = np.triu_indices(len(senses), k=1)
    # rounded so that equal vectors tie, whatever the order of summation
    cosines = np.round((unit[first] * unit[second]).sum(axis=1).astype(np.float64), 6)
    labels = np.asarray(senses)
    same = labels[first] == labels[second]
    return area(cosines[same], cosines[~same])


def mean_separation(words: Sequence[str], senses: Sequence[str], vectors: NDArray[np.floating]) -> float:
    """The mean of `separation` over words, each with its own occurrences; words it says nothing of are left out.

    Args:
        words: the word of each occurrence. senses, vectors: as `separation` takes them.
    Returns:
        NaN where it says nothing of any word.
    """
    rows: dict[str, list[int]] = {}
    for row, word in enumerate(words):
        rows.setdefault(word, []).append(row)
    found = [separation(vectors[chosen], [senses[row] for row in chosen]) for chosen in rows.values()]
    known = [each for each in found if np.isfinite(each)]
    return float(np.mean(known)) if known else float("nan")


def pair_cosines(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosines along the last axis, rounded so that equal vectors tie: one vector for ever gives 1 everywhere."""
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return np.round((first * second).sum(axis=-1).astype(np.float64) / np.maximum(lengths, 1e-12), 6)


def best_threshold(cosines: NDArray[np.floating], same: NDArray[np.bool_]) -> tuple[float, float]:
    """The threshold from which on pairs are said to be of one sense, and the share of pairs that it answers right.

    It lies in the middle between two neighbouring cosines; -1 says "the same" always, 2 never. Of equally good ones it
    is the lowest.
    """
    values = np.unique(cosines)
    thresholds = np.array([-1.0, *((values[1:] + values[:-1]) / 2), 2.0])
    positives, negatives = np.sort(cosines[same]), np.sort(cosines[~same])
    found = len(positives) - np.searchsorted(positives, thresholds) + np.searchsorted(negatives, thresholds)
    best = int(found.argmax())
    return float(thresholds[best]), float(found[best] / max(1, len(cosines)))


def area(positives: NDArray[np.floating], negatives: NDArray[np.floating]) -> float:
    """The chance that a positive scores above a negative, ties half (Mann and Whitney 1947); NaN if either is empty."""
    if not len(positives) or not len(negatives):
        return float("nan")
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left")
    through = np.searchsorted(ordered, positives, "right")
    return float((below + through).sum() / (2 * len(positives) * len(negatives)))


def flatten_to_plane(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """The two directions in which the vectors differ most, `(rows, 2)` (principal components; no labels are used)."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(vectors), 2))
    found = centred @ directions[:2].T
    plane[:, : found.shape[1]] = found
    return plane
