"""The verbs that make and score models: pretrain, finetune, evaluate, import and export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from munmaek.cli import options
from munmaek.cli.corpora import PhraseDiscount, Phrases, PhraseThreshold, corpus_of, phrasing
from munmaek.cli.declare import argument, option
from munmaek.cli.language import say
from munmaek.cli.output import aligned, duration, note, number, show_json, show_lines
from munmaek.cli.progress import CountProgress, TrainingProgress
from munmaek.cli.words import LearntFrom, show_intrinsic, show_wic
from munmaek.cli.writing import evaluate_language
from munmaek.core.errors import RequestError

if TYPE_CHECKING:
    from munmaek.run.finetune import FinetuneResult
    from munmaek.run.pretrain import PretrainResult

What = Annotated[
    str,
    typer.Argument(
        metavar="[labels|lm|intrinsic|wic]",
        help=say(
            "What is scored: answers on labelled rows, how well text is predicted, word vectors by themselves, or "
            "whether a word's vectors in two sentences tell if it means the same.",
            "무엇을 재는지: 라벨 자료의 답(labels), 글의 예측(lm), 낱말 벡터 자체(intrinsic), "
            "두 문장에 든 낱말의 뜻이 같은지(wic).",
        ),
        show_default=True,
    ),
]

Unlabelled = Annotated[
    Path | None,
    option(
        "--unlabelled",
        "Further texts without labels: it labels the surest itself and learns again.",
        "라벨 없는 글. 확실한 것에 스스로 라벨을 달고 다시 배웁니다.",
        metavar="FILE",
    ),
]

Words = Annotated[
    str | None,
    option(
        "--words",
        "Word vectors of the same tokens that a new model's embeddings start at (word2vec or glove), with their "
        "tokenizer; auto learns them first, in a tenth of the time.",
        "새 모델의 임베딩을 시작할 낱말 벡터(word2vec, glove) 폴더. 그 토크나이저를 씁니다. auto는 시간의 10분의 1로 "
        "먼저 배웁니다.",
        metavar="auto|RUN",
    ),
]


def pretrain(
    system: options.System,
    corpus: options.Corpus,
    out: options.Run,
    size: options.Size = "mini",
    budget: options.Budget = "1h",
    tokenizer: options.SystemTokenizer = None,
    vocab_size: options.SystemVocabSize = None,
    min_count: options.MinCount = None,
    phrases: Phrases = 0,
    phrase_threshold: PhraseThreshold = 100.0,
    phrase_discount: PhraseDiscount = 5.0,
    text_column: options.TextColumn = None,
    split_sentences: options.SplitSentences = False,
    memory: options.Memory = None,
    settings: options.Settings = None,
    init: options.Init = None,
    words: Words = None,
    seed: options.Seed = 0,
    tensorboard: options.Tensorboard = False,
    cache: options.Cache = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Pre-train; run.pretrain does the work."""
    from munmaek.run.pretrain import pretrain as run

    values = read_settings(settings or []) | ({"memory": memory} if memory else {})
    with TrainingProgress() as progress:
        result = run(
            system, corpus=corpus_of(corpus), out=out, size=size, budget=budget, tokenizer=tokenizer,
            vocab_size=vocab_size, min_count=min_count, text_column=text_column, split_sentences=split_sentences,
            phrases=phrasing(phrases, phrase_threshold, phrase_discount),
            settings=values, init=init, words=words, seed=seed, tensorboard=tensorboard, cache=cache,
            device=device, progress=progress,
        )  # fmt: skip
    if as_json:
        show_json(result)
    else:
        _show_pretrained(result)


def finetune(
    task: options.Task,
    model: options.ModelFolder,
    train: options.Train,
    out: options.Run,
    dev: options.Dev = None,
    text_column: options.TextColumn = None,
    pair_column: options.PairColumn = None,
    label_column: options.LabelColumn = None,
    labels: options.Labels = None,
    seeds: options.Seeds = 1,
    seed: options.Seed = 0,
    epochs: options.Epochs = None,
    learning_rate: options.LearningRate = None,
    pooling: options.TaskPooling = None,
    max_length: options.MaxLength = None,
    from_scratch: options.FromScratch = False,
    unlabelled: Unlabelled = None,
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Fine-tune; run.finetune does the work."""
    from munmaek.run.finetune import finetune as run

    with TrainingProgress() as progress:
        result = run(
            task, model=model, train=train, dev=dev, out=out, text_column=text_column, pair_column=pair_column,
            label_column=label_column, labels=labels, seeds=seeds, seed=seed, epochs=epochs,
            learning_rate=learning_rate, pooling=pooling, max_length=max_length, from_scratch=from_scratch,
            settings=read_settings(settings or []), progress=progress,
        )  # fmt: skip
    if as_json:
        show_json(result)
    else:
        _show_finetuned(result)


def evaluate(
    model: options.ModelFolders,
    data: options.Data,
    what: What = "labels",
    text_column: options.TextColumn = None,
    pair_column: options.PairColumn = None,
    label_column: options.LabelColumn = None,
    train: LearntFrom = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Score a fine-tuned model, a language model or vectors; run.evaluate, evaluate_lm, intrinsic and wic do it."""
    if train is not None and what != "wic":
        raise RequestError(f"nothing is learnt to score {what}", where="--train", fix="Leave it out, or say wic.")
    if what == "wic":
        columns = (text_column, pair_column, label_column)
        show_wic(one_model(model, what), data, train, columns, device, as_json)
        return
    if what == "intrinsic":
        show_intrinsic(one_model(model, what), data, as_json)
        return
    if what == "lm":
        evaluate_language(one_model(model, what), data, text_column, device, as_json)
        return
    if what != "labels":
        raise RequestError(
            f"nothing to score is called {what!r}", where="munmaek evaluate", fix="Say labels, lm, intrinsic or wic."
        )
    if len(data) != 1:
        raise RequestError(f"{len(data)} files of labelled rows", where="--data", fix="Score one at a time.")
    from munmaek.run.evaluate import evaluate as run

    with CountProgress(say("rows", "줄")) as progress:
        result = run(
            model, data[0], text_column=text_column, pair_column=pair_column, label_column=label_column, device=device,
            progress=progress.more,
        )  # fmt: skip
    if as_json:
        show_json(result)
        return
    for text in result.notes:
        note(text)
    rows: list[tuple[str, Any]] = [(say("rows", "줄"), result.num_rows), *result.scores.items()]
    rows += [(f"F1 {name}", value) for name, value in result.class_f1.items()]
    show_lines(aligned((say("metric", "지표"), say("value", "값")), [(name, number(value)) for name, value in rows]))


def one_model(models: list[Path], what: str) -> Path:
    """The only model folder of several allowed; RequestError where there are more."""
    if len(models) > 1:
        raise RequestError(f"{len(models)} models", where="--model", fix=f"Score one at a time with {what}.")
    return models[0]


def read_settings(pairs: list[str], named: str = "--set") -> dict[str, Any]:
    """`name=value` texts of an option as values: JSON where it is JSON, else the text; RequestError for others."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, given, value = (part.strip() for part in pair.partition("="))
        if not given or not name:
            fix = f"For example: {named} learning_rate=5e-4"
            raise RequestError("not NAME=VALUE", where=f"{named} {pair}", fix=fix)
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = {"True": True, "False": False, "None": None}.get(value, value)
    return settings


def _show_pretrained(result: PretrainResult) -> None:
    for text in result.notes:
        note(text)
    steps, tokens = f"{result.steps:,} {say('steps', '단계')}", f"{result.tokens:,} {say('tokens', '토큰')}"
    rows = [
        (say("model", "모델"), f"{result.system} {result.size}, {result.parameters:,} {say('parameters', '매개변수')}"),
        (say("trained", "학습"), f"{steps}, {tokens}, {duration(result.seconds)}"),
        (say("loss", "손실"), number(result.loss)),
        *((f"{say('held out', '검증')}: {name.replace('_', ' ')}", number(v)) for name, v in result.validation.items()),
        (say("folder", "폴더"), result.folder),
    ]
    show_lines(aligned((say("what", "항목"), say("value", "값")), rows))


def _show_finetuned(result: FinetuneResult) -> None:
    seeds = [str(seed) for seed in result.seeds]
    if result.scores:
        columns = (
            say("metric", "지표"),
            say("mean", "평균"),
            "± 95 %",
            *(f"{say('seed', '씨앗')} {seed}" for seed in seeds),
        )
        rows = [
            (name, result.mean[name], result.interval[name], *(scores[name] for scores in result.scores))
            for name in result.mean
        ]
        show_lines(aligned(columns, rows))
    else:
        note(say("without --dev there are no scores", "--dev가 없어 점수는 없습니다"))
    labels = say(f"{result.num_labels:,} labelled rows", f"라벨 {result.num_labels:,}개")
    show_lines([f"{result.task}, {labels}, {duration(result.seconds)}: {result.folder}"])


def bring_in(
    form: options.Format,
    source: options.ForeignFolder,
    out: options.Run,
    as_json: options.Json = False,
) -> None:
    """Import a foreign checkpoint; run.import_model does the work."""
    from munmaek.run.import_model import import_model as run

    result = run(form, source, out=out)
    if as_json:
        show_json(result)
        return
    for text in result.notes:
        note(text)
    parameters = f"{result.parameters:,} {say('parameters', '매개변수')}"
    show_lines([f"{result.system}, {parameters}, {say('vocabulary', '어휘')} {result.vocab_size:,}: {result.folder}"])


ExportFormat = Annotated[
    str,
    argument(
        "FORMAT", "Whose files: elmo, bilm-tf's options.json and HDF5.", "형식: elmo(bilm-tf의 options.json과 HDF5)."
    ),
]
ExportFolder = Annotated[Path, option("--out -o", "The folder to write.", "쓸 폴더.", metavar="DIR")]


def send_out(form: ExportFormat, model: options.ModelFolder, out: ExportFolder) -> None:
    """Write another tool's files; run.export_model does the work."""
    from munmaek.run.export_model import export_model as run

    show_lines([str(path) for path in run(form, model, out=out)])
