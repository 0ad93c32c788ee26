"""Figures of one word in its contexts: sense maps, and how alike two occurrences are in each layer."""

from __future__ import annotations

import math
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from munmaek.data.homographs import MOTTO, senses
from munmaek.report.curves import style_of
from munmaek.report.figures import new_figure, save_png, sense_map
from munmaek.report.wording import say, system_title
from munmaek.run.comparison import Comparison, WordMap, WordPair

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PER_ROW = 3


def is_static(found: WordMap) -> bool:
    """Whether every occurrence has the same point: one vector a word for ever."""
    points = np.asarray(found.points, dtype=np.float64).reshape(-1, 2)
    return bool(len(points)) and float(np.ptp(points, axis=0).max()) < 1e-6 * max(1.0, float(np.abs(points).max()))


def draw_senses(comparison: Comparison, folder: Path, korean: bool) -> list[tuple[str, Path]]:
    """A figure a word, a small panel a system: (word, file)."""
    drawn: list[tuple[str, Path]] = []
    ordered = sorted((each for each in comparison.maps if each.points), key=lambda each: each.word)
    for word, group in groupby(ordered, key=lambda each: each.word):
        maps = list(group)
        columns = min(PER_ROW, len(maps))
        rows = math.ceil(len(maps) / columns)
        figure, panels = new_figure(columns, 3.2 * columns, 3.1 * rows + 0.6, rows)
        for axes in panels[len(maps) :]:
            axes.set_axis_off()
        for axes, found in zip(panels, maps, strict=False):
            draw_panel(axes, found, system_title(comparison, found.system), korean)
        _legend(figure, panels[: len(maps)])
        drawn.append((word, save_png(figure, folder / f"senses-{len(drawn) + 1}.png", Title="munmaek report")))
    return drawn


def draw_panel(axes: Axes, found: WordMap, title: str, korean: bool) -> None:
    """One system's occurrences of the word; a static system is one dot. The motto's sentences are 1 and 2."""
    axes.set_title(title, fontsize=10)
    if is_static(found):
        axes.scatter([0], [0], s=60, c="#777777")
        axes.annotate(say(korean, "one vector, whatever the sentence", "문장이 무엇이든 벡터 하나"), (0, 0),
                      xytext=(0, 12), textcoords="offset points", ha="center", fontsize=8)  # fmt: skip
        axes.set(xticks=[], yticks=[], xlim=(-1, 1), ylim=(-1, 1))
        return
    glosses = senses().get(found.word, {})
    unknown = say(korean, "sense not known", "뜻 모름")
    names = [glosses.get(sense, sense) or unknown for sense in found.senses]
    axes.set_title(f"{title}, " + say(korean, f"layer {found.layer}", f"{found.layer}층"), fontsize=10)
    sense_map(axes, np.asarray(found.points, dtype=np.float64), names, marked(found))


def marked(found: WordMap) -> list[tuple[int, str]]:
    """(row, "1" or "2") of the motto's two sentences, where they are present."""
    places = [(next((row for row, text in enumerate(found.texts) if line in text), None), str(number))
              for number, line in enumerate(MOTTO, 1)]  # fmt: skip
    return [(row, number) for row, number in places if row is not None]


def _legend(figure: Figure, panels: list[Axes]) -> None:
    handles: dict[str, Any] = {}
    for axes in panels:
        found, names = axes.get_legend_handles_labels()
        for handle, name in zip(found, names, strict=True):
            handles.setdefault(name, handle)
    if handles:
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, fontsize=9)


def draw_layers(comparison: Comparison, folder: Path, korean: bool) -> list[tuple[WordPair, Path]]:
    """A figure for each word in two sentences: the cosine of its two vectors by layer, a line a system."""
    drawn: list[tuple[WordPair, Path]] = []
    groups: dict[tuple[str, str, str], list[WordPair]] = {}
    for pair in comparison.pairs:
        if pair.layers:
            groups.setdefault((pair.word, pair.first, pair.second), []).append(pair)
    for pairs in groups.values():
        figure, (axes,) = new_figure(1, 9.0, 3.8)
        for place, pair in enumerate(pairs):
            _layer_line(axes, pair, system_title(comparison, pair.system), style_of(comparison, pair.system), 5 * place)
        axes.set_xlabel(say(korean, "layer (0: before the context)", "층 (0: 문맥을 읽기 전)"))
        axes.set_ylabel(say(korean, "cosine", "코사인"))
        axes.set_xticks(range(max(len(pair.layers) for pair in pairs)))
        axes.grid(alpha=0.25)
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=9, frameon=False)
        path = save_png(figure, folder / f"layers-{len(drawn) + 1}.png", Title="munmaek report")
        drawn.append((pairs[0], path))
    return drawn


def _layer_line(axes: Axes, pair: WordPair, title: str, style: dict[str, Any], offset: int) -> None:
    """A line by layer; a system of one layer is a dashed line across, dashes apart so that equal ones are all seen."""
    if len(pair.layers) == 1:
        axes.axhline(pair.layers[0], color=style["color"], linewidth=1.4, linestyle=(offset, (5, 5)), label=title)
    else:
        axes.plot(range(len(pair.layers)), pair.layers, label=title, linewidth=1.4, markersize=5, **style)
