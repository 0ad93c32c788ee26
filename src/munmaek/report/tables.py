"""Tables of a report: results, separation of senses, neighbours in context, model cards."""

from __future__ import annotations

import math

from munmaek.report.markup import cell, table
from munmaek.report.ranking import verdict
from munmaek.report.wording import duration, labels_name, metric_name, points, say, span, system_title, title_of
from munmaek.run.comparison import Comparison, ModelCard

LONGEST = 60


def results(comparison: Comparison, korean: bool) -> str:
    """Rows are numbers of labels, columns are arms; a decided winner is bold."""
    arms = [arm.name for arm in comparison.arms if any(each.arm == arm.name for each in comparison.standings)]
    rows: list[tuple[str, list[str]]] = []
    for labels in comparison.sizes:
        found = verdict(comparison, labels)
        winner = found.best.arm if found is not None and found.won else None
        cells: list[str] = []
        for arm in arms:
            there = comparison.standing(arm, labels)
            cells.append(cell(points(there.mean), span(there, korean), bold=arm == winner) if there else cell(""))
        rows.append((labels_name(comparison, labels, korean), cells))
    metric = metric_name(comparison.metric, korean)
    caption = say(korean, f"{metric} in per cent, mean and 95 % interval; bold: a decided winner",
                  f"{metric}(%), 평균과 95 % 구간. 굵은 글씨: 판가름 난 승자")  # fmt: skip
    heads = [title_of(comparison, arm, korean) for arm in arms]
    return table(caption, [say(korean, "labels", "라벨"), *heads], rows)


def separation(comparison: Comparison, korean: bool) -> str:
    """How well each layer tells senses apart; the best layer of each system is bold."""
    depth = max((len(each.layers) for each in comparison.separations), default=0)
    rows: list[tuple[str, list[str]]] = []
    for each in comparison.separations:
        best = max((value for value in each.layers if math.isfinite(value)), default=math.nan)
        shown = [
            cell(f"{value:.3f}", bold=value == best) if math.isfinite(value) else cell("–") for value in each.layers
        ]
        name = system_title(comparison, each.system)
        rows.append((name, [cell(each.source), *shown, *[cell("")] * (depth - len(each.layers))]))
    layers = [say(korean, f"layer {place}", f"{place}층") for place in range(depth)]
    caption = say(korean, "Senses told apart (area under the curve; 0.5 is blindness), by layer",
                  "뜻 구별 (곡선 아래 넓이, 0.5 = 구별 못 함), 층마다")  # fmt: skip
    return table(caption, [say(korean, "system", "시스템"), say(korean, "from", "자료"), *layers], rows)


def neighbours(comparison: Comparison, korean: bool) -> str:
    """The nearest words to a word in each sentence."""
    rows: list[tuple[str, list[str]]] = []
    for each in comparison.neighbours:
        found = "; ".join(
            f"{word} {cosine:.2f}" + (f" ({excerpt(text, word)})" if text else "") for word, text, cosine in each.found
        )
        cells = [cell(each.word, bold=True), cell(excerpt(each.text, each.word)), cell(found, wide=True)]
        rows.append((system_title(comparison, each.system), cells))
    columns = (("system", "시스템"), ("word", "낱말"), ("in the sentence", "문장"), ("nearest", "가까운 낱말"))
    caption = say(korean, "Nearest words, with cosine and the sentence each stands in",
                  "가까운 낱말, 코사인과 그 낱말이 든 문장")  # fmt: skip
    return table(caption, [say(korean, *names) for names in columns], rows)


def excerpt(text: str, word: str) -> str:
    """A text short enough for a table, cut around the word."""
    if len(text) <= LONGEST:
        return text
    start = max(0, min(text.find(word) - LONGEST // 2, len(text) - LONGEST))
    end = start + LONGEST
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def cards(comparison: Comparison, korean: bool) -> str:
    """What each pre-trained model is and took."""
    columns = (
        ("model", "모델"), ("parameters", "파라미터"), ("tokens", "토큰"), ("steps", "단계"), ("time", "시간"),
        ("energy", "전력량"), ("peak memory", "최대 메모리"), ("tokenizer", "토크나이저"),
        ("bits per character", "글자당 비트"), ("held-out", "검증"), ("paper", "논문"),
    )  # fmt: skip
    caption = say(korean, "The models as they were pre-trained", "사전 학습한 모델")
    return table(caption, [say(korean, *names) for names in columns],
                 [(card.title, _card(card, korean)) for card in comparison.models])  # fmt: skip


def _card(card: ModelCard, korean: bool) -> list[str]:
    memory = f"{card.peak_memory / 2**20:,.0f} MiB" if card.peak_memory else "–"
    energy = f"{card.joules / 3_600:,.1f} Wh" if card.joules is not None else "–"
    bits = "–" if card.bits_per_character is None else f"{card.bits_per_character:.3f}"
    if card.pseudo:
        bits += say(korean, " (pseudo)", " (유사)")
    words = say(korean, "starts at word vectors", "낱말 벡터에서 시작") if card.at_words else ""
    held_out = ", ".join(f"{name} {value:.3f}" for name, value in card.validation.items()) or "–"
    return [
        cell(f"{card.parameters:,}", card.size), *(cell(f"{n:,}" if n else "–") for n in (card.tokens, card.steps)),
        cell(duration(card.seconds, korean) if card.seconds else "–", words), cell(energy), cell(memory),
        cell(f"{card.tokenizer} {card.vocab_size:,}"), cell(bits), cell(held_out), cell(card.paper, wide=True),
    ]  # fmt: skip
