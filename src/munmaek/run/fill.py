"""fill: the words that a masked language model puts in a blank."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from munmaek.core.errors import RequestError
from munmaek.run.model import Model, load
from munmaek.train import distributed

BLANKS = ("[MASK]", "____", "___")
"""What stands for a blank in a text; each is one token."""


@dataclass(frozen=True)
class Filling:
    """A token for the blank, its probability, and the text with the token put in."""

    token: str
    probability: float
    text: str


def fill(model: Model | str | Path, text: str, *, top: int = 5) -> list[list[Filling]]:
    """For every blank in the text, the `top` likeliest tokens, likeliest first.

    Write a blank as [MASK] or ___. RequestError where there is none, or where the system predicts no masked words.
    """
    model = model if isinstance(model, Model) else load(model)
    if model.system.masked_words is None:
        raise RequestError(f"{model.system.title} does not predict masked words", fix="Use a BERT for that.")
    mask = "[MASK]"
    for blank in BLANKS[1:]:
        text = text.replace(blank, mask)
    encoding = model.encoder.tokenize([text])[0]
    mask_id = model.tokenizer.token_id("mask")
    if mask_id not in encoding.ids:
        raise RequestError("there is no blank in the text", where=repr(text), fix="Write [MASK] or ___ where it is.")
    inputs = distributed.to_tensors(model.encoder.collate([encoding]), model.device)
    with torch.inference_mode(), distributed.autocast(model.device, model.precision):
        logits = model.system.masked_words(model.module, inputs, inputs["input_ids"] == mask_id)
    found = logits.float().softmax(-1).topk(min(top, logits.shape[-1]))
    pieces = text.split(mask)
    return [
        [_filling(model, pieces, place, int(token), float(share)) for share, token in zip(*row, strict=True)]
        for place, row in enumerate(zip(found.values, found.indices, strict=True))
    ]


def _filling(model: Model, pieces: list[str], place: int, token: int, share: float) -> Filling:
    word = model.tokenizer.decode([token]).removeprefix("##")
    joined = "".join(piece + ("[MASK]" if i != place else word) for i, piece in enumerate(pieces[:-1])) + pieces[-1]
    return Filling(word, share, joined)
