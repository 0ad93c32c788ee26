"""Figures as PNG, with a Hangul font whatever the machine has."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import RequestError
from munmaek.tasks.sense import flatten_to_plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#1f6f8b", "#e07a3f", "#5b8c3e", "#8e5ea2", "#b8860b")
MARKS = "os^Dv"


def new_figure(columns: int, width: float, height: float, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with axes side by side, row by row, drawn off screen, in a font that has Hangul.

    Raises RequestError where matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise RequestError("figures need matplotlib", fix="pip install 'munmaek[plots]'") from None
    matplotlib.rcParams["axes.unicode_minus"] = False
    matplotlib.rcParams["text.parse_math"] = False  # a user's word may hold a $
    matplotlib.rcParams["font.family"] = _hangul_family()
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    return figure, list(np.ravel(figure.subplots(rows, columns)))


def hangul_font() -> Path:
    """A font file with Hangul: the one that the `plots` extra brings, or one of the system's.

    Raises RequestError where there is none.
    """
    from matplotlib import font_manager

    brought = find_spec("koreanize_matplotlib")
    for place in (brought.submodule_search_locations or []) if brought else []:
        for path in sorted(Path(place).glob("fonts/NanumGothic.ttf")):
            return path
    known = {font.name: font for font in font_manager.fontManager.ttflist}
    for name in ("NanumGothic", "Noto Sans CJK KR", "Noto Sans KR", "Apple SD Gothic Neo", "Malgun Gothic"):
        if name in known:
            return Path(known[name].fname)
    raise RequestError("no font with Hangul was found", fix="pip install 'munmaek[plots]' brings one.")


def _hangul_family() -> str:
    """The name under which matplotlib knows that font."""
    from matplotlib import font_manager

    path = hangul_font()
    font_manager.fontManager.addfont(str(path))
    return font_manager.FontProperties(fname=str(path)).get_name()


def sense_map(
    axes: Axes, vectors: NDArray[np.floating], senses: Sequence[str], marked: Sequence[tuple[int, str]] = ()
) -> None:
    """Draw one word's occurrences, a colour and a mark a sense; `marked` are (row, text) to write out."""
    plane = flatten_to_plane(vectors)
    reach = max(float(np.abs(plane).max()), 1e-6)
    for place, sense in enumerate(dict.fromkeys(senses)):
        rows = [row for row, other in enumerate(senses) if other == sense]
        axes.scatter(plane[rows, 0], plane[rows, 1], s=30, alpha=0.75, c=COLOURS[place % 5],
                     marker=MARKS[place % 5], label=sense, edgecolors="white", linewidths=0.4)  # fmt: skip
    middle = float(np.mean([plane[row, 1] for row, _ in marked])) if marked else 0.0
    for row, text in marked:
        axes.scatter(*plane[row], s=170, facecolors="none", edgecolors="black", linewidths=1.4)
        above = plane[row, 1] >= middle  # texts of marks side by side keep out of each other's way
        axes.annotate(text, plane[row], xytext=(0, 14 if above else -20), textcoords="offset points",
                      ha="center", fontsize=9,
                      bbox={"boxstyle": "round", "fc": "white", "ec": "#999", "alpha": 0.9})  # fmt: skip
    axes.set(xticks=[], yticks=[], xlim=(-1.35 * reach, 1.35 * reach), ylim=(-1.35 * reach, 1.35 * reach))


def save_png(figure: Figure, path: Path, **facts: Any) -> Path:
    """Write the figure, with facts about its making as PNG text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", metadata={name: str(value) for name, value in facts.items()})
    return path
