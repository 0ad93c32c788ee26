"""import hf: a published Hugging Face checkpoint becomes a model folder here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from munmaek import systems
from munmaek.core.config import to_dict
from munmaek.core.contracts import System, Tokenizer
from munmaek.core.errors import CheckpointError, RequestError
from munmaek.formats.huggingface import OtherTypeError
from munmaek.run import folder as model_folder


@dataclass(frozen=True)
class Imported:
    """What came in: the folder written, the system, its number of parameters, and what a person should know."""

    folder: Path
    system: str
    parameters: int
    vocab_size: int
    notes: list[str]


def import_hf(source: str | Path, *, out: str | Path) -> Imported:
    """Read a Hugging Face folder of any system there is and write it as a model folder.

    Raises:
        RequestError: `out` is the source. CheckpointError: the folder is incomplete, damaged or of no known system.
    """
    source, out = Path(source), Path(out)
    if out.resolve() == source.resolve():
        raise RequestError("the checkpoint cannot be imported into its own folder", where="--out", fix="Name another.")
    card, model, tokenizer = _read(source)
    untrained: tuple[str, ...] = getattr(model, "untrained", ())
    notes = [f"the checkpoint has no {part}: it starts untrained" for part in untrained]
    if (source / "2_Normalize").is_dir():
        notes.append("the checkpoint gives sentence vectors of length 1: pass normalise=True (--normalise) for that")
    facts = {
        "config": to_dict(model.config),
        "tokenizer": {"kind": tokenizer.kind, "hash": getattr(tokenizer, "hash", None)},
        "imported": {"format": "hf", "from": source.resolve().name, "notes": notes},
    }
    model_folder.write(out, card, model, tokenizer, facts)
    return Imported(out, card.name, sum(p.numel() for p in model.parameters()), tokenizer.vocab_size, notes)


def _read(source: Path) -> tuple[System, nn.Module, Tokenizer]:
    other: OtherTypeError | None = None
    for name in systems.names():
        card = systems.load(name)
        if "hf" not in card.imports:
            continue
        try:
            return card, *card.imports["hf"](source)
        except OtherTypeError as error:
            other = error
    found = other.found if other else "none"
    raise CheckpointError(
        f"a model of type {found!r}, which no system here reads",
        where=str(source),
        fix=f"Systems: {', '.join(systems.names())}.",
    )
