"""Labelled examples to heads, losses and metrics. Any task runs on any encoder."""

from __future__ import annotations

from importlib import import_module

from munmaek.core.errors import RequestError
from munmaek.tasks.task import Answers, Task

__all__ = ["NAMES", "Answers", "Task", "load"]

NAMES = ("classify", "pair", "regress", "choice", "tag", "span", "wic")


def load(name: str) -> Task:
    """The task of that name; RequestError names those there are."""
    if name not in NAMES:
        raise RequestError(f"no task {name!r}", fix=f"Tasks: {', '.join(NAMES)}.")
    return import_module(f"munmaek.tasks.{name}").TASK
