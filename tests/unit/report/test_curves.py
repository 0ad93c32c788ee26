"""The figures of scores hold every arm, its interval and the floors, and open as pictures that are not blank."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from planted_comparison import is_drawn, planted

from munmaek.report import curves
from munmaek.report.curves import draw_cost, draw_labels


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("korean", [False, True])
def test_the_figures_are_not_blank(tmp_path: Path, korean: bool) -> None:
    assert is_drawn(draw_labels(planted(), tmp_path, korean))
    assert is_drawn(draw_cost(planted(), tmp_path, korean))


def panels(monkeypatch: pytest.MonkeyPatch, draw: Any, tmp_path: Path, comparison: Any) -> list[Axes]:
    kept: list[Axes] = []
    made = curves.new_figure

    def keep(*sizes: Any) -> Any:
        figure, axes = made(*sizes)
        kept.extend(axes)
        return figure, axes

    monkeypatch.setattr(curves, "new_figure", keep)
    draw(comparison, tmp_path, False)
    return kept


def test_floors_are_dashed_and_the_axis_is_logarithmic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    left, right = panels(monkeypatch, draw_labels, tmp_path, planted())
    assert left.get_xscale() == "log"
    styles = {bars.get_label(): bars.lines[0].get_linestyle() for bars in left.containers}
    assert {name for name, style in styles.items() if style == "--"} == {"chance", "TF-IDF"}
    assert len(styles) == 9
    assert {bars.get_label() for bars in right.containers} >= {"BERT from scratch", "TF-IDF"}
    bert = next(bars for bars in left.containers if bars.get_label() == "BERT")
    standing = planted().standing("bert", 30)
    assert standing is not None
    below, above = sorted(bert.lines[2][0].get_segments()[0][:, 1])
    assert (below, above) == (pytest.approx(100 * standing.low), pytest.approx(100 * standing.high))


def test_cost_is_pretraining_and_tuning_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, last = panels(monkeypatch, draw_cost, tmp_path, planted())
    places = {bars.get_label(): bars.lines[0].get_xdata()[0] for bars in last.containers}
    assert places["BERT"] == pytest.approx(600 + 0.3 + 8_000 / 90)
    assert places["BERT from scratch"] == pytest.approx(0.3 + 8_000 / 90)
    assert "chance" not in places
    assert not any("$" in tick.get_text() for tick in first.get_xticklabels())


def test_unknown_intervals_and_nothing_at_all(tmp_path: Path) -> None:
    unknown = [dataclasses.replace(each, low=float("nan"), high=float("nan")) for each in planted().standings]
    assert is_drawn(draw_labels(planted(standings=unknown), tmp_path, False))
    assert draw_labels(planted(standings=[]), tmp_path, False) is None
    assert draw_cost(planted(rows=[]), tmp_path, False) is None
