"""Sense maps: a static system is one dot, the motto's sentences are marked; layers of a word in two sentences."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from planted_comparison import is_drawn, maps, planted

from munmaek.report.contexts import draw_layers, draw_panel, draw_senses, is_static, marked
from munmaek.report.figures import new_figure


def dots(name: str) -> int:
    found = next(each for each in maps() if each.system == name)
    _, (axes,) = new_figure(1, 3, 3)
    draw_panel(axes, found, name, False)
    return sum(len(drawn.get_offsets()) for drawn in axes.collections)


def test_a_static_system_is_one_dot() -> None:
    assert dots("word2vec") == 1
    assert dots("bert") == 40 + 2  # two rings around the motto's
    assert [is_static(each) for each in maps()] == [True, False, False, False]


def test_the_sentences_of_the_motto_are_marked_where_they_are() -> None:
    found = maps()[-1]
    assert marked(found) == [(38, "1"), (39, "2")]
    assert marked(dataclasses.replace(found, texts=["글"] * 39 + found.texts[-1:])) == [(39, "2")]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("korean", [False, True])
def test_the_figures_are_not_blank(tmp_path: Path, korean: bool) -> None:
    ((word, path),) = draw_senses(planted(), tmp_path, korean)
    assert word == "눈"
    assert is_drawn(path)
    ((pair, path),) = draw_layers(planted(), tmp_path, korean)
    assert pair.word == "눈"
    assert is_drawn(path)


def test_two_words_are_two_figures_and_unknown_senses_are_said(tmp_path: Path) -> None:
    other = dataclasses.replace(maps()[-1], word="배$", senses=["", "$x"] * 20)
    drawn = draw_senses(planted(maps=[maps()[-1], other]), tmp_path, False)
    assert len({path for _, path in drawn}) == 2
    _, (axes,) = new_figure(1, 3, 3)
    draw_panel(axes, other, "BERT", False)
    assert axes.get_legend_handles_labels()[1] == ["sense not known", "$x"]
    assert draw_senses(planted(maps=[]), tmp_path, False) == []
    assert draw_layers(planted(pairs=[]), tmp_path, False) == []
