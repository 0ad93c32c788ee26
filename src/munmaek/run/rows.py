"""The labelled rows of a file, as a task has them: of a table, or of a file of tags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from munmaek.core.errors import RequestError
from munmaek.data.tables import Table, read_chunks, read_table
from munmaek.data.tagged import read_tagged
from munmaek.tasks import Task
from munmaek.tasks.examples import Examples, from_table

Named = tuple[str | None, str | None, str | None]
"""The columns asked for: text, second text, label; None is guessed."""
NO_COLUMNS: Named = (None, None, None)


def read_rows(task: Task, path: str | Path, columns: Named = NO_COLUMNS) -> Table:
    """All labelled rows of a file.

    Raises:
        RequestError: no such file or column, or a column of a file that has none. DataError: it cannot be read.
    """
    if task.per_token is not None:
        return _tagged(path, columns)
    text, pair, label = columns
    return read_table(path, text_column=text, pair_column=pair, label_column=label, pairs=task.pairs, labels=True,
                      alternatives=task.chooses)  # fmt: skip


def chunks(task: Task, path: str | Path, columns: Named = NO_COLUMNS) -> Iterator[Table]:
    """The same rows in bounded memory; a file of tags is one chunk."""
    if task.per_token is not None:
        yield _tagged(path, columns)
        return
    text, pair, label = columns
    yield from read_chunks(path, text_column=text, pair_column=pair, label_column=label, pairs=task.pairs, labels=True,
                           alternatives=task.chooses)  # fmt: skip


def examples(task: Task, path: str | Path, columns: Named = NO_COLUMNS, *, training: bool) -> Examples:
    """The rows that can be used; see `tasks.examples.from_table`."""
    return from_table(read_rows(task, path, columns), training=training)


def _tagged(path: str | Path, columns: Named) -> Table:
    named = next((name for name in columns if name is not None), None)
    if named is not None:
        fix = "Leave the column options out: a line is a unit and its tag."
        raise RequestError(f"a file of tags has no column {named!r}", where=str(path), fix=fix)
    return read_tagged(path)
