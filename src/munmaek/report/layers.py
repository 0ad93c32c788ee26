"""Which vectors to take: the section of a report on `compare --layers`, one table and one figure."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from munmaek.report.curves import style_of
from munmaek.report.figures import new_figure, save_png
from munmaek.report.markup import cell, picture, section, table
from munmaek.report.wording import metric_name, notice, points, say, span, system_title
from munmaek.run.comparison import Comparison, LayerStudy, Standing, WayScore
from munmaek.run.ways import WAYS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE = "ways.png"
TITLES = {
    "embeddings": ("embeddings", "임베딩 층"),
    "second-to-last": ("second-to-last layer", "끝에서 둘째 층"),
    "last": ("last layer", "마지막 층"),
    "weighted-last-four": ("weighted sum of the last four", "마지막 네 층의 가중합"),
    "joined-last-four": ("last four side by side", "마지막 네 층 이어 붙임"),
    "weighted-all": ("weighted sum of all layers", "모든 층의 가중합"),
    "scalar-mix": ("scalar mix, embeddings too (ELMo)", "스칼라 믹스, 임베딩까지 (ELMo)"),
}
WEIGHING = {way.name for way in WAYS if way.weighs}


def title(way: str, korean: bool) -> str:
    """What a person calls a way."""
    return say(korean, *TITLES.get(way, (way, way)))


def size_title(study: LayerStudy, labels: int | None, korean: bool) -> str:
    """What a person calls a number of labels of the study."""
    if labels is not None:
        return say(korean, f"{labels:,} labels", f"라벨 {labels:,}개")
    return say(korean, f"all {study.num_train:,} labels", f"라벨 전부({study.num_train:,}개)")


def lines(study: LayerStudy) -> list[tuple[str, str, str, list[WayScore | None], float | None, str]]:
    """A line a system and way: system, way, the layers it takes, score by number of labels, area, learnt weights.

    The weights are those at the largest number of labels.
    """
    found: list[tuple[str, str, str, list[WayScore | None], float | None, str]] = []
    for system in dict.fromkeys(each.system for each in [*study.scores, *study.senses]):
        for way in TITLES:
            scores = [study.score(system, way, labels) for labels in study.sizes]
            sense = study.sense(system, way)
            there = [each for each in scores if each is not None]
            taken = there[-1].layers if there else sense.layers if sense is not None else []
            if taken:
                shares = there[-1].shares if there else []
                weights = ", ".join(f"{layer}: {share:.2f}" for layer, share in zip(taken, shares, strict=False))
                found.append((system, way, _named(taken), scores, None if sense is None else sense.area, weights))
    return found


def _named(layers: list[int]) -> str:
    return str(layers[0]) if len(layers) == 1 else f"{layers[0]}–{layers[-1]}"


def part(comparison: Comparison, folder: Path, korean: bool) -> list[str]:
    """The section: what a reader must know, the table and the figure; nothing where no study of layers was made."""
    study = comparison.layers
    if study is None:
        return []
    metric = metric_name(study.metric, korean)
    said = say(
        korean,
        f"The systems are frozen. A BiLSTM of two layers, {study.cells} cells in each direction, reads one vector a "
        f"token, learns tags from {study.train}, and is scored on {study.num_test:,} sentences. Layer 0 is the "
        f"embeddings; where there are fewer than four above them, the last four are those there are. Weighted sums "
        f"are learnt with the tagger. Senses are told apart without learning, over {study.num_words} homographs: "
        "there a sum has equal weights.",
        f"시스템은 얼려 둡니다. 두 층 BiLSTM(방향마다 셀 {study.cells}개)이 토큰마다 벡터 하나를 읽고 {study.train}의 "
        f"태그를 배워 {study.num_test:,}문장으로 채점했습니다. 0층은 임베딩입니다. 그 위가 네 층이 안 되면 마지막 네 "
        f"층은 있는 층 모두입니다. 가중합의 가중치는 태거와 함께 배웁니다. 뜻 구별은 학습 없이 동형어 "
        f"{study.num_words}개로 재며, 이때 합의 가중치는 모두 같습니다.",
    )
    drawn = picture(
        draw(comparison, study, folder, korean),
        say(korean, "Score of every way of taking vectors, a line a system; the numbers are in the table beside it.",
            "벡터를 얻는 방법마다의 점수, 시스템마다 선 하나. 수치는 표에 있습니다."),
        say(korean, f"{metric} with 95 % intervals, and how well senses are told apart (0.5 is blindness).",
            f"{metric}와 95 % 구간, 그리고 뜻 구별(0.5 = 구별 못 함)."),
    )  # fmt: skip
    notices = [f'<p class="notice" role="note">{escape(notice(each, korean))}</p>' for each in study.notices]
    command = f"<pre>{escape(study.command)}</pre>" if study.command else ""
    heading = say(korean, "Which vectors?", "어느 층의 벡터인가")
    return section(heading, [*notices, f"<p>{escape(said)}</p>", _table(comparison, study, korean), drawn, command])


def _table(comparison: Comparison, study: LayerStudy, korean: bool) -> str:
    rows: list[tuple[str, list[str]]] = []
    for system, way, taken, scores, area, weights in lines(study):
        cells = [cell(title(way, korean)), cell(taken)]
        cells += [cell("–") if each is None else cell(points(each.mean), _span(each, korean), bold=each.ahead)
                  for each in scores]  # fmt: skip
        shown = "–" if area is None or not math.isfinite(area) else f"{area:.3f}"
        plain = say(korean, "(unweighted)", "(같은 가중치)") if way in WEIGHING and shown != "–" else ""
        rows.append((system_title(comparison, system), [*cells, cell(shown, plain), cell(weights, wide=True)]))
    metric = metric_name(study.metric, korean)
    heads = [say(korean, *names) for names in (("system", "시스템"), ("vectors", "벡터"), ("layers", "층"))]
    heads += [f"{metric}, {size_title(study, labels, korean)}" for labels in study.sizes]
    heads += [
        say(korean, "senses told apart", "뜻 구별"),
        say(korean, "learnt weights, by layer", "층마다 배운 가중치"),
    ]
    caption = say(
        korean, f"{metric} in per cent, mean and 95 % interval, and area under the curve of senses (0.5 is blindness); "
        "bold: decidedly ahead of the system's other ways",
        f"{metric}(%), 평균과 95 % 구간, 뜻 구별(곡선 아래 넓이, 0.5 = 구별 못 함). 굵은 글씨: 같은 시스템의 "
        "다른 방법보다 확실히 나음",
    )  # fmt: skip
    return table(caption, heads, rows)


def _span(each: WayScore, korean: bool) -> str:
    standing = Standing(each.way, each.labels, each.num_labels, each.num_seeds, each.mean, each.low, each.high)
    return span(standing, korean)


# ---- the figure -----------------------------------------------------------------------------------------------------


def draw(comparison: Comparison, study: LayerStudy, folder: Path, korean: bool) -> Path | None:
    """Ways across, a line a system: a panel a number of labels, and one for senses; None where there is nothing."""
    sizes = study.sizes
    panels = len(sizes) + bool(study.senses)
    if not panels:
        return None
    figure, axes = new_figure(panels, 4.4 * panels + 1.4, 5.0)
    for place, labels in enumerate(sizes):
        _scores(axes[place], comparison, study, labels)
        axes[place].set(title=size_title(study, labels, korean), ylabel=f"{metric_name(study.metric, korean)}, %")
    if study.senses:
        for system in dict.fromkeys(each.system for each in study.senses):
            found = [study.sense(system, way) for way in TITLES]
            areas = [math.nan if each is None else each.area for each in found]
            axes[-1].plot(range(len(TITLES)), areas, label=system_title(comparison, system), linewidth=0.8,
                          linestyle=":", markersize=6, **style_of(comparison, system))  # fmt: skip
        axes[-1].axhline(0.5, color="#999999", linestyle="--", linewidth=1)
        axes[-1].set(title=say(korean, "senses told apart (sums unweighted)", "뜻 구별 (합은 같은 가중치)"),
                     ylabel=say(korean, "area under the curve", "곡선 아래 넓이"))  # fmt: skip
    for each in axes:
        each.set_xticks(range(len(TITLES)), [title(way, korean) for way in TITLES], rotation=35, ha="right", fontsize=8)
        each.grid(alpha=0.25)
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8, frameon=False)
    return save_png(figure, folder / FIGURE, Title="munmaek report")


def _scores(axes: Axes, comparison: Comparison, study: LayerStudy, labels: int | None) -> None:
    names = list(dict.fromkeys(each.system for each in study.scores))
    for number, system in enumerate(names):
        found = [(place, study.score(system, way, labels)) for place, way in enumerate(TITLES)]
        there = [(place, each) for place, each in found if each is not None]
        shift = 0.06 * (number - (len(names) - 1) / 2)  # intervals keep out of each other's way
        reach = [[100 * max(0.0, each.mean - each.low) for _, each in there],
                 [100 * max(0.0, each.high - each.mean) for _, each in there]]  # fmt: skip
        axes.errorbar([place + shift for place, _ in there], [100 * each.mean for _, each in there], yerr=reach,
                      elinewidth=0.8, capsize=2, linewidth=0.8, linestyle=":", markersize=6,
                      label=system_title(comparison, system), **style_of(comparison, system))  # fmt: skip
