"""The verbs that ask a model something: fill, embed, similar and predict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from munmaek.cli import options
from munmaek.cli.language import say
from munmaek.cli.output import aligned, note, show_json, show_lines
from munmaek.cli.progress import CountProgress
from munmaek.cli.texts import choices_a_line, stream, two_a_line
from munmaek.core.errors import RequestError

if TYPE_CHECKING:
    from munmaek.run.predict import Prediction


def embed(
    model: options.ModelFolder,
    texts: options.Texts = None,
    file: options.File = None,
    text_column: options.TextColumn = None,
    out: options.OutFile = None,
    pooling: options.Pooling = "mean",
    normalise: options.Normalise = False,
) -> None:
    """Vectors to a .npy or .parquet file; without --out, JSON lines on standard output."""
    given = stream(texts, file, text_column, "embed")
    if out is None:
        _print_vectors(model, given, pooling, normalise)
        return
    from munmaek.run.embed import embed as run

    with CountProgress(say("texts", "글")) as progress:
        result = run(model, given, out, pooling=pooling, normalise=normalise, progress=progress.so_far)
    show_lines(
        [say(f"{result.num_texts:,} vectors of {result.dim} numbers: {result.path}",
             f"{result.dim}차원 벡터 {result.num_texts:,}개: {result.path}")]
    )  # fmt: skip


def _print_vectors(model: options.ModelFolder, texts: Iterator[str], pooling: str, normalise: bool) -> None:
    from munmaek.run.embed import CHUNK
    from munmaek.run.model import load

    loaded, chunk = load(model, precision="auto"), list[str]()

    def flush() -> None:
        for text, vector in zip(chunk, loaded.embed(chunk, pooling, normalise=normalise), strict=True):
            show_json({"text": text, "vector": [round(float(value), 6) for value in vector]})
        chunk.clear()

    for text in texts:
        chunk.append(text)
        if len(chunk) == CHUNK:
            flush()
    if chunk:
        flush()


def similar(
    model: options.ModelFolder,
    texts: options.Sentences = None,
    word: options.Word = None,
    second_word: options.SecondWord = None,
    pooling: options.Pooling = "mean",
    as_json: options.Json = False,
) -> None:
    """Cosines of two texts, and of one word in each."""
    from munmaek.run.model import load
    from munmaek.run.similar import similar as run

    given = _pairs(texts)
    loaded = load(model)
    for first, second in given:
        result = run(loaded, first, second, word=word, second_word=second_word, pooling=pooling)
        if as_json:
            show_json(result)
            continue
        rows: list[tuple[str, float]] = [(say("the two texts", "두 글"), result.cosine)]
        if result.word:
            rows += [(f"{word}, {_layer(place)}", value) for place, value in enumerate(result.word.layers)]
        show_lines([f"{first} / {second}", *aligned(("", say("cosine", "코사인")), rows)])


def _layer(place: int) -> str:
    return say(f"layer {place}", f"{place}층") if place else say("embedding", "임베딩")


def _pairs(texts: list[str] | None) -> Iterator[tuple[str, str]]:
    if texts and len(texts) != 2:
        fix = "Put each text in quotation marks."
        raise RequestError(f"{len(texts)} texts, two are compared", where="munmaek similar", fix=fix)
    return iter([(texts[0], texts[1])]) if texts else two_a_line(stream(None, None, None, "similar"))


def fill(
    model: options.ModelFolder,
    texts: options.Texts = None,
    file: options.File = None,
    text_column: options.TextColumn = None,
    top: options.Top = 5,
    as_json: options.Json = False,
) -> None:
    """The likeliest words for each blank."""
    given = stream(texts, file, text_column, "fill")
    from munmaek.run.fill import fill as run
    from munmaek.run.model import load

    loaded = load(model)
    for text in given:
        blanks = run(loaded, text, top=top)
        if as_json:
            show_json({"text": text, "blanks": blanks})
            continue
        for answers in blanks:
            rows = [(answer.token, f"{answer.probability:.1%}", answer.text) for answer in answers]
            show_lines(aligned((say("word", "낱말"), say("share", "확률"), say("text", "글")), rows))


def predict(
    model: options.ModelFolders,
    texts: options.Texts = None,
    file: options.File = None,
    text_column: options.TextColumn = None,
    pair_column: options.PairColumn = None,
    out: options.OutFile = None,
    as_json: options.JsonLines = False,
) -> None:
    """Labels with probabilities, numbers, entities or answers; run.predict does the work."""
    given = None if file and not texts else stream(texts, file, text_column, "predict")
    from munmaek.run import predict as run
    from munmaek.run import tuned

    form = run.choose_form("jsonl" if as_json else None, out)
    fine = tuned.read(model)
    if given is None:
        with CountProgress(say("rows", "줄")) as progress:
            result = run.predict_file(
                fine, file or Path(), out, form=form, text_column=text_column, pair_column=pair_column,
                progress=progress.more,
            )  # fmt: skip
        for text in result.notes:
            note(text)
        count = result.num_rows
    else:
        read = choices_a_line if fine.task.chooses else two_a_line
        rows = read(given, "arguments" if texts else None) if fine.task.pairs else given
        predictions = run.stream(fine, rows)
        if texts and out is None and not as_json:
            _show_predictions(list(predictions))
            return
        count = run.write(predictions, fine, out, form)
    if out is not None:
        note(say(f"{count:,} predictions: {out}", f"예측 {count:,}개: {out}"))


def _show_predictions(predictions: list[Prediction]) -> None:
    if any(prediction.entities is not None for prediction in predictions):
        columns = (say("text", "글"), say("characters", "글자"), say("type", "종류"), say("entity", "개체"))
        rows = [(answer.text, f"{each.start}-{each.end}", each.type, each.text)
                for answer in predictions for each in answer.entities or []]  # fmt: skip
        if rows:
            show_lines(aligned(columns, rows))
        else:
            note(say("no entity was found", "찾은 개체가 없습니다"))
        return
    if any(prediction.answer is not None for prediction in predictions):
        columns = (say("question", "질문"), say("answer", "답"), say("characters", "글자"), say("score", "확신"))
        found = [(each.text, each.answer) for each in predictions if each.answer is not None]
        none = say("(no answer)", "(답 없음)")
        rows = [(text, a.text or none, f"{a.start}-{a.end}", f"{a.score:.1%}") for text, a in found]
        show_lines(aligned(columns, rows))
        return
    if any(prediction.label is None for prediction in predictions):
        columns = (say("text", "글"), say("value", "값"))
        show_lines(aligned(columns, [(_both(answer), answer.value) for answer in predictions]))
        return
    columns = (say("text", "글"), say("label", "라벨"), say("probability", "확률"))
    show_lines(aligned(columns, [(_both(answer), answer.label, f"{answer.probability:.1%}") for answer in predictions]))


def _both(prediction: Prediction) -> str:
    second = prediction.alternatives or ([] if prediction.pair is None else [prediction.pair])
    return " / ".join([prediction.text, *second])
