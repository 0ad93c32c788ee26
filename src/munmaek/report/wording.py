"""Words that more than one part of a report says: arms, numbers of labels, scores, times; in both languages."""

from __future__ import annotations

import math

from munmaek.data.homographs import BORROWED, NOTICE
from munmaek.run.comparison import FLOORS, Comparison, Contrast, Standing

CHANCE, TFIDF = FLOORS
LEAST_SHOWN = 5e-4
"""The smallest score or difference that `points` does not show as nothing."""
_METRICS = {
    "accuracy": "정확도", "macro_f1": "매크로 F1", "spearman": "스피어먼 상관", "pearson": "피어슨 상관",
    "entity_f1": "개체 F1", "f1": "F1",
}  # fmt: skip
_NOTICES = {
    NOTICE: "내장 말뭉치는 이 프로젝트가 문법으로 지어낸 글이며, 실제로 모은 글이 아닙니다. "
    "여기서 나온 수치는 모든 것이 돌아간다는 뜻이지, 모델이 실제 글에서 얼마나 좋은지는 말하지 않습니다.",
    BORROWED: "동형이의어는 지어낸 내장 말뭉치의 것이고, 이 시스템들은 그 말뭉치로 사전 학습하지 않았습니다.",
}


def say(korean: bool, english: str, hangul: str) -> str:
    """One of the two."""
    return hangul if korean else english


def notice(text: str, korean: bool) -> str:
    """What a reader must know first, in the reader's language where there is a translation."""
    return _NOTICES.get(text, text) if korean else text


def title_of(comparison: Comparison, arm: str, korean: bool) -> str:
    """What a person calls an arm."""
    if arm == CHANCE:
        return say(korean, "chance", "찍기")
    if arm == TFIDF:
        return "TF-IDF"
    found = next((each for each in comparison.arms if each.name == arm), None)
    if found is None or not korean or not found.scratch:
        return found.title if found else arm
    trained = next((each for each in comparison.arms if each.system == found.system and not each.scratch), None)
    return f"{trained.title if trained else found.system} (사전 학습 없이)"


def system_title(comparison: Comparison, system: str) -> str:
    """What a person calls a system."""
    cards = [card.title for card in comparison.models if card.system == system]
    arms = [arm.title for arm in comparison.arms if arm.system == system and not arm.scratch]
    return next(iter([*cards, *arms]), system)


def metric_name(metric: str, korean: bool) -> str:
    """The metric that decides, for a person."""
    return _METRICS.get(metric, metric) if korean else metric.replace("_", " ")


def labels_name(comparison: Comparison, labels: int | None, korean: bool) -> str:
    """A number of labels: "100 labels", "all 4,000 labels"."""
    if labels is not None:
        return say(korean, f"{labels:,} labels", f"라벨 {labels:,}개")
    count = max((each.num_labels for each in comparison.standings if each.labels is None), default=0)
    return say(korean, f"all {count:,} labels", f"라벨 전부({count:,}개)")


def listed(names: list[str], korean: bool) -> str:
    """Names in a row; "A, B and C"."""
    if korean or len(names) < 2:
        return ", ".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def points(value: float, decimals: int = 1) -> str:
    """A score or a difference of scores, times a hundred: "74.1"; a dash where there is none."""
    return f"{100 * value:.{decimals}f}".replace("-", "−") if math.isfinite(value) else "–"


def span(each: Standing | Contrast, korean: bool) -> str:
    """The 95 % interval of a score or of a difference, in brackets; nothing where it is unknown.

    A bound that one decimal would show as nothing has two, so that what leaves out zero is seen to.
    """
    if not (math.isfinite(each.low) and math.isfinite(each.high)):
        return say(korean, "(no interval)", "(구간 없음)")
    low, high = (points(bound, 2 if 0 < abs(bound) < LEAST_SHOWN else 1) for bound in (each.low, each.high))
    return say(korean, f"({low} to {high})", f"({low} ~ {high})")


def duration(seconds: float, korean: bool) -> str:
    """Seconds as a person says them: "45 s", "12 min 05 s", "1 h 03 min"."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if 0 < seconds < 10:
        return say(korean, f"{seconds:.1f} s", f"{seconds:.1f}초")
    if whole < 60:
        return say(korean, f"{whole} s", f"{whole}초")
    if not hours:
        return say(korean, f"{minutes} min {rest:02d} s", f"{minutes}분 {rest:02d}초")
    return say(korean, f"{hours} h {minutes:02d} min", f"{hours}시간 {minutes:02d}분")
