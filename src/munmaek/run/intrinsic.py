"""evaluate intrinsic: what a model's word vectors know by themselves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from munmaek.core.errors import DataError, RequestError
from munmaek.run.model import Model, load
from munmaek.run.nearest import vocabulary
from munmaek.tasks import scores
from munmaek.tasks.intrinsic import Analogies, Pairs, Vocabulary, read_questions

ALL = "all"


@dataclass(frozen=True)
class PairScore:
    """Spearman's correlation with what people said, over the `used` pairs whose words both have a vector."""

    name: str
    spearman: float
    used: int
    unknown: int


@dataclass(frozen=True)
class AnalogyScore:
    """The share of a section's questions answered right, by 3CosAdd and 3CosMul, among the `used` ones."""

    name: str
    section: str
    add: float
    multiply: float
    used: int
    unknown: int


@dataclass(frozen=True)
class Intrinsic:
    """All scores; of analogies first all sections of a file together, then each."""

    pairs: list[PairScore]
    analogies: list[AnalogyScore]
    seconds: float


def intrinsic(model: Model | Vocabulary | str | Path, files: Sequence[str | Path]) -> Intrinsic:
    """Score word vectors, a model's or any, on files of word pairs or analogies; unknown words are left out.

    Raises:
        RequestError: no file. DataError: a file that is neither, or none of whose words the model knows.
    """
    began = time.monotonic()
    if not files:
        raise RequestError("there is nothing to ask", where="--data", fix="Give files of word pairs or of analogies.")
    questions = [(path, read_questions(path)) for path in files]
    model = load(model) if isinstance(model, str | Path) else model
    known = model if isinstance(model, Vocabulary) else vocabulary(model)
    pairs: list[PairScore] = []
    analogies: list[AnalogyScore] = []
    for path, asked in questions:
        found = [_pairs(known, asked)] if isinstance(asked, Pairs) else _analogies(known, asked)
        if not found[0].used:
            raise DataError(
                "the model knows the words of no question",
                where=str(path),
                fix="Ask in the language it was trained on.",
            )
        pairs += [score for score in found if isinstance(score, PairScore)]
        analogies += [score for score in found if isinstance(score, AnalogyScore)]
    return Intrinsic(pairs, analogies, time.monotonic() - began)


def _pairs(known: Vocabulary, asked: Pairs) -> PairScore:
    rows = [(known.row(first), known.row(second)) for first, second in asked.pairs]
    used = [place for place, pair in enumerate(rows) if None not in pair]
    if not used:
        return PairScore(asked.name, float("nan"), 0, len(rows))
    cosines = known.cosines([rows[place] for place in used])  # type: ignore[misc]
    wanted = np.array([asked.scores[place] for place in used])
    return PairScore(asked.name, scores.spearman(cosines, wanted), len(used), len(rows) - len(used))


def _analogies(known: Vocabulary, asked: Analogies) -> list[AnalogyScore]:
    right: list[np.ndarray] = []
    total = 0
    found: list[AnalogyScore] = []
    for section, questions in asked.sections.items():
        rows = [tuple(known.row(word) for word in question) for question in questions]
        used = [row for row in rows if None not in row]
        answers = [known.answered(used, multiply=way) for way in (False, True)]  # type: ignore[arg-type]
        right.append(np.stack(answers))
        total += len(rows)
        found.append(_section(asked.name, section, np.stack(answers), len(rows)))
    return [_section(asked.name, ALL, np.concatenate(right, axis=1), total), *found]


def _section(name: str, section: str, answers: np.ndarray, asked: int) -> AnalogyScore:
    used = answers.shape[1]
    add, multiply = (float(row.mean()) if used else float("nan") for row in answers)
    return AnalogyScore(name, section, add, multiply, used, asked - used)
