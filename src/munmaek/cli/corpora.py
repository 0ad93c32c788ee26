"""The verbs before any training: prepare, doctor and fetch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from munmaek.cli import options
from munmaek.cli.declare import option
from munmaek.cli.language import chosen, say
from munmaek.cli.output import aligned, note, number, show_json, show_lines
from munmaek.cli.progress import StageProgress

if TYPE_CHECKING:
    from munmaek.data.phrases import Phrasing

BUILT_IN = "built-in"

Phrases = Annotated[
    int,
    option(
        "--phrases",
        "Join words that stand together far oftener than by chance into one, as new_york (word, eojeol, "
        "morpheme-word): so many passes, each of which makes longer phrases.",
        "우연보다 훨씬 자주 붙어 나오는 낱말을 new_york처럼 하나로 잇습니다(word, eojeol, morpheme-word). "
        "훑는 횟수이고, 늘릴수록 더 긴 구가 됩니다.",
        metavar="PASSES",
        shown=True,
        min=0,
        max=10,
    ),
]
PhraseThreshold = Annotated[
    float,
    option(
        "--phrase-threshold",
        "How many times oftener, in the last pass; in each before it twice as many.",
        "마지막 훑기에서 몇 배 넘게 자주 나와야 하는지. 그 앞의 훑기는 저마다 두 배씩 높습니다.",
        metavar="X",
        shown=True,
    ),
]
PhraseDiscount = Annotated[
    float,
    option(
        "--phrase-discount",
        "Taken off the count of every pair, so that rare words do not join.",
        "드문 낱말이 이어지지 않게 쌍마다 센 수에서 빼는 값.",
        metavar="N",
        shown=True,
    ),
]


def phrasing(passes: int, threshold: float, discount: float) -> Phrasing:
    """What the three options ask for; RequestError for numbers that find nothing."""
    from munmaek.data.phrases import Phrasing

    return Phrasing(passes, threshold, discount)


def corpus_of(paths: Sequence[str]) -> Any:
    """What --corpus names: paths, or the built-in corpus where the only word is "built-in"."""
    if list(paths) != [BUILT_IN]:
        return [Path(path) for path in paths]
    from munmaek.data import homographs
    from munmaek.report.wording import notice

    note(notice(homographs.NOTICE, chosen() == "ko"))
    return homographs.HomographCorpus()


def prepare(
    corpus: options.Paths,
    tokenizer: options.Tokenizer = "wordpiece",
    vocab_size: options.VocabSize = 16_000,
    min_count: options.MinCount = None,
    text_column: options.TextColumn = None,
    split_sentences: options.SplitSentences = False,
    phrases: Phrases = 0,
    phrase_threshold: PhraseThreshold = 100.0,
    phrase_discount: PhraseDiscount = 5.0,
    cache: options.Cache = None,
    as_json: options.Json = False,
) -> None:
    """Make a tokenizer and shards; run.prepare does the work."""
    from munmaek.run.prepare import prepare as run

    with StageProgress() as progress:
        result = run(
            corpus_of(corpus), cache=cache, tokenizer=tokenizer, vocab_size=vocab_size, min_count=min_count,
            text_column=text_column, split_sentences=split_sentences,
            phrases=phrasing(phrases, phrase_threshold, phrase_discount), progress=progress,
        )  # fmt: skip
    shards = result.shards
    if as_json:
        show_json(
            {"folder": result.folder, "reused": result.reused, "report": result.report, "tokens": shards.num_tokens,
             "documents": shards.num_documents, "sentences": shards.num_sentences,
             "tokenizer": {"kind": result.tokenizer.kind, "vocab_size": result.tokenizer.vocab_size}}
        )  # fmt: skip
        return
    rows: list[tuple[str, Any]] = [
        (say("documents", "문서"), shards.num_documents),
        (say("sentences", "문장"), shards.num_sentences),
        (say("tokens", "토큰"), shards.num_tokens),
        (say("lines read", "읽은 줄"), result.report.get("lines_read", 0)),
        (say("lines kept", "남긴 줄"), result.report.get("lines_kept", 0)),
        *((f"{say('dropped', '버림')}: {reason}", count) for reason, count in result.report.get("dropped", {}).items()),
        *((f"{say('repaired', '고침')}: {what}", count) for what, count in result.report.get("repairs", {}).items()),
        (say("tokenizer", "토크나이저"), f"{result.tokenizer.kind}, {result.tokenizer.vocab_size:,}"),
        (say("folder", "폴더"), result.folder),
    ]
    show_lines(aligned((say("what", "항목"), say("value", "값")), [(name, number(value)) for name, value in rows]))
    if result.reused:
        note(say("prepared before; nothing had to be done", "전에 준비한 것을 그대로 썼습니다"))


def fetch(
    names: options.DataSets = None,
    out: options.DataFolder = None,
    source: options.Source = None,
    as_json: options.Json = False,
) -> None:
    """Fill a data folder; without a name, list the data sets."""
    from munmaek.data.datasets import DATASETS, dataset

    if not names:
        columns = (say("name", "이름"), say("what", "내용"), say("licence", "사용 허락"))
        show_lines(aligned(columns, [(entry.name, entry.title, entry.licence) for entry in DATASETS.values()]))
        return
    from munmaek.run.fetch import fetch as run

    for name in names:
        dataset(name)  # a wrong name is said before anything is fetched
    folder = out or Path(os.environ.get("MUNMAEK_DATA") or "data")
    for name in names:
        result = run(name, folder, source, progress=note)
        if as_json:
            show_json(result)
            continue
        here = (
            say(f", {len(result.already)} were there", f", {len(result.already)}개는 이미 있음")
            if result.already
            else ""
        )
        files = say(f"{len(result.files)} files", f"파일 {len(result.files)}개")
        show_lines([f"{result.name}: {files}{here}, {result.licence}, {result.home}: {result.folder}"])


def doctor(
    paths: options.Paths,
    tokenizer: options.KnownTokenizer = None,
    text_column: options.TextColumn = None,
    split_sentences: options.SplitSentences = False,
    as_json: options.Json = False,
) -> None:
    """Examine a corpus; run.doctor does the work."""
    from munmaek.run.doctor import diagnose

    with StageProgress() as progress:
        result = diagnose(
            corpus_of(paths), tokenizer=tokenizer, text_column=text_column, split_sentences=split_sentences,
            progress=progress,
        )  # fmt: skip
    if as_json:
        show_json(result)
    else:
        show_lines(result.lines(chosen()))
