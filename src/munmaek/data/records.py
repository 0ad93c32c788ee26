"""Rows of tables as text: TSV without quoting, CSV, JSON lines and parquet, one column of each."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from munmaek.core.errors import DataError, RequestError
from munmaek.data.reading import damaged, raw_lines

TEXT_COLUMNS = ("text", "document", "sentence", "content", "review", "comment", "body", "본문", "내용", "문장", "리뷰")
FIELD_LIMIT = 1 << 26

Row = tuple[list[str], str | None]  # the texts of one row (none where it is dropped), and the reason it is dropped


def choose_column(columns: Sequence[str], asked: str | None, where: str) -> int:
    """Which column holds the text: the one asked for, else a usual name, else the only column.

    Raises:
        RequestError: the asked column is not there. DataError: no column is the obvious one.
    """
    names = [name.strip() for name in columns]
    if asked is not None:
        if asked in names:
            return names.index(asked)
        raise RequestError(
            f"there is no column {asked!r}; there are: {', '.join(names)}", where=where, fix="Name one with --text-column."
        )
    lowered = [name.lower() for name in names]
    for name in TEXT_COLUMNS:
        if name in lowered:
            return lowered.index(name)
    if len(names) == 1:
        return 0
    raise DataError(
        f"which column holds the text is not clear; there are: {', '.join(names)}",
        where=where,
        fix="Name it with --text-column.",
    )


def looks_like_table(head: bytes) -> bool:
    """Whether a .txt file is really tab-separated: a header that names a text column, and a second line of that shape."""
    lines = head.split(b"\n", 2)
    if len(lines) < 2 or b"\t" not in lines[0]:
        return False
    names = lines[0].decode("utf-8", "replace").removeprefix("\ufeff").strip().lower().split("\t")
    return any(name in TEXT_COLUMNS for name in names) and lines[1].count(b"\t") == len(names) - 1


def tsv_rows(path: Path, encoding: str, column: str | None) -> Iterator[Row]:
    """Rows of a tab-separated file with a header; quotes are ordinary characters. The header counts as a dropped row."""
    index = width = -1
    for line in _whole_lines(path, encoding):
        if line is None:
            yield [], "too_long"
            continue
        fields = line.split("\t")
        if width < 0:
            index, width = choose_column(fields, column, f"{path}:1"), len(fields)
            yield [], "header"
        elif not line.strip():
            yield [], "empty"
        elif len(fields) != width:
            yield [], "wrong_number_of_columns"
        else:
            yield [fields[index]], None


def csv_rows(path: Path, encoding: str, column: str | None) -> Iterator[Row]:
    """Rows of a comma-separated file with a header and the usual quoting; a quoted field may hold line breaks."""
    csv.field_size_limit(FIELD_LIMIT)
    lines = (line + "\n" for line in _whole_lines(path, encoding) if line is not None)
    reader = csv.reader(lines)
    try:
        header = next(reader, None)
        if header is None:
            return
        index = choose_column(header, column, f"{path}:1")
        yield [], "header"
        for fields in reader:
            if not fields:
                yield [], "empty"
            elif len(fields) != len(header):
                yield [], "wrong_number_of_columns"
            else:
                yield [fields[index]], None
    except csv.Error as error:
        raise DataError(
            f"not valid CSV: {error}",
            where=f"{path}:{reader.line_num}",
            fix="A quotation mark is probably not closed; a file without quoting should be named .tsv and use tabs.",
        ) from error


def json_rows(path: Path, encoding: str, column: str | None) -> Iterator[Row]:
    """Rows of a JSON-lines file: objects with a text field (a string, or a list of sentences), or bare strings."""
    name = column
    for line in _whole_lines(path, encoding):
        if line is None:
            yield [], "too_long"
            continue
        if not line.strip():
            yield [], "empty"
            continue
        try:
            value: Any = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            yield [], "not_json"
            continue
        if isinstance(value, dict):
            row = cast("dict[str, Any]", value)
            if name is None:
                textual = [key for key, item in row.items() if isinstance(item, str | list)]
                name = textual[choose_column(textual, column, str(path))] if textual else None
            if name is not None and column == name and name not in row and not any(True for _ in ()):
                yield [], "no_text"
                continue
            value = row.get(name) if name is not None else None
        yield _texts(value)


def _texts(value: Any) -> Row:
    if isinstance(value, str):
        return [value], None
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if items and all(isinstance(item, str) for item in items):
            return items, None
    return [], "no_text"


def parquet_rows(path: Path, column: str | None) -> Iterator[Row]:
    """Rows of a parquet file's text column, in batches, whatever the size of the file.

    Raises:
        DataError: not a parquet file, or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    try:
        file: Any = pq.ParquetFile(path)
        names: list[str] = list(file.schema_arrow.names)
        name = names[choose_column(names, column, str(path))]
        for batch in file.iter_batches(batch_size=4096, columns=[name]):
            for value in batch.column(0).to_pylist():
                count += 1
                yield _texts(value)
    except (pa.ArrowInvalid, OSError) as error:
        raise damaged(path, count, error) from error


def _whole_lines(path: Path, encoding: str) -> Iterator[str | None]:
    """Lines as text, with damaged bytes as U+FFFD; None for one over 64 MiB."""
    parts: list[bytes] = []
    size = 0
    for piece, goes_on in raw_lines(path, encoding, FIELD_LIMIT):
        if goes_on or size:
            size += len(piece)
            parts = []
            if not goes_on:
                size = 0
                yield None
            continue
        parts.append(piece)
        yield b"".join(parts).decode("utf-8", "replace")
        parts = []
