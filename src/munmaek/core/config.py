"""Dataclass configurations to and from plain JSON, strict about names and types."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_origin, get_type_hints

from munmaek.core.errors import CheckpointError, RequestError

Config = TypeVar("Config")
_WORDS: dict[type, str] = {
    float: "a number", int: "a whole number", str: "a word", bool: "true or false", Mapping: "names and their values",
}  # fmt: skip


@dataclass(frozen=True)
class Range:
    """Finite numbers from `least` on, or only above it, and below `below`."""

    least: float = -math.inf
    below: float = math.inf
    above: bool = False

    def __contains__(self, value: float) -> bool:
        from_least = self.least < value if self.above else self.least <= value
        return from_least and value < self.below and math.isfinite(value)

    def __str__(self) -> str:
        least = f"{'above' if self.above else 'at least'} {self.least:g}" if math.isfinite(self.least) else ""
        below = f"below {self.below:g}" if math.isfinite(self.below) else ""
        return " and ".join(part for part in (least, below) if part) or "finite"


ABOVE_0, FROM_0, SHARE = Range(0, above=True), Range(0), Range(0, 1)


def check_value(
    name: str, value: Any, kind: Any, where: str, within: Range | None = None, choices: Sequence[str] | None = None
) -> None:
    """Raise RequestError where a value is of another type, out of range or no choice; other types than JSON's pass."""
    fix = None
    if kind in _WORDS and not _fits(value, kind):
        fix = f"It is {_WORDS[kind]}."
    elif choices is not None and value not in choices:
        fix = f"It is one of {', '.join(choices)}."
    elif within is not None and value not in within:
        fix = f"It is {within}."
    if fix:
        raise RequestError(f"{name} is {value!r}", where=where, fix=fix)


def check_values(
    kind: type, values: Mapping[str, Any], where: str, ranges: Mapping[str, Range] | None = None,
    choices: Mapping[str, Sequence[str]] | None = None,
) -> None:  # fmt: skip
    """`check_value` of some fields of a dataclass.

    Args:
        kind: the dataclass. values: field -> value; a name that is no field's is passed over. where: who gave them.
        ranges, choices: what numbers and words may be, by field; numbers are finite where they have a range.
    """
    hints = get_type_hints(kind)
    for name in (each for each in values if each in hints):
        expected = get_origin(hints[name]) or hints[name]
        check_value(name, values[name], expected, where, (ranges or {}).get(name), (choices or {}).get(name))


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
