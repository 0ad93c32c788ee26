"""The scores of answers beside plain readings of the two scripts' rules."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from munmaek import tasks
from munmaek.data import questions
from munmaek.tasks import Answers
from munmaek.tasks.overlap import bare, by_characters

SPAN = tasks.load("span")
ANSWERS = Answers(("start", "end"), longest=30, empty=True)


def squad_by_description(found: str, wanted: str) -> tuple[float, float]:
    """Lower case, punctuation out, articles out, spaces mended; then equality, and F1 of bags of words."""

    def words(text: str) -> list[str]:
        text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", text).split()

    a, b = words(found), words(wanted)
    same = sum((Counter(a) & Counter(b)).values())
    if not a or not b:
        return float(a == b), float(a == b)
    if same == 0:
        return 0.0, 0.0
    precision, recall = same / len(a), same / len(b)
    return float(a == b), 2 * precision * recall / (precision + recall)


def korquad_by_description(found: str, wanted: str) -> tuple[float, float]:
    """Quotation marks and brackets become spaces, then as SQuAD's without articles; F1 of bags of characters."""

    def mended(text: str) -> str:
        for mark in "'\"《》<>〈〉()‘’":
            text = text.replace(mark, " ")
        return " ".join("".join(letter for letter in text.lower() if letter not in set(string.punctuation)).split())

    a, b = mended(found), mended(wanted)
    bags = [Counter("".join(each.split())) for each in (a, b)]
    same = sum((bags[0] & bags[1]).values())
    if not a or not b or same == 0:
        return float(a == b), float(a == b)
    precision, recall = same / bags[0].total(), same / bags[1].total()
    return float(a == b), 2 * precision * recall / (precision + recall)


ENGLISH = st.lists(st.sampled_from(["The", "a", "an", "station", "the station", "U.S.", "don't", "1,908", "ten-year"]),
                   min_size=1, max_size=5).map(" ".join)  # fmt: skip
KOREAN = st.lists(st.sampled_from(["춘천", "《동백꽃》", "1908년", "김유정(소설가)", "‘봄봄’", "the 역", "에서", "!"]),
                  min_size=1, max_size=5).map(" ".join)  # fmt: skip


def scores_of(found: list[str], wanted: list[list[str]]) -> dict[str, float]:
    rows = np.empty(len(found), dtype=object)
    rows[:] = [(0, len(text), text, 1.0) for text in found]
    golds = SPAN.targets(ANSWERS, [questions.join([(0, 1, text) for text in each]) for each in wanted], "f")
    scores = SPAN.scores(ANSWERS, rows, golds)
    assert SPAN.figure(SPAN.evidence(ANSWERS, rows, golds).sum(0)) == pytest.approx(scores["f1"])
    return scores


@given(st.lists(st.tuples(ENGLISH, st.lists(ENGLISH, min_size=1, max_size=3)), min_size=1, max_size=5))
def test_scores_of_english_are_those_of_squad(rows: list[tuple[str, list[str]]]) -> None:
    rows = [(found, ["station", *wanted]) for found, wanted in rows]
    answers = [(f, [gold for gold in golds if not any(squad_by_description(gold, ""))]) for f, golds in rows]
    expected = np.mean([np.max([squad_by_description(f, g) for g in golds], axis=0) for f, golds in answers], axis=0)
    found = scores_of([f for f, _ in rows], [g for _, g in rows])
    assert (found["exact"], found["f1"]) == pytest.approx(tuple(expected))


@given(st.lists(st.tuples(KOREAN, st.lists(KOREAN, min_size=1, max_size=3)), min_size=1, max_size=5))
def test_scores_of_korean_are_those_of_korquad(rows: list[tuple[str, list[str]]]) -> None:
    rows = [(found, ["춘천에서 춘천에서 춘천에서 춘천에서", *wanted]) for found, wanted in rows]
    answers = [(f, [gold for gold in golds if not any(korquad_by_description(gold, ""))]) for f, golds in rows]
    expected = np.mean([np.max([korquad_by_description(f, g) for g in golds], axis=0) for f, golds in answers], axis=0)
    found = scores_of([f for f, _ in rows], [g for _, g in rows])
    assert (found["exact"], found["f1"]) == pytest.approx(tuple(expected))


def test_scores_worked_by_hand() -> None:
    assert scores_of(["the Norfolk Island"], [["Norfolk", "island."]]) == {"f1": pytest.approx(2 / 3), "exact": 0.0}
    assert scores_of(["춘천에서"], [["춘천"]]) == {"f1": pytest.approx(2 / 3), "exact": 0.0}
    assert scores_of(["", ""], [[], ["station"]]) == {"f1": 0.5, "exact": 0.5}
    assert scores_of([unicodedata.normalize("NFD", "춘천")], [["춘천"]]) == {"f1": 1.0, "exact": 1.0}


def test_hangul_decides_what_is_counted() -> None:
    assert by_characters(["춘천 1908", "U"])
    assert not by_characters(["춘 station", "1908"])
    assert not by_characters(["1908"])
    assert bare("The ‘Dongbaek’ (station)", characters=True) == "the dongbaek station"
    assert bare("The (station)") == "station"
