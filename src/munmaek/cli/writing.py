"""The verb that lets a model write: generate; and what `evaluate lm` shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from munmaek.cli import options
from munmaek.cli.declare import argument, option
from munmaek.cli.language import say
from munmaek.cli.output import aligned, first_process, note, number, show_json, show_lines
from munmaek.cli.progress import CountProgress
from munmaek.cli.texts import stream

Prompts = Annotated[
    list[str] | None,
    argument(
        "[PROMPT]...",
        "Beginnings of texts; without any, one a line from standard input.",
        "글의 첫머리. 없으면 표준 입력에서 한 줄에 하나씩 읽습니다.",
    ),
]
Temperature = Annotated[
    float,
    option(
        "--temperature",
        "Below 1 likelier words, above 1 bolder ones; 0 always takes the likeliest.",
        "1보다 작으면 흔한 말, 크면 뜻밖의 말. 0이면 언제나 가장 그럴듯한 말.",
        shown=True,
        metavar="T",
    ),
]
TopK = Annotated[
    int,
    option(
        "--top-k", "Only the K likeliest tokens; 0 is all.", "가장 그럴듯한 K개만. 0이면 모두.", shown=True, metavar="K"
    ),
]
TopP = Annotated[
    float,
    option(
        "--top-p",
        "Only the fewest tokens that together have this probability.",
        "합쳐서 이 확률이 되는 가장 적은 토큰만.",
        shown=True,
        metavar="P",
    ),
]
MaxTokens = Annotated[
    int, option("--max-tokens", "Longest continuation.", "쓸 토큰 수의 한도.", shown=True, metavar="N")
]
Stop = Annotated[
    list[str] | None,
    option(
        "--stop",
        "End before this text; repeat it for several.",
        "이 글이 나오면 그 앞에서 멈춥니다. 여러 번 쓸 수 있습니다.",
        metavar="TEXT",
    ),
]


def generate(
    model: options.ModelFolder,
    texts: Prompts = None,
    temperature: Temperature = 1.0,
    top_k: TopK = 0,
    top_p: TopP = 1.0,
    max_tokens: MaxTokens = 100,
    stop: Stop = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Continue each prompt, on the terminal as it is written; run.generate does the work."""
    given = stream(texts, None, None, "generate")
    from munmaek.run.generate import Sampling
    from munmaek.run.generate import generate as run
    from munmaek.run.model import load

    Sampling(temperature, top_k, top_p, max_tokens, tuple(stop or ()), seed)  # a wrong request is said at once
    loaded = load(model, device)
    loaded.language_model()  # so is a model that writes nothing
    for prompt in given:
        if not as_json:
            _put(prompt)
        result = run(
            loaded, prompt, temperature=temperature, top_k=top_k, top_p=top_p, max_tokens=max_tokens,
            stop=tuple(stop or ()), seed=seed, progress=None if as_json else _put,
        )  # fmt: skip
        if as_json:
            show_json(result)
        else:
            _put("\n")


def _put(text: str) -> None:
    """Print a piece of text at once, without a line end; lone surrogates as U+FFFD."""
    if first_process():
        print(text.encode("utf-8", "replace").decode("utf-8"), end="", flush=True)


def evaluate_language(model: Path, data: list[Path], text_column: str | None, device: str, as_json: bool) -> None:
    """Perplexity and bits per character of text; run.evaluate_lm does the work."""
    from munmaek.run.evaluate_lm import evaluate_lm as run

    with CountProgress(say("texts", "글")) as progress:
        result = run(model, data, text_column=text_column, device=device, progress=progress.more)
    if as_json:
        show_json(result)
        return
    for text in result.notes:
        note(text)
    kind = say("pseudo-", "유사 ") if result.pseudo else ""
    rows: list[tuple[str, Any]] = [
        (kind + say("perplexity per token", "토큰당 퍼플렉서티"), result.perplexity),
        (kind + say("bits per character", "글자당 비트"), result.bits_per_character),
        (say("texts", "글"), result.num_texts),
        (say("characters", "글자"), result.num_characters),
        (say("tokens", "토큰"), result.num_tokens),
        (say("unknown tokens", "모르는 토큰"), result.num_unknown),
    ]
    show_lines(aligned((say("metric", "지표"), say("value", "값")), [(name, number(value)) for name, value in rows]))
