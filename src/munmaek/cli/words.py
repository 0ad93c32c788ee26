"""The verbs about single words: nearest and analogy, and what `evaluate intrinsic` shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from munmaek.cli import options
from munmaek.cli.language import say
from munmaek.cli.output import aligned, note, show_json, show_lines

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
