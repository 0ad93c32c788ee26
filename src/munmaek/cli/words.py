"""The verbs about single words: nearest and analogy, and what `evaluate intrinsic` and `evaluate wic` show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from munmaek.cli import options
from munmaek.cli.declare import option
from munmaek.cli.language import say
from munmaek.cli.output import aligned, note, show_json, show_lines
from munmaek.cli.progress import CountProgress
from munmaek.core.errors import RequestError

if TYPE_CHECKING:
    from munmaek.run.nearest import Answers

AnyWord = Annotated[str, typer.Argument(metavar="WORD", help=say("A word.", "낱말."))]
ThreeWords = Annotated[
    tuple[str, str, str],
    typer.Argument(
        metavar="A B C",
        help=say("A is to B as C is to the answer.", "A와 B의 관계는 C와 답의 관계와 같습니다."),
    ),
]

LearntFrom = Annotated[
    Path | None,
    option(
        "--train",
        "Of wic: rows that threshold and layer are learnt on; without it a half of --data.",
        "wic에서 문턱값과 층을 배울 자료. 없으면 --data의 절반으로 배웁니다.",
        metavar="FILE",
    ),
]


def nearest(
    word: AnyWord,
    model: options.ModelFolder,
    top: options.Top = 10,
    as_json: options.Json = False,
) -> None:
    """The words around a word; run.nearest does the work."""
    from munmaek.run.nearest import nearest as run

    result = run(model, word, top=top)
    if as_json:
        show_json(result)
        return
    if not result.known:
        note(say(f"{word} is not in the vocabulary: its vector is made of its parts",
                 f"{word}: 어휘에 없어 조각들의 벡터로 만들었습니다"))  # fmt: skip
    show_lines(_table(say("word", "낱말"), result.nearest))


def analogy(
    words: ThreeWords,
    model: options.ModelFolder,
    top: options.Top = 5,
    as_json: options.Json = False,
) -> None:
    """An analogy by both formulas; run.nearest does the work."""
    from munmaek.run.nearest import analogy as run

    result = run(model, *words, top=top)
    if as_json:
        show_json(result)
        return
    show_lines([f"{words[0]} : {words[1]} = {words[2]} : ?", *_table("3CosAdd", result.add)])
    show_lines(["", *_table("3CosMul", result.multiply)])


def _table(name: str, answers: Answers) -> list[str]:
    return aligned((name, say("score", "점수")), answers)


def show_intrinsic(model: Path, files: list[Path], as_json: bool) -> None:
    """Scores on word pairs and analogies; run.intrinsic does the work."""
    from munmaek.run.intrinsic import intrinsic as run

    result = run(model, files)
    if as_json:
        show_json(result)
        return
    counts = (say("used", "사용"), say("unknown", "모르는 낱말"))
    blocks: list[list[str]] = []
    if result.pairs:
        rows = [(score.name, score.spearman, score.used, score.unknown) for score in result.pairs]
        blocks.append(aligned((say("pairs", "낱말 쌍"), "Spearman", *counts), rows))
    if result.analogies:
        columns = (say("analogies", "유추"), say("section", "절"), "3CosAdd", "3CosMul", *counts)
        answers = [(s.name, s.section, s.add, s.multiply, s.used, s.unknown) for s in result.analogies]
        blocks.append(aligned(columns, answers))
    for block in blocks:
        show_lines([*block, ""] if block is not blocks[-1] else block)


def show_wic(
    model: Path, data: list[Path], train: Path | None, columns: tuple[str | None, str | None, str | None],
    device: str, as_json: bool,
) -> None:  # fmt: skip
    """Word in context by layer; run.wic does the work."""
    from munmaek.run.wic import word_in_context as run

    if len(data) != 1:
        raise RequestError(f"{len(data)} files of word in context", where="--data", fix="Score one at a time.")
    first, second, same = columns
    with CountProgress(say("pairs", "쌍")) as progress:
        result = run(
            model, data[0], train=train, first_column=first, second_column=second, same_column=same, device=device,
            progress=progress.more,
        )  # fmt: skip
    if as_json:
        show_json(result)
        return
    for text in result.notes:
        note(text)
    names = (
        say("layer", "층"), say("threshold", "문턱값"), say("train accuracy", "학습 정확도"), say("accuracy", "정확도"),
        "AUC",
    )  # fmt: skip
    show_lines(aligned(names, [(s.layer, s.threshold, s.train_accuracy, s.accuracy, s.auc) for s in result.layers]))
    chosen = say(f"layer {result.layer}", f"{result.layer}층")
    rows = say(f"{result.num_rows:,} rows", f"{result.num_rows:,}줄")
    scores = f"{say('accuracy', '정확도')} {result.accuracy:.4f}, AUC {result.auc:.4f}"
    show_lines(["", f"{chosen}: {scores}; {rows}, {say('majority', '다수')} {result.majority:.4f}"])
