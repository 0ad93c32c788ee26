"""The report of a comparison: one HTML page that needs nothing else, and its figures as PNG beside it."""

from __future__ import annotations

from html import escape
from pathlib import Path

from munmaek.core.files import write_atomic
from munmaek.data.homographs import MOTTO
from munmaek.report import contexts, curves, layers, tables
from munmaek.report.markup import document, picture, section
from munmaek.report.sentences import sentences
from munmaek.report.wording import notice, say
from munmaek.run.comparison import Comparison

FILE = "report.html"


def write(comparison: Comparison, folder: Path, korean: bool) -> Path:
    """Write `report.html` and its figures into the folder; the path of the page.

    Raises RequestError where matplotlib or a font with Hangul is missing, JobError where the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    title = say(korean, f"munmaek: what each system makes of {Path(comparison.train).name}",
                f"munmaek: {Path(comparison.train).name}에서 시스템마다 얻은 결과")  # fmt: skip
    said = "".join(f"<li>{escape(line)}</li>" for line in sentences(comparison, korean))
    body = [
        f"<h1>{escape(title)}</h1>",
        *(f'<p class="notice" role="note">{escape(notice(each, korean))}</p>' for each in comparison.notices),
        *section(say(korean, "In short", "요약"), [f'<ul class="said">{said}</ul>' if said else ""]),
        *section(say(korean, "Results", "결과"), [tables.results(comparison, korean)]),
        *_curves(comparison, folder, korean),
        *_contexts(comparison, folder, korean),
        *layers.part(comparison, folder, korean),
        *section(say(korean, "Neighbours in context", "문맥 속의 이웃"), [tables.neighbours(comparison, korean)]),
        *section(say(korean, "Models", "모델"), [tables.cards(comparison, korean)]),
        *section(say(korean, "How this was made", "만든 방법"), [_making(comparison, korean)]),
    ]
    path = folder / FILE
    write_atomic(path, document(say(korean, "en", "ko"), title, body))
    return path


def _curves(comparison: Comparison, folder: Path, korean: bool) -> list[str]:
    by_labels = picture(
        curves.draw_labels(comparison, folder, korean),
        say(korean, "Score by number of labels for every arm; the numbers are in the table of results.",
            "라벨 수에 따른 점수. 수치는 결과 표에 있습니다."),
        say(korean, "Lines: means; bars: 95 % intervals; dashed: floors, without any pre-training.",
            "선: 평균. 막대: 95 % 구간. 점선: 사전 학습이 없는 기준선."),
    )  # fmt: skip
    by_cost = picture(
        curves.draw_cost(comparison, folder, korean),
        say(korean, "Seconds of pre-training and fine-tuning against the score of every arm.",
            "사전 학습과 미세 조정에 든 초와 점수."),
        say(korean, "To the left is cheaper, up is better. Hollow: without pre-training.",
            "왼쪽일수록 싸고 위일수록 좋습니다. 속이 빈 것: 사전 학습 없이."),
    )  # fmt: skip
    return [*section(say(korean, "By the number of labels", "라벨 수에 따라"), [by_labels]),
            *section(say(korean, "Cost and quality", "비용과 품질"), [by_cost])]  # fmt: skip


def _contexts(comparison: Comparison, folder: Path, korean: bool) -> list[str]:
    parts: list[str] = []
    present = any(contexts.marked(each) for each in comparison.maps)
    motto = f" 1: {MOTTO[0]}, 2: {MOTTO[1]}." if present else ""
    for word, path in contexts.draw_senses(comparison, folder, korean):
        alt = say(
            korean,
            f"Occurrences of {word} in each system, coloured by sense.",
            f"시스템마다 '{word}'의 자리, 뜻마다 색.",
        )
        under = say(korean, "A dot an occurrence, a colour a sense; no labels were used to lay them out.",
                    "점 하나가 한 번 나온 자리, 색이 뜻입니다. 뜻은 배치에 쓰지 않았습니다.")  # fmt: skip
        parts.append(picture(path, alt, under + motto))
    for pair, path in contexts.draw_layers(comparison, folder, korean):
        alt = say(
            korean, f"Cosine of {pair.word} in two sentences, by layer.", f"두 문장 속 '{pair.word}'의 코사인, 층마다."
        )
        parts.append(picture(path, alt, f"{pair.word}: {pair.first} / {pair.second}"))
    return section(say(korean, "One word in its contexts", "문맥 속의 한 낱말"),
                   [*parts, tables.separation(comparison, korean)])  # fmt: skip


def _making(comparison: Comparison, korean: bool) -> str:
    versions = {f"{name} {version}": None for row in comparison.rows for name, version in row.versions.items()}
    seeds = sorted({row.seed for row in comparison.rows})
    facts = (
        ("made", "만든 때", comparison.made), ("corpus", "말뭉치", comparison.corpus),
        ("training rows", "학습 자료", f"{comparison.train} ({comparison.num_train:,})"),
        ("test rows", "시험 자료", f"{comparison.test} ({comparison.num_test:,})"),
        ("task", "과제", f"{comparison.task}, {comparison.metric}"),
        ("size and budget", "크기와 예산", ", ".join(filter(None, (comparison.size, comparison.budget)))),
        ("threads", "스레드", str(comparison.threads)), ("seeds", "시드", ", ".join(map(str, seeds))),
        ("versions", "버전", ", ".join(versions)),
        ("intervals", "구간", say(
            korean, "95 %, from a paired bootstrap over the test rows and Student's t over the seeds. A difference is "
            "decided where its interval excludes zero; intervals are not widened for the number of comparisons.",
            "95 %. 시험 자료의 짝지은 부트스트랩과 시드에 대한 스튜던트 t로 구했습니다. 차이의 구간이 0을 품지 않아야 "
            "판가름 난 것으로 봅니다. 비교 횟수에 따른 보정은 하지 않았습니다.")),
    )  # fmt: skip
    lines = "".join(f"<dt>{say(korean, english, hangul)}</dt><dd>{escape(value)}</dd>"
                    for english, hangul, value in facts if value)  # fmt: skip
    command = f"<pre>{escape(comparison.command)}</pre>" if comparison.command else ""
    return f"{command}<dl>{lines}</dl>"
