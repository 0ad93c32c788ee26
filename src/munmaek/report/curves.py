"""Figures of scores: label-efficiency curves with intervals, and cost against quality."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from munmaek.report.figures import new_figure, save_png
from munmaek.report.ranking import cost
from munmaek.report.wording import CHANCE, labels_name, metric_name, say, title_of
from munmaek.run.comparison import FLOORS, Arm, Comparison, Standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS, COST = "labels.png", "cost.png"
COLOURS = ("#1f6f8b", "#e07a3f", "#5b8c3e", "#8e5ea2", "#b8860b", "#c0394b", "#3d4ea8", "#7a5c45", "#2aa198")
MARKS = "os^DvP*Xd"
FLOOR_COLOURS = {CHANCE: "#999999"}


def style_of(comparison: Comparison, system: str) -> dict[str, Any]:
    """A system's colour and mark, the same in every figure."""
    arms = [arm.system for arm in comparison.arms if arm.system]
    names = list(dict.fromkeys([*arms, *(card.system for card in comparison.models)]))
    place = names.index(system) if system in names else len(names)
    return {"color": COLOURS[place % len(COLOURS)], "marker": MARKS[place % len(MARKS)]}


def draw_labels(comparison: Comparison, folder: Path, korean: bool) -> Path | None:
    """Score by the number of labels, logarithmic; networks from scratch beside; None where there is nothing to draw."""
    if not comparison.standings:
        return None
    groups = [[arm for arm in comparison.arms if arm.system and arm.scratch is scratch] for scratch in (False, True)]
    names = (
        say(korean, "pre-trained", "사전 학습함"),
        say(korean, "the same, from scratch", "같은 신경망, 사전 학습 없이"),
    )
    shown = [(name, group) for name, group in zip(names, groups, strict=True) if group] or [("", [])]
    figure, panels = new_figure(len(shown), 4.6 * len(shown) + 1.2, 4.9)
    floors = [arm for arm in comparison.arms if arm.name in FLOORS]
    counts = sorted({each.num_labels for each in comparison.standings})
    for axes, (name, group) in zip(panels, shown, strict=True):
        for arm in floors:
            _curve(axes, comparison, arm, 1.0, korean)
        for place, arm in enumerate(group):
            _curve(axes, comparison, arm, 1.03 ** (place - (len(group) - 1) / 2), korean)
        axes.set_xscale("log")
        axes.set_xticks(counts, [f"{count:,}" for count in counts])
        axes.minorticks_off()
        axes.set(title=name, xlabel=say(korean, "labels", "라벨 수"))
        axes.grid(alpha=0.25)
        axes.sharey(panels[0])
        handles, titles = axes.get_legend_handles_labels()
        axes.legend(
            handles, titles, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=8, frameon=False
        )
    panels[0].set_ylabel(f"{metric_name(comparison.metric, korean)}, %")
    return save_png(figure, folder / LABELS, Title="munmaek report")


def _curve(axes: Axes, comparison: Comparison, arm: Arm, shift: float, korean: bool) -> None:
    found = [each for each in comparison.standings if each.arm == arm.name]
    found.sort(key=lambda each: each.num_labels)
    if not found:
        return
    style: dict[str, Any] = {"color": FLOOR_COLOURS.get(arm.name, "#444444"), "linestyle": "--", "linewidth": 1.2}
    if arm.system:
        style = {**style_of(comparison, arm.system), "markersize": 5, "linewidth": 1.4}
    axes.errorbar([each.num_labels * shift for each in found], [100 * each.mean for each in found],
                  yerr=_whiskers(found), elinewidth=0.8, capsize=2, label=title_of(comparison, arm.name, korean),
                  **style)  # fmt: skip


def _whiskers(found: list[Standing]) -> list[list[float]]:
    """How far each interval reaches below and above; 0 where it is unknown."""
    reach = [(100 * (each.mean - each.low), 100 * (each.high - each.mean)) for each in found]
    return [[max(0.0, pair[side]) if math.isfinite(pair[side]) else 0.0 for pair in reach] for side in (0, 1)]


def draw_cost(comparison: Comparison, folder: Path, korean: bool) -> Path | None:
    """Seconds of pre-training and fine-tuning against the score, with the fewest labels and with the most."""
    sizes = [labels for labels in dict.fromkeys(comparison.sizes[:1] + comparison.sizes[-1:])
             if any(math.isfinite(cost(comparison, arm.name, labels)) for arm in comparison.arms)]  # fmt: skip
    if not sizes:
        return None
    from matplotlib.ticker import LogLocator

    figure, panels = new_figure(len(sizes), 4.2 * len(sizes) + 2.4, 4.2)
    for axes, labels in zip(panels, sizes, strict=True):
        for arm in comparison.arms:
            _cost_point(axes, comparison, arm, labels, korean)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter(lambda seconds, _: f"{seconds:,g}")
        axes.minorticks_off()
        axes.set_title(labels_name(comparison, labels, korean))
        axes.set_xlabel(say(korean, "seconds: pre-training + one fine-tuning", "초: 사전 학습 + 미세 조정 한 번"))
        axes.grid(alpha=0.25)
    panels[0].set_ylabel(f"{metric_name(comparison.metric, korean)}, %")
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8, frameon=False)
    return save_png(figure, folder / COST, Title="munmaek report")


def _cost_point(axes: Axes, comparison: Comparison, arm: Arm, labels: int | None, korean: bool) -> None:
    there, seconds = comparison.standing(arm.name, labels), cost(comparison, arm.name, labels)
    if there is None or not math.isfinite(there.mean):
        return
    name = title_of(comparison, arm.name, korean)
    if arm.name == CHANCE:
        axes.axhline(100 * there.mean, color=FLOOR_COLOURS[CHANCE], linestyle="--", linewidth=1.2, label=name)
        return
    if not math.isfinite(seconds):
        return
    style: dict[str, Any] = {"color": "#444444", "marker": "s"}
    if arm.system:
        style = style_of(comparison, arm.system)
    axes.errorbar([max(seconds, 0.01)], [100 * there.mean], yerr=_whiskers([there]), linestyle="none", capsize=2,
                  elinewidth=0.8, markersize=7, markerfacecolor="white" if arm.scratch else style["color"], label=name,
                  **style)  # fmt: skip
