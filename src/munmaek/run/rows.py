"""The rows of a file, as a task has them: of a table, or of a file of a kind of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from munmaek.core.errors import RequestError
from munmaek.data.questions import holds_questions, read_questions
from munmaek.data.tables import Table, read_chunks, read_table
from munmaek.data.tagged import read_tagged
from munmaek.data.usages import usage_table
from munmaek.tasks import Task
from munmaek.tasks.examples import Examples, from_table

Named = tuple[str | None, str | None, str | None]
"""The columns asked for: text, second text, label; None is guessed."""
NO_COLUMNS: Named = (None, None, None)
_READERS: dict[str, tuple[str, Callable[[Path], Table], str]] = {
    "tag": ("a file of tags", read_tagged, "a line is a unit and its tag"),
    "span": ("a file of questions", read_questions, "its JSON names its parts"),
}
"""Tasks whose labels are in no table: what their file is, its reader, and why it has no columns."""


def read_rows(task: Task, path: str | Path, columns: Named = NO_COLUMNS) -> Table:
    """All labelled rows of a file.

    Raises:
        RequestError: no such file or column, or a column of a file that has none. DataError: it cannot be read.
    """
    if task.name in _READERS:
        return _own(task, path, columns)
    text, pair, label = columns
    if task.marked:
        return usage_table(path, text, pair, label)
    return read_table(path, text_column=text, pair_column=pair, label_column=label, pairs=task.pairs, labels=True,
                      alternatives=task.chooses)  # fmt: skip


def chunks(task: Task, path: str | Path, columns: Named = NO_COLUMNS) -> Iterator[Table]:
    """The same rows in bounded memory; a file of a task's own kind is one chunk."""
    if task.name in _READERS or task.marked:
        yield read_rows(task, path, columns)
        return
    text, pair, label = columns
    yield from read_chunks(path, text_column=text, pair_column=pair, label_column=label, pairs=task.pairs, labels=True,
                           alternatives=task.chooses)  # fmt: skip


def examples(task: Task, path: str | Path, columns: Named = NO_COLUMNS, *, training: bool) -> Examples:
    """The rows that can be used; see `tasks.examples.from_table`."""
    return from_table(read_rows(task, path, columns), training=training)


def asked(task: Task, path: str | Path, text: str | None, pair: str | None, size: int) -> Iterator[Table]:
    """Rows to answer, at most `size` at a time but for a file of questions, whose answers are not looked at."""
    if task.name == "span" and holds_questions(path):
        yield _own(task, path, (text, pair, None))
        return
    if task.marked:
        yield usage_table(path, text, pair, answered=False)
        return
    yield from read_chunks(path, text_column=text, pair_column=pair, pairs=task.pairs, labels=False,
                           alternatives=task.chooses, size=size)  # fmt: skip


def _own(task: Task, path: str | Path, columns: Named) -> Table:
    what, read, why = _READERS[task.name]
    named = next((name for name in columns if name is not None), None)
    if named is not None:
        fix = f"Leave the column options out: {why}."
        raise RequestError(f"{what} has no column {named!r}", where=str(path), fix=fix)
    return read(Path(path))
