"""similar: how alike two sentences are, and one word in each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from munmaek.run.model import Model, WordSimilarity, load


@dataclass(frozen=True)
class Similarity:
    """Cosines, -1 to 1: of the two texts, and of the word where one was named."""

    first: str
    second: str
    cosine: float
    word: WordSimilarity | None


def similar(
    model: Model | str | Path,
    first: str,
    second: str,
    *,
    word: str | None = None,
    second_word: str | None = None,
    pooling: str = "mean",
) -> Similarity:
    """Compare two texts by their vectors; with `word`, also the word's own vectors in each, layer by layer.

    `second_word` is the word in the second text where it differs. RequestError where a word is not in its text.
    """
    model = model if isinstance(model, Model) else load(model)
    found = model.similar(first, second, word, second_word) if word else None
    return Similarity(first, second, model.similarity(first, second, pooling), found)
