"""The plain sentences on top of a report. A win is said only where its interval excludes zero."""

from __future__ import annotations

import math
from itertools import groupby

from munmaek.report.ranking import (
    Verdict,
    ahead,
    cheapest,
    labels_for_next_point,
    pretraining_seconds,
    tuning_seconds,
    verdicts,
)
from munmaek.report.wording import CHANCE, duration, labels_name, listed, metric_name, points, say, span, title_of
from munmaek.run.comparison import Comparison, Contrast


def sentences(comparison: Comparison, korean: bool) -> list[str]:
    """What to use and why, how sure that is, what pre-training and the next labels are worth, and what it costs."""
    found = verdicts(comparison)
    if not found:
        return []
    lines = [
        *advice(comparison, found, korean),
        *(standing(comparison, each, korean) for each in found),
        *worth_of_pretraining(comparison, found, korean),
        *next_point(comparison, found[-1], korean),
        *price(comparison, found[-1], korean),
    ]
    return [line[0].upper() + line[1:] for line in lines]


def advice(comparison: Comparison, found: list[Verdict], korean: bool) -> list[str]:
    """Which arm to use at which number of labels: the winner, or the cheapest of those not told apart."""
    told = [(each, *_choice(comparison, each)) for each in found]
    lines: list[str] = []
    for (arm, why), group in groupby(told, key=lambda each: each[1:]):
        rows = [each[0] for each in group]
        where = listed([labels_name(comparison, each.labels, korean) for each in rows], korean)
        name = title_of(comparison, arm, korean)
        if why == "chance":
            lines.append(say(korean, f"{where}: nothing here is told apart from chance. More labels are needed.",
                             f"{where}: 찍기와 구별되는 것이 없습니다. 라벨이 더 필요합니다."))  # fmt: skip
        elif why == "won":
            lines.append(say(korean, f"{where}: use {name}. It wins over every other way compared.",
                             f"{where}: {name} - 비교한 다른 모든 방법을 이깁니다. 이것을 쓰십시오."))  # fmt: skip
        elif why == "only":
            lines.append(say(korean, f"{where}: only {name} was scored.", f"{where}: {name} 하나만 재었습니다."))
        else:
            lines.append(say(
                korean, f"{where}: use {name}, the cheapest of those not told apart from the highest score.",
                f"{where}: {name} - 가장 높은 점수와 구별되지 않는 것 가운데 가장 쌉니다. 이것을 쓰십시오.",
            ))  # fmt: skip
    return lines


def _choice(comparison: Comparison, each: Verdict) -> tuple[str, str]:
    if each.next is None:
        return each.best.arm, "only"
    if each.won:
        return each.best.arm, "won"
    if CHANCE in (each.best.arm, *each.tied):
        return CHANCE, "chance"
    return cheapest(comparison, [each.best.arm, *each.tied], each.labels), "cheapest"


def standing(comparison: Comparison, each: Verdict, korean: bool) -> str:
    """The highest score at a number of labels, and whether its lead over the next and over the floor is decided."""
    best = title_of(comparison, each.best.arm, korean)
    head = (
        f"{labels_name(comparison, each.labels, korean)}: {best}, "
        f"{metric_name(comparison.metric, korean)} {points(each.best.mean)}\u00a0% {span(each.best, korean)}"
    )
    parts = [head + say(korean, " is the highest.", "로 가장 높습니다.")]
    if each.next is not None:
        following = title_of(comparison, each.next.arm, korean)
        parts.append(_lead(each.lead, following, say(korean, "the next", "다음 순위"), korean))
    if each.floor is not None and each.floor != each.next:
        floor = title_of(comparison, each.floor.arm, korean)
        parts.append(_lead(each.over_floor, floor, say(korean, "the strongest floor", "가장 강한 기준선"), korean))
    others = [title_of(comparison, arm, korean) for arm in each.tied if arm not in _named(each)]
    if others:
        parts.append(say(korean, f"Not told apart from it either: {listed(others, korean)}.",
                         f"그 밖에 구별되지 않는 것: {listed(others, korean)}."))  # fmt: skip
    return " ".join(parts)


def _named(each: Verdict) -> set[str]:
    return {named.arm for named in (each.next, each.floor) if named is not None}


def _lead(contrast: Contrast | None, name: str, role: str, korean: bool) -> str:
    if contrast is None:
        return say(korean, f"It is not told apart from {name} ({role}): the two were not paired.",
                   f"{name}({role})와는 짝지어 비교하지 않아 구별되지 않습니다.")  # fmt: skip
    size = f"{points(contrast.difference)}"
    if ahead(contrast):
        return say(korean, f"Its lead of {size} points {span(contrast, korean)} over {name}, {role}, is decided.",
                   f"{role} {name}보다 {size}점 {span(contrast, korean)} 높고, 이 차이는 판가름 났습니다.")  # fmt: skip
    return say(
        korean, f"It is not told apart from {name}, {role}: the difference is {size} points {span(contrast, korean)}.",
        f"{role} {name}보다 {size}점 {span(contrast, korean)} 높지만, 둘은 구별되지 않습니다.",
    )  # fmt: skip


def worth_of_pretraining(comparison: Comparison, found: list[Verdict], korean: bool) -> list[str]:
    """The best pre-trained arm beside the same network from scratch, with the fewest labels and with the most."""
    lines: list[str] = []
    for labels in dict.fromkeys((found[0].labels, found[-1].labels)):
        pairs = [contrast for contrast in _beside_scratch(comparison, labels) if contrast is not None]
        if not pairs:
            continue
        best = max(pairs, key=lambda each: _mean(comparison, each.first, labels))
        name, where = title_of(comparison, best.first, korean), labels_name(comparison, labels, korean)
        size = f"{points(best.difference)}"
        if best.decided:
            lines.append(say(
                korean, f"{where}: pre-training changes {name} by {size} points {span(best, korean)} over the same "
                "network from scratch; that is decided.",
                f"{where}: 사전 학습은 {name}의 점수를 같은 신경망을 처음부터 가르칠 때보다 {size}점 "
                f"{span(best, korean)} 바꾸고, 이 차이는 판가름 났습니다.",
            ))  # fmt: skip
        else:
            lines.append(say(
                korean, f"{where}: {name} with pre-training and without are not told apart: {size} points "
                f"{span(best, korean)}.",
                f"{where}: {name}에서 사전 학습을 한 것과 하지 않은 것은 구별되지 않습니다: {size}점 "
                f"{span(best, korean)}.",
            ))  # fmt: skip
    return lines


def _beside_scratch(comparison: Comparison, labels: int | None) -> list[Contrast | None]:
    scratch = {arm.system: arm.name for arm in comparison.arms if arm.scratch}
    trained = [arm for arm in comparison.arms if arm.system in scratch and not arm.scratch]
    return [comparison.contrast(arm.name, scratch[arm.system], labels) for arm in trained]


def _mean(comparison: Comparison, arm: str, labels: int | None) -> float:
    there = comparison.standing(arm, labels)
    return there.mean if there else -math.inf


def next_point(comparison: Comparison, last: Verdict, korean: bool) -> list[str]:
    """How many labels the next point costs, along the curve of the arm that is highest with the most labels."""
    costs = labels_for_next_point(comparison, last.best.arm)
    if not costs:
        return []
    name, metric = title_of(comparison, last.best.arm, korean), metric_name(comparison.metric, korean)
    parts: list[str] = []
    for there, more in costs:
        start = f"{there.num_labels:,}"
        if more is None:
            parts.append(say(korean, f"from {start}, not reached with the labels there are",
                             f"{start}개에서는 있는 라벨로 이르지 못함"))  # fmt: skip
        else:
            count = f"{max(1, round(more)):,}"
            parts.append(say(korean, f"from {start}, about {count} more", f"{start}개에서는 약 {count}개 더"))
    return [
        say(korean, f"What the next point of {metric} costs {name}, in labels: ",
            f"{name}: {metric}를 1점 더 올리는 데 드는 라벨은 ") + "; ".join(parts) + "."
    ]  # fmt: skip


def price(comparison: Comparison, last: Verdict, korean: bool) -> list[str]:
    """What the arm advised for the most labels takes, and what the highest and the strongest floor take."""
    lines: list[str] = []
    where = labels_name(comparison, last.labels, korean)
    for arm in dict.fromkeys([_choice(comparison, last)[0], last.best.arm, last.floor.arm if last.floor else CHANCE]):
        after = tuning_seconds(comparison, arm, last.labels)
        if arm == CHANCE or math.isnan(after):
            continue
        before = pretraining_seconds(comparison, arm)
        name = title_of(comparison, arm, korean)
        once = say(korean, f"{duration(before, korean)} of pre-training, once, and ",
                   f"사전 학습 {duration(before, korean)} (한 번), ") if before else ""  # fmt: skip
        lines.append(say(
            korean, f"Cost of {name}: {once}{duration(after, korean)} for each training with {where}.",
            f"{name}의 비용: {once}학습 한 번에 {duration(after, korean)} ({where}).",
        ))  # fmt: skip
    return lines
