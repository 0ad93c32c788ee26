"""The models of a comparison, trained for it or given, and the card of each: what it is, took, and predicts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from munmaek import systems
from munmaek.core import files
from munmaek.core.cost import Cost
from munmaek.run.book import alone_in
from munmaek.run.comparison import ModelCard
from munmaek.run.entrants import title_of
from munmaek.run.evaluate_lm import evaluate_lm
from munmaek.run.folder import weights_of
from munmaek.run.model import Model, load
from munmaek.run.pretrain import pretrain
from munmaek.run.request import Request, Told

CARDS = "cards.json"
LM_TEXTS, LM_CHARACTERS = 2_000, 40_000
"""Of a language model the first texts are scored, so many of them or of so many characters."""
PSEUDO_TERMS = 250_000
"""Of a masked model the first texts are scored whose characters, squared, come to so many: it reads each text once a
token."""


@dataclass(frozen=True)
class Pretrained:
    """A model after its pre-training: in memory, described, and what tells its weights from others."""

    model: Model
    card: ModelCard
    weights: str


def pretrained(request: Request, told: Told, name: str, texts: Sequence[str]) -> Pretrained:
    """Pre-train a system in the comparison's folder, or find it trained there.

    A language model is measured in bits per character on the first `texts`, each a document of its own, once.
    """
    card, folder = systems.load(name), request.folder_of(name)
    told.say(card.title)
    arguments = {**request.pretraining, **request.own.get(name, {})}
    if card.token_embeddings is None:
        arguments.pop("words", None)
    with Cost() as cost:
        made = pretrain(name, corpus=request.corpus, out=folder, size=request.size, budget=request.budget,
                        seed=request.seed, device=request.device, progress=told.progress, **arguments)  # fmt: skip
    model = load(folder, request.device)

    def describe() -> ModelCard:
        return _card(request, name, model, texts, size=made.size, parameters=made.parameters, tokens=made.tokens,
                     steps=made.steps, seconds=made.seconds, peak_memory=cost.peak_memory, joules=cost.joules,
                     validation=made.validation)  # fmt: skip

    return _described(request.out, name, model, describe)


def given(request: Request, told: Told, name: str, texts: Sequence[str]) -> Pretrained:
    """A model that was there before the comparison, measured as those are that it trains.

    What it took stands in its folder, or nowhere where it came from another tool: 0 tokens, steps and seconds then.
    """
    model = load(request.folder_of(name), request.device)
    told.say(title_of(name, model.system))
    took: dict[str, Any] = model.facts.get("training", {})

    def describe() -> ModelCard:
        return _card(
            request, name, model, texts, size=model.facts.get("size", ""),
            parameters=sum(each.numel() for each in model.module.parameters()), tokens=took.get("tokens", 0),
            steps=took.get("steps", 0), seconds=took.get("seconds", 0.0), peak_memory=0, joules=None,
            validation=took.get("validation", {}),
        )  # fmt: skip

    return _described(request.out, name, model, describe)


def _card(request: Request, name: str, model: Model, texts: Sequence[str], **took: Any) -> ModelCard:
    system, bits = model.system, _bits(model, texts)
    return ModelCard(
        system=name, title=title_of(name, system), paper=system.paper,
        folder=os.path.relpath(model.folder, request.out), tokenizer=model.tokenizer.kind,
        vocab_size=model.tokenizer.vocab_size, bits_per_character=bits[0], pseudo=bits[1],
        at_words="words" in model.facts.get("identity", {}), **took,
    )  # fmt: skip


def _described(out: Path, name: str, model: Model, describe: Callable[[], ModelCard]) -> Pretrained:
    """A model with its card: the kept one where it is of these weights, else a new one, kept."""
    weights, kept = weights_of(model.folder), _read_cards(out).get(name, {})
    if kept.get("weights") == weights:
        return Pretrained(model, ModelCard(**kept["card"]), weights)
    card = describe()
    with alone_in(out):
        files.write_json(out / CARDS, _read_cards(out) | {name: {"weights": weights, "card": asdict(card)}})
    return Pretrained(model, card, weights)


def _bits(model: Model, texts: Sequence[str]) -> tuple[float | None, bool]:
    """Bits per character, and whether they are a masked model's."""
    if model.system.language_model is None and model.system.masked_words is None:
        return None, False
    texts, masked = [text for text in texts[:LM_TEXTS] if text], model.system.masked_words is not None
    terms = np.cumsum([len(text) ** 2 if masked else len(text) for text in texts])
    most = int(np.searchsorted(terms, PSEUDO_TERMS if masked else LM_CHARACTERS))
    found = evaluate_lm(model, [[text] for text in texts[: max(1, most)]])
    return found.bits_per_character, found.pseudo


def _read_cards(out: Path) -> dict[str, Any]:
    return files.read_json(out / CARDS) if (out / CARDS).is_file() else {}
