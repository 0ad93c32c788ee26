"""Dataclass configurations to and from plain JSON, strict about names and types."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, get_type_hints

from munmaek.core.errors import CheckpointError

Config = TypeVar("Config")


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as JSON-ready plain values."""
    return dataclasses.asdict(config)


def from_dict(kind: type[Config], values: dict[str, Any], where: str = "configuration") -> Config:
    """Build a dataclass from plain values; unknown names, missing names and wrong types are CheckpointErrors."""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise CheckpointError(f"unknown settings {', '.join(unknown)}; known: {', '.join(fields)}", where=where)
    hints = get_type_hints(kind)
    for name, value in values.items():
        expected = hints[name]
        if expected in (int, float, str, bool) and not _fits(value, expected):
            raise CheckpointError(f"{name} is {value!r}, expected {expected.__name__}", where=where)
    try:
        return kind(**values)
    except TypeError as error:
        raise CheckpointError(str(error), where=where) from error


def _fits(value: Any, expected: type) -> bool:
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, expected)
