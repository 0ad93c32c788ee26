"""Word pairs and analogies: the files as they are found, and the scores against plain ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from munmaek.core.errors import DataError, RequestError
from munmaek.tasks.intrinsic import Analogies, Pairs, Vocabulary, read_questions

FORMS = {
    "tabs": "# a comment\nlove\tsex\t6.77\ntiger\tcat\t7.35\n",
    "commas with a head": "Word 1,Word 2,Human (mean)\nlove,sex,6.77\ntiger,cat,7.35\n",
    "spaces": "\ufefflove sex 6.77\r\ntiger cat 7.35\r\n",
    "SimLex's columns": "word1\tword2\tPOS\tSimLex999\tconc(w1)\nlove\tsex\tN\t6.77\t1\ntiger\tcat\tN\t7.35\t2\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_pairs_are_read(tmp_path: Path, form: str) -> None:
    (tmp_path / "pairs.txt").write_text(FORMS[form], "utf-8")
    found = read_questions(tmp_path / "pairs.txt")
    assert isinstance(found, Pairs)
    assert found == Pairs("pairs", [("love", "sex"), ("tiger", "cat")], [6.77, 7.35])


def test_analogies_are_read(tmp_path: Path) -> None:
    path = tmp_path / "q.txt"
    path.write_text(": 수도\n서울 한국 도쿄 일본\n: 나라 둘\n파리 프랑스 런던 영국\n서울 한국 런던 영국\n", "utf-8")
    found = read_questions(path)
    assert isinstance(found, Analogies)
    assert {name: len(questions) for name, questions in found.sections.items()} == {"수도": 1, "나라 둘": 2}
    assert found.sections["수도"] == [("서울", "한국", "도쿄", "일본")]
    path.write_text("a b c d\n")
    assert read_questions(path) == Analogies("q", {"q": [("a", "b", "c", "d")]})


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "no question"), ("a b\nc d\n", r"q.txt:1: no two words"), (": s\na b c\n", r"q.txt:2: 3 words"),
     (": s\n", "no question"), ("a\tb\t1\n", "fewer than two"), ("a\tb\t1\nc\td\tnan\n", r"q.txt:2")],
)  # fmt: skip
def test_what_is_no_question_is_told(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "q.txt").write_text(text)
    with pytest.raises(DataError, match=says):
        read_questions(tmp_path / "q.txt")
    with pytest.raises(RequestError, match="no such file"):
        read_questions(tmp_path / "other.txt")


WORDS = [f"w{n}" for n in range(30)]
VECTORS = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
VECTORS[7] = 0
UNIT = VECTORS / np.maximum(np.linalg.norm(VECTORS, axis=1, keepdims=True), 1e-12)


def test_nearest_words_have_the_largest_cosines() -> None:
    known = Vocabulary(WORDS, VECTORS)
    found = known.nearest(VECTORS[3] * 9, 5, [3])
    cosines = sorted(((float(UNIT[n] @ UNIT[3]), WORDS[n]) for n in range(30) if n not in (3, 7)), reverse=True)
    assert [word for word, _ in found] == [word for _, word in cosines[:5]]
    assert [score for _, score in found] == pytest.approx([score for score, _ in cosines[:5]], abs=1e-6)
    assert len(known.nearest(VECTORS[3], 100)) == 29, "a zero vector is nobody's neighbour"
    assert known.row("w7") is None
    assert known.row("W3") == known.row("w3") == 3
    assert known.row("없음") is None
    assert known.cosines([(1, 2)]) == pytest.approx([float(UNIT[1] @ UNIT[2])])


@pytest.mark.parametrize("multiply", [False, True])
def test_analogies_are_those_of_the_formulas(multiply: bool) -> None:
    known = Vocabulary(WORDS, VECTORS)

    def plain(a: int, b: int, c: int) -> int:
        def score(d: int) -> float:
            to = [float(UNIT[d] @ UNIT[n]) for n in (a, b, c)]
            if not multiply:
                return to[1] - to[0] + to[2]
            return (to[1] + 1) / 2 * (to[2] + 1) / 2 / ((to[0] + 1) / 2 + 1e-3)

        return max((d for d in range(30) if d not in (a, b, c, 7)), key=score)

    asked = [(a, b, c) for a in range(3) for b in range(3, 6) for c in range(8, 11)]
    for a, b, c in asked:
        best = known.analogy(UNIT[a], UNIT[b], UNIT[c], 1, [a, b, c], multiply=multiply)
        assert best[0][0] == WORDS[plain(a, b, c)]
    right = [(a, b, c, plain(a, b, c)) for a, b, c in asked]
    wrong = [(a, b, c, (plain(a, b, c) + 1) % 30) for a, b, c in asked]
    assert known.answered(right, multiply=multiply).all()
    assert not known.answered(wrong, multiply=multiply).any()
    assert len(known.answered([])) == 0


def test_scores_are_gensims(tmp_path: Path) -> None:
    """The same vectors, WordSim-353 and analogies: Spearman's correlation and accuracy as gensim's."""
    models = pytest.importorskip("gensim.models")
    utils = pytest.importorskip("gensim.test.utils")
    from munmaek.run.intrinsic import _analogies, _pairs

    pairs, questions = (read_questions(utils.datapath(name)) for name in ("wordsim353.tsv", "questions-words.txt"))
    assert isinstance(pairs, Pairs)
    assert isinstance(questions, Analogies)
    words = sorted({w for pair in pairs.pairs[::2] for w in pair})
    words += sorted({w for part in questions.sections.values() for q in part[:30] for w in q} - set(words))
    rng = np.random.default_rng(1)
    values = rng.normal(size=(len(words), 30)).astype(np.float32)
    for part in questions.sections.values():  # make some analogies hold
        for a, b, c, d in part[:20:3]:
            if {a, b, c, d} <= set(words):
                values[words.index(d)] = values[[words.index(w) for w in (b, c)]].sum(0) - values[words.index(a)]
    theirs = models.KeyedVectors(30)
    theirs.add_vectors(words, values)
    known = Vocabulary(words, values)
    ours = _pairs(known, pairs)
    _, spearman, unknown = theirs.evaluate_word_pairs(utils.datapath("wordsim353.tsv"), case_insensitive=False)
    assert ours.spearman == pytest.approx(float(spearman.statistic), abs=1e-6)
    assert ours.unknown / (ours.used + ours.unknown) * 100 == pytest.approx(unknown, abs=0.01)
    overall, sections = theirs.evaluate_word_analogies(utils.datapath("questions-words.txt"), case_insensitive=False)
    found = _analogies(known, questions)
    assert found[0].add == pytest.approx(overall, abs=0.002)
    assert 0.05 < overall < 0.9
    for ours_part, theirs_part in zip(found[1:], sections, strict=False):
        assert ours_part.used == len(theirs_part["correct"]) + len(theirs_part["incorrect"])
