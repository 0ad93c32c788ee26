"""The application: the table of verbs, and the options before the verb."""

from __future__ import annotations

from typing import Annotated

import typer

import munmaek
from munmaek.cli import comparing, corpora, models, training, words, writing
from munmaek.cli.language import say

VERBS = (
    ("tour", comparing.tour, "The whole lineage on the built-in corpus in minutes, ending in a report.",
     "둘러보기: 내장 말뭉치로 모든 세대를 몇 분 안에 학습하고 보고서를 봅니다."),
    ("doctor", corpora.doctor, "Say what is in a corpus, before any training.",
     "학습하기 전에 말뭉치와 토크나이저를 진단합니다."),
    ("prepare", corpora.prepare, "Turn text into a tokenizer and shards; twice costs nothing.",
     "글을 토크나이저와 샤드로 바꿉니다. 두 번째부터는 바로 끝납니다."),
    ("pretrain", training.pretrain, "Pre-train on plain text; the same command again resumes.",
     "글로 사전 학습합니다. 같은 명령을 다시 내리면 멈춘 곳에서 이어집니다."),
    ("finetune", training.finetune, "Fine-tune a model on labelled texts, pairs, scores, tags or answers.",
     "라벨이 있는 글, 글 쌍, 점수, 개체 태그, 질문과 답으로 미세 조정합니다."),
    ("evaluate", training.evaluate, "Score a fine-tuned model, a language model on text, or word vectors.",
     "미세 조정한 모델을 라벨 데이터로, 언어 모델을 글로, 낱말 벡터를 낱말 쌍으로 평가합니다."),
    ("compare", comparing.compare, "What each generation buys on your text and labels, beside two floors.",
     "내 글과 라벨에서 세대마다 무엇을 얻는지 한 번에 견줍니다."),
    ("report", comparing.report, "Write what a comparison found as one page, with figures.",
     "비교한 결과를 그림이 든 한 쪽짜리 보고서로 씁니다."),
    ("predict", models.predict, "Predict labels or scores, with probabilities, or find entities or answers.",
     "라벨이나 점수를 확률과 함께 예측하거나 개체명이나 답을 찾습니다."),
    ("fill", models.fill, "Fill in the blank.", "빈칸을 채웁니다."),
    ("generate", writing.generate, "Continue a text.", "글을 이어 씁니다."),
    ("embed", models.embed, "One vector a text.", "글마다 벡터 하나를 만듭니다."),
    ("similar", models.similar, "How alike two sentences are, and one word in each.",
     "두 문장과 그 안의 한 낱말이 얼마나 비슷한지 잽니다."),
    ("nearest", words.nearest, "The words whose vectors are nearest to a word's.",
     "벡터가 가장 가까운 낱말들을 보입니다."),
    ("analogy", words.analogy, "What is to C as B is to A, by the words' vectors.",
     "A와 B의 관계를 C에 옮기면 무엇인지 낱말 벡터로 답합니다."),
    ("fetch", corpora.fetch, "Fill a data folder with a public data set, checksums verified.",
     "공개 데이터를 받아 체크섬을 확인합니다."),
    ("import", training.bring_in, "Bring in a published checkpoint of another tool.",
     "다른 도구의 공개 모델을 들여옵니다."),
    ("export", training.send_out, "Write a model as another tool's files.",
     "모델을 다른 도구의 파일로 내보냅니다."),
)  # fmt: skip

app = typer.Typer(
    name="munmaek",
    help=say(
        "Pre-train language models on your own text, fine-tune them on a few labels, see what each one understands.",
        "내 글로 언어 모델을 사전 학습하고, 적은 라벨로 미세 조정하고, 모델마다 무엇을 이해하는지 견주어 봅니다.",
    ),
    epilog=say(
        "Every verb also takes --lang en|ko, --data-dir FOLDER (where fetched data sets are) and --debug (tracebacks).",
        "모든 명령에 --lang en|ko, --data-dir 폴더(fetch로 받은 데이터), --debug(오류 추적)를 쓸 수 있습니다.",
    ),
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"munmaek {munmaek.__version__}")
        raise typer.Exit


@app.callback()
def _before(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help=say("Print the version.", "버전을 출력합니다.")
        ),
    ] = False,
) -> None:
    """Options before the verb; --version answers by itself."""


for _name, _function, _english, _korean in VERBS:
    app.command(_name, help=say(_english, _korean))(_function)
