"""The section on layers: there where a study was made, whole in both languages, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from planted_comparison import is_drawn, planted

from munmaek.report import layers
from munmaek.report.page import write
from munmaek.run.comparison import LayerStudy, WayScore, WaySense
from munmaek.run.ways import WAYS

DEPTH = {"elmo": 3, "bert": 7}
HOSTILE = "<script>alert(1)</script>"


def study(**changes: Any) -> LayerStudy:
    """Two systems at two numbers of labels; BERT's scalar mix is ahead with all."""
    scores: list[WayScore] = []
    senses: list[WaySense] = []
    for system, depth in DEPTH.items():
        for place, way in enumerate(WAYS):
            taken = way.layers(depth)
            shares = [1 / len(taken)] * len(taken) if way.weighs else []
            senses.append(WaySense(system, way.name, taken, 0.5 + 0.05 * place))
            for labels in (100, None):
                mean = 0.1 + 0.02 * place + (0.4 if labels is None else 0.0)
                ahead = (system, way.name, labels) == ("bert", "scalar-mix", None)
                scores.append(WayScore(system, way.name, taken, labels, labels or 3_500, 3, mean, mean - 0.03,
                                       mean + 0.02, shares, ahead))  # fmt: skip
    values: dict[str, Any] = {
        "command": "munmaek compare --layers --train ner.tsv", "made": "2026-11-25", "train": "ner.tsv",
        "test": "dev.tsv", "metric": "entity_f1", "num_train": 3_500, "num_test": 500, "cells": 128, "num_words": 9,
        "scores": scores, "senses": senses, "rows": [], "notices": ["합성 말뭉치의 동형어입니다."],
    }  # fmt: skip
    return LayerStudy(**(values | changes))


def part(text: str) -> str:
    """The section of the page."""
    return text[text.index("<h2>Which vectors?") : text.index("<h2>Neighbours in context")]


def test_the_section_is_there_only_after_a_study(tmp_path: Path) -> None:
    assert "Which vectors?" not in write(planted(), tmp_path, False).read_text("utf-8")
    assert not (tmp_path / "ways.png").exists()
    text = part(write(planted(layers=study()), tmp_path, False).read_text("utf-8"))
    assert is_drawn(tmp_path / "ways.png")
    assert (text.count("<table>"), text.count("<img")) == (1, 1)
    assert text.count('<th scope="row">BERT</th>') == text.count('<th scope="row">ELMo</th>') == 7
    assert re.findall("<b>(.*?)</b>", text) == ["62.0"]
    assert "<td>1–2</td>" in text  # ELMo has two layers above its embeddings, not four
    assert "<td>3–6</td>" in text
    assert text.count("(unweighted)") == 2 * 3
    assert "0: 0.14, 1: 0.14" in text
    assert "합성 말뭉치의 동형어입니다." in text


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("korean", [False, True])
def test_the_figure_has_all_its_letters(tmp_path: Path, korean: bool) -> None:
    assert is_drawn(layers.draw(planted(), study(), tmp_path, korean))


def test_the_section_in_korean(tmp_path: Path) -> None:
    text = write(planted(layers=study()), tmp_path, True).read_text("utf-8")
    for said in ("어느 층의 벡터인가", "마지막 네 층의 가중합", "라벨 전부(3,500개)", "같은 가중치"):
        assert said in text
    assert is_drawn(tmp_path / "ways.png")


def test_text_is_escaped_and_what_is_unknown_is_a_dash(tmp_path: Path) -> None:
    senses = [WaySense("bert", "last", [6], float("nan"))]
    odd = study(train=HOSTILE, command=HOSTILE, notices=[HOSTILE], scores=[], senses=senses)
    text = part(write(planted(layers=odd), tmp_path, False).read_text("utf-8"))
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 3
    assert text.count('<th scope="row">') == 1
    assert "<td>–</td>" in text


def test_a_line_a_system_and_its_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Axes] = []
    made = layers.new_figure

    def keep(*sizes: Any) -> Any:
        figure, axes = made(*sizes)
        kept.extend(axes)
        return figure, axes

    monkeypatch.setattr(layers, "new_figure", keep)
    layers.draw(planted(), study(), tmp_path, False)
    few, everything, senses = kept
    assert (few.get_title(), everything.get_title()) == ("100 labels", "all 3,500 labels")
    bars = {each.get_label(): each for each in everything.containers}
    assert set(bars) == {"ELMo", "BERT"}
    heights = bars["BERT"].lines[2][0].get_segments()[-1][:, 1]
    assert sorted(heights) == pytest.approx([59.0, 64.0])
    assert {line.get_label() for line in senses.get_lines()} > {"ELMo", "BERT"}
    colours = {name: each.lines[0].get_color() for name, each in bars.items()}
    assert len(set(colours.values())) == 2
    assert layers.draw(planted(), study(scores=[], senses=[]), tmp_path, False) is None


def test_systems_differ_in_colour_where_there_are_no_arms(tmp_path: Path) -> None:
    bare = planted(arms=[], standings=[], contrasts=[], rows=[], layers=study())
    colours = {layers.style_of(bare, system)["color"] for system in DEPTH}
    assert len(colours) == 2
    assert 'alt="Score of every way' in write(bare, tmp_path, False).read_text("utf-8")
