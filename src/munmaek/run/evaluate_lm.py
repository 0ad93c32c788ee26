"""evaluate lm: how well a system predicts text, in units that any two systems and tokenizers share.

Of a masked model it is the pseudo-likelihood, and said to be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from munmaek.core.contracts import Likelihood
from munmaek.core.errors import DataError
from munmaek.data.corpus import TextCorpus
from munmaek.run.model import Model, load
from munmaek.run.pseudo import PseudoLikelihood
from munmaek.tasks import scores

PSEUDO = (
    "a masked model predicts each token from both sides: pseudo-perplexity, not to be compared with models of the next "
    "token"
)
AT_ONCE = 512
"""Documents scored together."""


@dataclass(frozen=True)
class LanguageEvaluation:
    """How well text was predicted.

    Attributes:
        perplexity: exp of the mean loss of a token; comparable between models of one tokenizer only.
        bits_per_character: bits that the texts take under the model, by their characters; comparable between all.
        num_texts, num_characters: documents, and their characters after normalisation, spaces between sentences too.
        num_tokens: predictions, one for each text's end among them. num_unknown: tokens for what the vocabulary lacks.
        seconds: reading included. pseudo: each token was predicted from both its sides; see run/pseudo.py.
        notes: what a person should know.
    """

    perplexity: float
    bits_per_character: float
    num_texts: int
    num_characters: int
    num_tokens: int
    num_unknown: int
    seconds: float
    pseudo: bool = False
    notes: list[str] = field(default_factory=list[str])


def evaluate_lm(
    model: str | Path | Model,
    data: str | Path | Sequence[str | Path] | Iterable[list[str]],
    *,
    text_column: str | None = None,
    device: str = "auto",
    batch_tokens: int = 8192,
    progress: Callable[[int], None] | None = None,
) -> LanguageEvaluation:
    """Score a language model, or a masked one by its pseudo-likelihood, on text, in bounded memory.

    Args:
        model: a folder, or a loaded model. data: files, folders or patterns, read as `pretrain` reads a corpus; or
            documents, each a list of sentences. The sentences of a document are joined by spaces.
        progress: called with the number of documents done since the last call.
    Raises:
        RequestError: the system predicts no next token. DataError: there is no text.
    """
    began = time.monotonic()
    loaded = model if isinstance(model, Model) else load(model, device)
    pseudo = loaded.system.masked_words is not None
    scorer = PseudoLikelihood(loaded) if pseudo else loaded.language_model()
    nats, counts, num_texts = 0.0, [0, 0, 0], 0
    for texts in _chunks(_documents(data, text_column)):
        found: Likelihood = scorer.likelihood(texts, batch_tokens)
        nats += found.nats
        for place, count in enumerate((found.num_characters, found.num_tokens, found.num_unknown)):
            counts[place] += count
        num_texts += len(texts)
        if progress is not None:
            progress(len(texts))
    characters, tokens, unknown = counts
    if not tokens:
        raise DataError("there is no text to predict", where="--data", fix="Give files with text in them.")
    notes = [PSEUDO] if pseudo else []
    if unknown:
        notes.append(
            f"{unknown:,} of {tokens:,} tokens stand for what the vocabulary lacks; that is easier to "
            "predict than what it is, so bits per character flatter this model"
        )
    return LanguageEvaluation(
        scores.perplexity(nats, tokens), scores.bits_per_character(nats, characters), num_texts, characters, tokens,
        unknown, time.monotonic() - began, pseudo, notes,
    )  # fmt: skip


def _documents(data: str | Path | Sequence[str | Path] | Iterable[list[str]], column: str | None) -> Iterator[str]:
    if isinstance(data, str | Path):
        data = [data]
    if isinstance(data, Sequence) and all(isinstance(entry, str | Path) for entry in data):
        data = TextCorpus([Path(entry) for entry in data], text_column=column)  # type: ignore[arg-type]
    for document in data:
        text = " ".join(document)  # type: ignore[arg-type]
        if text:
            yield text


def _chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(texts, AT_ONCE)):
        yield chunk
