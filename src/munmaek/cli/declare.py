"""How an argument or an option of a verb is declared: its names, and its help in both languages."""

from __future__ import annotations

from typing import Any

import typer

from munmaek.cli.language import say


def option(
    names: str, english: str, korean: str, *, metavar: str | None = None, shown: bool = False, **rest: Any
) -> Any:
    """An option; `names` are separated by spaces, `shown` shows its default."""
    return typer.Option(*names.split(), help=say(english, korean), metavar=metavar, show_default=shown, **rest)


def argument(metavar: str, english: str, korean: str) -> Any:
    """An argument; its default is not shown."""
    return typer.Argument(metavar=metavar, help=say(english, korean), show_default=False)
