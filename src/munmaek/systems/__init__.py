"""The register of systems: a tuple of names, and `load`. A new system is a folder here and a word in the tuple."""

from __future__ import annotations

from importlib import import_module

from munmaek.core.contracts import System
from munmaek.core.errors import RequestError

NAMES = ("ngram", "word2vec", "glove", "elmo", "ulmfit", "gpt", "bert")


def names() -> tuple[str, ...]:
    """The names of all systems, in the order of their papers."""
    return NAMES


def load(name: str) -> System:
    """A system's card; RequestError where there is no system of that name. Imports only that system."""
    if name not in NAMES:
        raise RequestError(f"no system {name!r}", where="system", fix=f"Systems: {', '.join(NAMES)}.")
    return import_module(f"munmaek.systems.{name}").CARD
