"""The model folder: the ecosystem's own files, and `munmaek.json`, written last, which says what they are."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from munmaek import systems
from munmaek.core import files
from munmaek.core.contracts import System, Tokenizer
from munmaek.core.errors import CheckpointError

CARD = "munmaek.json"
TRAINING = "training"


@dataclass
class Loaded:
    """A model folder in memory: the system's card, the module, its tokenizer and what munmaek.json says."""

    system: System
    module: nn.Module
    tokenizer: Tokenizer
    facts: dict[str, Any]
    folder: Path


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    names = ("munmaek", "torch", "numpy", "tokenizers", "safetensors")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}


def write(
    folder: Path,
    system: System,
    module: nn.Module,
    tokenizer: Tokenizer,
    facts: dict[str, Any],
    extra: dict[str, bytes] | None = None,
) -> Path:
    """Write a model folder; `extra` are further files by name (a task's head). Returns the folder.

    Files are written aside and moved in; munmaek.json goes first when there is an old one and comes last, so a folder
    with munmaek.json is whole. A `training` folder beside them is left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".export.{torch.initial_seed() % 10**6}.tmp"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        system.save(module, tokenizer, aside)
        for name, content in (extra or {}).items():
            files.write_atomic(aside / name, content)
        listed: dict[str, dict[str, Any]] = {}
        for path in sorted(p for p in aside.rglob("*") if p.is_file()):
            files.sync(path)
            listed[path.relative_to(aside).as_posix()] = {
                "size": path.stat().st_size,
                "sha256": files.sha256_file(path),
            }
        (folder / CARD).unlink(missing_ok=True)
        for name in listed:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (aside / name).replace(folder / name)
    except OSError as error:
        raise files.no_room(folder, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    about = {"format_version": files.FORMAT_VERSION, "system": system.name, "versions": versions()}
    files.write_json(folder / CARD, about | facts | {"files": listed})
    return folder


def read(folder: str | Path) -> Loaded:
    """Read a model folder after checking it against munmaek.json; CheckpointError says what is wrong and what to do."""
    folder = Path(folder)
    if not folder.is_dir():
        found = "is a file, not the folder of a model" if folder.exists() else "there is no such folder"
        raise CheckpointError(found, where=str(folder), fix="Give the --out of a training.")
    if not (folder / CARD).is_file():
        raise CheckpointError(_why_no_card(folder), where=str(folder), fix=_what_to_do(folder))
    facts = files.read_json(folder / CARD)
    if not isinstance(facts, dict) or facts.get("format_version") != files.FORMAT_VERSION:
        raise CheckpointError("written by another version of munmaek", where=str(folder / CARD))
    check(folder, facts.get("files", {}))
    system = systems.load(facts["system"])
    module, tokenizer = system.load(folder)
    return Loaded(system, module, tokenizer, facts, folder)


def weights_of(folder: Path) -> str:
    """What distinguishes a model folder's weights and tokenizer from another's, wherever it stands."""
    listed: dict[str, dict[str, Any]] = files.read_json(folder / CARD)["files"]
    return hashlib.sha256(json.dumps({n: f["sha256"] for n, f in sorted(listed.items())}).encode()).hexdigest()


def check(folder: Path, listed: dict[str, dict[str, Any]]) -> None:
    """Compare every listed file's size and SHA-256 with what is there."""
    fix = "Copy the whole folder again, or train it again."
    for name, facts in listed.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise CheckpointError(f"munmaek.json names a file outside the folder: {name}", where=str(folder))
        if not path.is_file():
            raise CheckpointError("the file is missing from the model folder", where=str(path), fix=fix)
        if path.stat().st_size != facts["size"] or files.sha256_file(path) != facts["sha256"]:
            raise CheckpointError("the file was changed or damaged since it was written", where=str(path), fix=fix)


def _why_no_card(folder: Path) -> str:
    if (folder / TRAINING).is_dir():
        return "the training there has not finished"
    if (folder / "config.json").is_file():
        return "a model of another tool"
    return f"no model there (no {CARD})"


def _what_to_do(folder: Path) -> str:
    if (folder / TRAINING).is_dir():
        return "Run the command that started it again; it goes on where it stopped."
    if (folder / "config.json").is_file():
        return f"Bring it in with: munmaek import hf {folder} --out RUN"
    return "Give the --out of a training."
