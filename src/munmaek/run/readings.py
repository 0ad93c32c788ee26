"""How the rows of a task are read by a model: in which readings, up to which length, and what is lost by that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from munmaek.core.contracts import Adaptation
from munmaek.core.errors import DataError, RequestError
from munmaek.run.model import Model
from munmaek.tasks import Answers, Task
from munmaek.tasks.examples import Examples
from munmaek.tasks.labelled import Labelled


def may_be_apart(task: Task) -> bool:
    """Whether the two texts of a task's rows can be read one by one, and how they meet be answered."""
    return task.pairs is not False and not (task.chooses or task.marked or task.per_token is not None)


def readings(model: Model, task: Task, *, apart: bool) -> dict[str, bool]:
    """How a row is read, as `tokenise` is told: in both orders or apart, by alternatives, tokens, windows."""
    own = model.system.adaptation or Adaptation()
    per_token, windows = task.per_token is not None, task.per_token is not None and task.per_token.windows
    return {"both_orders": own.both_orders and task.symmetric, "apart": apart, "alternatives": task.chooses,
            "marked": task.marked, "per_token": per_token, "windows": windows}  # fmt: skip


def check_alternatives(task: Task, answers: Answers, data: Labelled, where: str) -> None:
    """DataError where rows have another number of alternatives than there are answers."""
    if task.chooses and len(data) and data.readings != len(answers.classes):
        raise DataError(
            f"rows have {data.readings} alternatives, but the training labels run from {answers.classes[0]} to "
            f"{answers.classes[-1]}", where=where, fix="Name the alternatives' columns with --pair-column FIRST,SECOND",
        )  # fmt: skip


def longest(model: Model, asked: int | None) -> int:
    """Tokens to read of a text: as asked, else the length the model was pre-trained on, never past what it can read."""
    trained: Any = model.facts.get("recipe", {})
    usual = trained.get("max_length") if isinstance(trained, dict) else None
    most = model.encoder.max_length
    if asked is not None and not 4 <= asked <= most:
        raise RequestError(
            f"{asked} tokens", where="--max-length", fix=f"This model reads 4 to {most} tokens, special ones included."
        )
    return min(asked or usual or most, most)


def lost(task: Task, data: Labelled, examples: Examples) -> list[str]:
    """What no answer to rows as they were tokenised can get right; nothing is known where rows are answered whole."""
    if task.per_token is None or data.spans is None:
        return []
    wanted = task.targets(Answers(), examples.labels, examples.where)
    return task.per_token.lost(wanted, data.tokens, Path(examples.where).name)
