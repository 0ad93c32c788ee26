"""import: a published checkpoint, or another tool's file, becomes a model folder here."""

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


def formats() -> dict[str, list[str]]:
    """The names of foreign formats, and the systems that read each."""
    found: dict[str, list[str]] = {}
    for name in systems.names():
        for form in systems.load(name).imports:
            found.setdefault(form, []).append(name)
    return found


def import_model(form: str, source: str | Path, *, out: str | Path) -> Imported:
    """Read another tool's checkpoint or file and write it as a model folder.

    Args:
        form: "hf", a Hugging Face folder of any system there is, or another of `formats()`.
    Raises:
        RequestError: no such format, or `out` is the source. CheckpointError: incomplete, damaged, of no known system.
    """
    source, out = Path(source), Path(out)
    if form not in formats():
        known = ", ".join(formats())
        raise RequestError(f"no format {form!r}", where="munmaek import", fix=f"Formats: {known}.")
    if out.resolve() == source.resolve():
        raise RequestError("the checkpoint cannot be imported into its own folder", where="--out", fix="Name another.")
    card, model, tokenizer = _read(form, source)
    untrained: tuple[str, ...] = getattr(model, "untrained", ())
    notes: list[str] = list(getattr(model, "notes", ()))
    notes += [f"the checkpoint has no {part}: it starts untrained" for part in untrained]
    if (source / "2_Normalize").is_dir():
        notes.append("the checkpoint gives sentence vectors of length 1: pass normalise=True (--normalise) for that")
    facts = {
        "config": to_dict(model.config),
        "tokenizer": {"kind": tokenizer.kind, "hash": getattr(tokenizer, "hash", None)},
        "imported": {"format": form, "from": source.resolve().name, "notes": notes},
    }
    model_folder.write(out, card, model, tokenizer, facts)
    return Imported(out, card.name, sum(p.numel() for p in model.parameters()), tokenizer.vocab_size, notes)


def _read(form: str, source: Path) -> tuple[System, nn.Module, Tokenizer]:
    """The first system that reads the format and does not find another system's type there."""
    other: OtherTypeError | None = None
    for name in formats()[form]:
        card = systems.load(name)
        try:
            return card, *card.imports[form](source)
        except OtherTypeError as error:
            other = error
    found = other.found if other else "none"
    raise CheckpointError(
        f"a model of type {found!r}, which no system here reads",
        where=str(source),
        fix=f"Systems: {', '.join(systems.names())}.",
    )
