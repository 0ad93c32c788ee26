"""The verbs that ask a model something: fill, embed and similar."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from munmaek.cli import options
from munmaek.cli.language import say
from munmaek.cli.output import number, show_json, show_lines, table
from munmaek.cli.progress import CountProgress
from munmaek.cli.texts import lines, stream
from munmaek.core.errors import RequestError


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

    progress = CountProgress(say("texts", "글"))
    result = run(model, given, out, pooling=pooling, normalise=normalise, progress=progress)
    progress.close()
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

    pairs = list(_pairs(texts))
    loaded = load(model)
    for first, second in pairs:
        result = run(loaded, first, second, word=word, second_word=second_word, pooling=pooling)
        if as_json:
            show_json(result)
            continue
        rows: list[tuple[str, float]] = [(say("the two texts", "두 글"), result.cosine)]
        if result.word:
            rows += [(f"{word}, {_layer(place)}", value) for place, value in enumerate(result.word.layers)]
        show_lines([f"{first} / {second}", *table(("", say("cosine", "코사인")), rows)])


def _layer(place: int) -> str:
    return say(f"layer {place}", f"{place}층") if place else say("embedding", "임베딩")


def _pairs(texts: list[str] | None) -> Iterator[tuple[str, str]]:
    if texts:
        if len(texts) != 2:
            fix = "Put each text in quotation marks."
            raise RequestError(f"{len(texts)} texts, two are compared", where="munmaek similar", fix=fix)
        yield texts[0], texts[1]
        return
    if sys.stdin.isatty():
        fix = 'For example: munmaek similar --model RUN "눈이 와서 너무 좋다" "너의 눈이 너무 예쁘다" --word 눈'
        raise RequestError("there is no text", where="munmaek similar", fix=fix)
    for place, line in enumerate(lines(sys.stdin), 1):
        first, tab, second = line.partition("\t")
        if not tab:
            raise RequestError("there is no tab", where=f"standard input:{place}", fix="Send two texts a line, a tab between.")
        yield first, second


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
            show_lines(table((say("word", "낱말"), say("share", "확률"), say("text", "글")), rows))
