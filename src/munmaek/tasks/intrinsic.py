"""What word vectors are asked by themselves: pairs that people judged, and analogies. The files, and the scores.

Pairs: a line each, two words and a number, separated by tabs, commas or spaces (WordSim-353; Finkelstein 2002), or
named columns one of which is the number (SimLex-999; Hill 2015). Analogies: four words a line, sections headed by a
line `: name` (questions-words; Mikolov 2013a §4.1). Sets of any language in these forms are read alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import DataError, RequestError

MOST_BYTES = 256 << 20
SCORE_COLUMNS = ("simlex999", "score", "human (mean)", "similarity", "mean")
_BLOCK = 256
_EPSILON = 1e-3
Matrix = NDArray[np.floating]
Question = tuple[str, str, str, str]


@dataclass(frozen=True)
class Pairs:
    """Word pairs, and what people said of each: more is more alike."""

    name: str
    pairs: list[tuple[str, str]]
    scores: list[float]


@dataclass(frozen=True)
class Analogies:
    """Questions by section: the fourth word is to the third as the second is to the first."""

    name: str
    sections: dict[str, list[Question]] = field(default_factory=dict[str, "list[Question]"])


def read_questions(path: str | Path) -> Pairs | Analogies:
    """A file of word pairs or of analogies; which, its first line says.

    Raises:
        RequestError: there is no such file. DataError: a line that is neither, or no question.
    """
    path = Path(path)
    if not path.is_file():
        raise RequestError("there is no such file", where=str(path), fix="Give a file of word pairs or of analogies.")
    if path.stat().st_size > MOST_BYTES:
        raise DataError("too long for a set of questions", where=str(path), fix="Give word pairs or analogies.")
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
        lines = [(number, line.strip()) for number, line in enumerate(file, 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines:
        raise DataError("there is no question in it", where=str(path))
    first = lines[0][1]
    fields = first.split()
    if first.startswith(":") or (len(fields) == 4 and "," not in first and _number(fields[3]) is None):
        return _analogies(path, lines)
    return _pairs(path, lines)


def _analogies(path: Path, lines: list[tuple[int, str]]) -> Analogies:
    found = Analogies(path.stem)
    section = path.stem
    for number, line in lines:
        words = line.split()
        if line.startswith(":"):
            section = line[1:].strip()
        elif len(words) == 4:
            found.sections.setdefault(section, []).append((words[0], words[1], words[2], words[3]))
        else:
            raise DataError(f"{len(words)} words, an analogy has four", where=f"{path}:{number}", fix="Mend the line.")
    if not found.sections:
        raise DataError("there is no question in it", where=str(path))
    return found


def _pairs(path: Path, lines: list[tuple[int, str]]) -> Pairs:
    heads = [name.lower() for name in _fields(lines[0][1])]
    column = next((heads.index(name) for name in SCORE_COLUMNS if name in heads), 2)
    if len(heads) > column and _number(heads[column]) is None:
        lines = lines[1:]
    pairs: list[tuple[str, str]] = []
    scores: list[float] = []
    for number, line in lines:
        fields = _fields(line)
        score = _number(fields[column]) if len(fields) > column else None
        if score is None:
            raise DataError(
                f"no two words and a number: {line[:80]!r}", where=f"{path}:{number}",
                fix="Write two words and a score a line, or four words for analogies.",
            )  # fmt: skip
        pairs.append((fields[0], fields[1]))
        scores.append(score)
    if len(pairs) < 2:
        raise DataError("fewer than two pairs", where=str(path), fix="A correlation needs more.")
    return Pairs(path.stem, pairs, scores)


def _fields(line: str) -> list[str]:
    mark = next((mark for mark in ("\t", ",") if mark in line), None)
    return [part.strip() for part in line.split(mark)]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


class Vocabulary:
    """Words and their vectors, each made of length 1; zero vectors stay zero and are nobody's neighbour.

    Attributes:
        words: in the order of the rows. unit: (words, dim) float32.
    """

    def __init__(self, words: Sequence[str], vectors: Matrix) -> None:
        self.words = list(words)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        self.unit: Matrix = vectors / np.maximum(norms, 1e-12)
        self.empty = norms[:, 0] < 1e-12
        self._rows = {word: row for row, word in enumerate(self.words)}

    def row(self, word: str) -> int | None:
        """Where a word stands, as it is written or else in small letters; None where it has no vector."""
        found = self._rows.get(word, self._rows.get(word.lower()))
        return None if found is None or self.empty[found] else found

    def nearest(self, query: Matrix, top: int, without: Sequence[int] = ()) -> list[tuple[str, float]]:
        """The words with the largest cosine to a vector, the nearest first."""
        return self._best(self.unit @ (query / max(1e-12, float(np.linalg.norm(query)))), top, without)

    def analogy(
        self, first: Matrix, second: Matrix, third: Matrix, top: int, without: Sequence[int], *, multiply: bool = False
    ) -> list[tuple[str, float]]:
        """What is to the third as the second is to the first, from vectors of length 1; the best first.

        3CosAdd (Mikolov 2013c; Levy 2014 eq. 1): cos to b - a + c. With `multiply` 3CosMul (Levy 2014 eq. 4):
        cos(b) cos(c) / (cos(a) + 0.001), each cosine moved to [0, 1].
        """
        rows = np.stack([first, second, third])
        return self._best(self._analogy_scores(rows[None], multiply=multiply)[0], top, without)

    def _analogy_scores(self, vectors: Matrix, *, multiply: bool) -> Matrix:
        """Scores of every word `(questions, words)` for the first three words' vectors `(questions, 3, dim)`."""
        if not multiply:
            query = vectors[:, 1] - vectors[:, 0] + vectors[:, 2]
            return query / np.maximum(1e-12, np.linalg.norm(query, axis=1, keepdims=True)) @ self.unit.T
        first, second, third = ((vectors[:, n] @ self.unit.T + 1) / 2 for n in range(3))
        return second * third / (first + _EPSILON)

    def _best(self, scores: Matrix, top: int, without: Sequence[int]) -> list[tuple[str, float]]:
        scores = np.where(self.empty, -np.inf, scores)
        scores[list(without)] = -np.inf
        order = np.argsort(-scores, kind="stable")[:top]
        return [(self.words[row], float(scores[row])) for row in order if np.isfinite(scores[row])]

    def answered(self, questions: Sequence[tuple[int, int, int, int]], *, multiply: bool = False) -> NDArray[np.bool_]:
        """For each analogy, given by rows, whether its fourth word comes first, the first three left out."""
        right: list[NDArray[np.bool_]] = []
        for start in range(0, len(questions), _BLOCK):
            rows = np.array(questions[start : start + _BLOCK])
            scores = self._analogy_scores(self.unit[rows[:, :3]], multiply=multiply)
            scores[:, self.empty] = -np.inf
            np.put_along_axis(scores, rows[:, :3], -np.inf, axis=1)
            right.append(scores.argmax(axis=1) == rows[:, 3])
        return np.concatenate(right) if right else np.zeros(0, np.bool_)

    def cosines(self, pairs: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
        """The cosine of each pair of rows."""
        rows = np.array(pairs).reshape(-1, 2)
        return np.einsum("nd,nd->n", self.unit[rows[:, 0]], self.unit[rows[:, 1]], dtype=np.float64)
