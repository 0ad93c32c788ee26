"""The tour's result as a table and a picture."""

from __future__ import annotations

from pathlib import Path

from munmaek.data.homographs import MOTTO, senses
from munmaek.report.figures import new_figure, save_png, sense_map
from munmaek.run.tour import NUM_LABELS, TourResult

FIGURE = "senses.png"


def rows(result: TourResult, korean: bool) -> list[tuple[str, str, str]]:
    """The table: what is looked at, whether senses are told apart (0.5 to 1), and the motto's cosine of 눈."""
    last = len(result.separation) - 1
    names = [
        ("임베딩 (문맥 전)" if korean else "embeddings (before any context)")
        if layer == 0
        else (f"{layer}층" if korean else f"layer {layer}")
        + ((" (마지막)" if korean else " (last)") if layer == last else "")
        for layer in range(last + 1)
    ]
    static = "낱말마다 벡터 하나 (Word2Vec 방식)" if korean else "one vector a word (as Word2Vec has)"
    untrained = "사전 학습하지 않은 BERT, 마지막 층" if korean else "BERT without pre-training, last layer"
    table = [(static, f"{result.static:.3f}", "1.000"), (untrained, f"{result.untrained:.3f}", "")]
    bert = "BERT, "
    for name, area, cosine in zip(names, result.separation, result.motto, strict=True):
        table.append((bert + name, f"{area:.3f}", f"{cosine:.3f}"))
    return table


def columns(korean: bool) -> tuple[str, str, str]:
    """The table's header."""
    if korean:
        return "벡터", "뜻 구별 (0.5 = 구별 못 함)", "두 문장의 눈: 코사인"
    return "vectors", "senses told apart (0.5 = blind)", "cosine of 눈 in the two sentences"


def lines(result: TourResult, korean: bool) -> list[str]:
    """What stands under the table: the motto, and what 100 labels give."""
    told = [f"  {MOTTO[0]} / {MOTTO[1]}"]
    for label, scores in result.labels.items():
        name = {"topic": "주제", "sentiment": "감정"}[label] if korean else label
        before, after = scores["from scratch"], scores["pre-trained"]
        told.append(
            f"  라벨 {NUM_LABELS}개로 {name} 맞히기: 사전 학습 없이 {before:.1%}, 사전 학습 뒤 {after:.1%}"
            if korean
            else f"  {name} from {NUM_LABELS} labels: {before:.1%} without pre-training, {after:.1%} with it"
        )
    return told


def draw(result: TourResult, korean: bool) -> Path:
    """The picture: every held-out 눈 before context and in the layer that tells senses apart best."""
    word = result.word
    glosses = senses()[word.word]
    names = [f"{word.word} = {glosses[sense]}" for sense in word.senses]
    best = max(range(len(result.separation)), key=lambda layer: result.separation[layer])
    motto = [(word.texts.index(text), text) for text in MOTTO if text in word.texts]
    figure, (left, right) = new_figure(2, 11, 5)
    for axes, layer in ((left, 0), (right, best)):
        sense_map(axes, word.vectors[layer], names, motto)
        place = ("임베딩: 문맥을 읽기 전" if korean else "embeddings: before reading the context") if layer == 0 else (
            f"BERT {layer}층" if korean else f"BERT, layer {layer}"
        )  # fmt: skip
        axes.set_title(place)
    left.legend(loc="lower left", fontsize=9)
    figure.suptitle(
        f"처음 보는 글 {len(word.texts)}편 속의 '{word.word}' (내장 합성 말뭉치)"
        if korean
        else f"'{word.word}' in {len(word.texts)} documents never seen in training (built-in synthetic corpus)"
    )
    return save_png(figure, result.folder / FIGURE, Title="munmaek tour", Description=result.notice)
