"""A word in context, as each system sees it: occurrences in a plane, two sentences, and the nearest words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from munmaek.data import homographs
from munmaek.run.comparison import Neighbours, Separation, WordMap, WordPair
from munmaek.run.model import Model
from munmaek.run.request import Request
from munmaek.tasks.sense import flatten_to_plane, mean_separation

MOST_OCCURRENCES = 60
NEIGHBOURHOOD = 6_000
"""Eojeols that are looked through for neighbours, of the first texts."""
NUM_NEIGHBOURS = 6


PER_SENSE, SHOWN_PER_SENSE = 6, 12
"""Documents of each sense of the built-in corpus's homographs, whose reading is most of what a look takes; and of the
one word that is shown."""


@dataclass(frozen=True)
class Looked:
    """A word in context as one system sees it; None and nothing where there is too little to look at."""

    map: WordMap | None
    pair: WordPair | None
    neighbours: list[Neighbours]
    separation: Separation | None


def look(name: str, model: Model, request: Request, texts: Sequence[str]) -> Looked:
    """A comparison's word, in the texts and in its sentences; of the built-in corpus, in documents of known senses.

    Args:
        name: what the model is called in the comparison.
    """
    word, sentences = request.word, request.sentences
    seen = known_occurrences(word, SHOWN_PER_SENSE) if request.built_in else [
        *occurrences(texts, word), *occurrences(sentences, word)
    ]  # fmt: skip
    return Looked(
        word_map(name, model, word, seen) if len(seen) > 2 else None,
        word_pair(name, model, word, *sentences[:2]) if len(sentences) > 1 else None,
        neighbours(name, model, word, sentences, texts),
        separations(name, model, PER_SENSE) if request.built_in else None,
    )


@dataclass(frozen=True)
class Occurrence:
    """A word at text[start:end], with its sense ("" where nobody knows)."""

    text: str
    start: int
    end: int
    sense: str = ""


def occurrences(texts: Sequence[str], word: str, most: int = MOST_OCCURRENCES) -> list[Occurrence]:
    """The first texts in which the word opens an eojeol, one occurrence of each."""
    opening = re.compile(rf"(?<!\S){re.escape(word)}")
    found: list[Occurrence] = []
    for text in texts:
        match = opening.search(text)
        if match and len(found) < most:
            found.append(Occurrence(text, match.start(), match.end()))
    return found


def known_occurrences(word: str, per_sense: int, seed: int = 0) -> list[Occurrence]:
    """Held-out occurrences of a homograph of the built-in corpus, the motto's two last where it is 눈."""
    examples = [e for e in homographs.sense_examples(per_sense, seed=seed) if e.word == word]
    if word == homographs.MOTTO_WORD:
        examples += homographs.motto_examples()
    glosses = homographs.senses()[word]
    return [Occurrence(e.text, e.start, e.end, glosses[e.sense]) for e in examples]


def word_map(name: str, model: Model, word: str, found: Sequence[Occurrence], layer: int = -1) -> WordMap:
    """The occurrences in the plane in which a layer's vectors differ most."""
    vectors = _vectors(model, found)[:, layer]
    points = [(round(float(x), 4), round(float(y), 4)) for x, y in flatten_to_plane(vectors)]
    place = range(model.num_layers)[layer]
    return WordMap(name, word, place, points, [each.text for each in found],
                   [each.sense for each in found], [each.start for each in found])  # fmt: skip


def word_pair(name: str, model: Model, word: str, first: str, second: str) -> WordPair:
    """The cosine of the word's vectors in two sentences, layer by layer."""
    return WordPair(name, word, first, second, model.similar(first, second, word).layers)


def separations(name: str, model: Model, per_sense: int, seed: int = 0) -> Separation:
    """How well each layer tells the senses of the built-in corpus's homographs apart, in held-out documents."""
    examples = list(homographs.sense_examples(per_sense, seed=seed))
    vectors = _vectors(model, examples)
    words, senses = [each.word for each in examples], [each.sense for each in examples]
    areas = [mean_separation(words, senses, vectors[:, layer]) for layer in range(model.num_layers)]
    return Separation(name, "built-in", areas)


def _vectors(model: Model, found: Sequence[Occurrence | homographs.SenseExample]) -> NDArray[np.float32]:
    """`(occurrences, layers, dim)`; RequestError where one stands past what the model reads."""
    vectors = model.spans_layers([each.text for each in found], [(each.start, each.end) for each in found])
    lost = np.flatnonzero(np.isnan(vectors).reshape(len(found), -1).any(axis=1))
    if len(lost):
        model.span_layers(found[lost[0]].text, found[lost[0]].start, found[lost[0]].end)
    return vectors


def neighbours(name: str, model: Model, word: str, sentences: Sequence[str], texts: Sequence[str]) -> list[Neighbours]:
    """For the word in each sentence, the eojeols of other texts whose vectors there are nearest, each form once."""
    eojeols = ((match, text) for text in texts for match in re.finditer(r"\S+", text))
    found = list(islice(eojeols, NEIGHBOURHOOD))
    spans = [match.span() for match, _ in found]
    table = model.spans_layers([text for _, text in found], spans)[:, -1]
    read = np.flatnonzero(np.isfinite(table).all(axis=1))
    if not len(read):
        return []
    forms, table = [(found[row][0].group(), found[row][1]) for row in read.tolist()], table[read]
    table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    return [_nearest(name, model, word, sentence, forms, table) for sentence in sentences]


def _nearest(
    name: str, model: Model, word: str, sentence: str, forms: Sequence[tuple[str, str]], table: NDArray[np.float32]
) -> Neighbours:
    asked = model.word_vector(sentence, word)
    cosines = table @ (asked / max(1e-12, float(np.linalg.norm(asked))))
    found: dict[str, tuple[str, str, float]] = {}
    for place in np.argsort(-cosines, kind="stable").tolist():
        form, text = forms[place]
        if text != sentence:
            found.setdefault(form, (form, text, float(cosines[place])))
        if len(found) == NUM_NEIGHBOURS:
            break
    return Neighbours(name, word, sentence, list(found.values()))
