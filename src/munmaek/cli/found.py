"""What a comparison found, as a person reads it in a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from munmaek.cli.language import chosen, say
from munmaek.cli.output import aligned, duration, show_json, show_lines


def show(found: Any, out: Path, as_json: bool, layers: bool = False) -> None:
    """Print a comparison, or with `layers` the study of layers that it holds, and write its page."""
    if as_json:
        show_json(found)
        return
    metric = f"{found.metric} (%), {found.num_test:,} {say('test rows', '줄로 채점')}"
    lines = _ways(found) if layers else [*_table(found), "", metric, *_senses(found)]
    show_lines(["", *lines, ""])
    show_page(found, out)


def show_page(found: Any, folder: Path) -> None:
    """Write the page of a comparison, and print where it is."""
    from munmaek.report import page

    show_lines([str(page.write(found, folder, chosen() == "ko"))])


def _table(found: Any) -> list[str]:
    """Arms by numbers of labels: mean and 95 % interval in per cent."""
    sizes = found.sizes
    header = [say("arm", "방법"), *(say("all", "모두") if size is None else f"{size:,}" for size in sizes)]
    rows: list[tuple[str, ...]] = []
    for arm in found.arms:
        cells = [found.standing(arm.name, size) for size in sizes]
        rows.append((arm.title, *("" if c is None else f"{c.mean:.1%} [{c.low:.1%}, {c.high:.1%}]" for c in cells)))
    return aligned(header, rows)


def line(row: Any, metric: str) -> str:
    """A finished run: what was trained on how many labels, and what it scored."""
    size = (
        say("all labels", "모든 라벨")
        if row.labels is None
        else say(f"{row.labels:,} labels", f"라벨 {row.labels:,}개")
    )
    return f"{row.arm}, {size}, {say('seed', '씨앗')} {row.seed}: {row.scores[metric]:.4f} ({duration(row.seconds)})"


def _senses(found: Any) -> list[str]:
    """By system: how well senses are told apart in the best layer, and the word's cosine in the two sentences."""
    if not found.pairs:
        return []
    first = found.pairs[0]
    areas = {each.system: each.layers for each in found.separations}
    titles = {arm.system: arm.title for arm in found.arms if not arm.scratch}
    header = [
        say("system", "시스템"),
        say(f"cosine of {first.word}, last layer", f"마지막 층에서 {first.word}의 코사인"),
    ]
    if areas:
        header.append(say("senses told apart, best layer (0.5 = blind)", "뜻 구별, 가장 나은 층 (0.5 = 구별 못 함)"))
    rows: list[tuple[str, ...]] = []
    for pair in found.pairs:
        layers = areas.get(pair.system)
        best = max(range(len(layers)), key=layers.__getitem__) if layers else 0
        area = (f"{layers[best]:.3f} ({say('layer', '층')} {best})",) if layers else ()
        rows.append((titles[pair.system], f"{pair.layers[-1]:.3f}", *area))
    return ["", f"{first.first} / {first.second}", "", *aligned(header, rows)]


def _ways(found: Any) -> list[str]:
    """Ways of taking vectors by system: layers taken, scores in per cent, senses told apart, learnt weights."""
    from munmaek.report import layers, wording

    study, korean = found.layers, chosen() == "ko"
    titles = {card.system: card.title for card in found.models}
    header = [say("system", "시스템"), say("vectors", "벡터"), say("layers", "층")]
    header += [layers.size_title(study, size, korean) for size in study.sizes]
    header += [say("senses (sums unweighted)", "뜻 구별 (합은 같은 가중치)"), say("learnt weights", "배운 가중치")]
    rows: list[tuple[str, ...]] = []
    for system, way, taken, scores, area, weights in layers.lines(study):
        cells = ["" if each is None else f"{each.mean:.1%} [{each.low:.1%}, {each.high:.1%}]" for each in scores]
        shown = "" if area is None else f"{area:.3f}"
        rows.append((titles.get(system, system), layers.title(way, korean), taken, *cells, shown, weights))
    counted = say(f"{study.num_test:,} test rows", f"{study.num_test:,}줄로 채점")
    notices = [wording.notice(each, korean) for each in study.notices]
    return [*notices, "", *aligned(header, rows), "", f"{study.metric} (%), {counted}"]
