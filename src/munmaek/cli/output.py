"""Results on standard output: a table or lines for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """A result as JSON-ready values: dataclasses to objects, paths to text, arrays to lists, NaN to null."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Iterable):
        return [plain(entry) for entry in value]
    return str(value)


def first_process() -> bool:
    """Whether this process speaks: the only one, or the first that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def show_json(value: Any) -> None:
    """Print a result as one line of JSON."""
    if first_process():
        print(json.dumps(plain(value), ensure_ascii=False))


def show_lines(lines: Iterable[str]) -> None:
    """Print lines for a person."""
    if first_process():
        for line in lines:
            print(line)


def note(message: str) -> None:
    """Say something beside the result, on standard error."""
    if first_process():
        print(message, file=sys.stderr, flush=True)


def aligned(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Aligned lines: numbers to the right, text to the left, Hangul counted two cells wide."""
    from rich.cells import cell_len

    rows = [list(row) for row in rows]
    cells = [list(columns), *[[number(value) for value in row] for row in rows]]
    widths = [max(cell_len(row[place]) for row in cells) for place in range(len(columns))]
    right = [all(isinstance(row[place], int | float) for row in rows) and bool(rows) for place in range(len(columns))]
    lines: list[str] = []
    for row in cells:
        padded = [
            " " * (width - cell_len(cell)) + cell if to_right else cell + " " * (width - cell_len(cell))
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return lines


def number(value: Any) -> str:
    """A value for a person: thousands separated, four significant places after the point where it is small."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}"


def duration(seconds: float) -> str:
    """Seconds as a person says them: 45s, 12m 05s, 1h 03m."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
