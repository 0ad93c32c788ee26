"""Files of tables as column names and rows: TSV without quoting, CSV, JSON lines or array, parquet, lines of text."""

from __future__ import annotations

import csv
import importlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from munmaek.core.errors import DataError, RequestError
from munmaek.data.reading import COMPRESSIONS, encoding_of, head_of, open_bytes, raw_lines

SUFFIXES = (".tsv", ".csv", ".jsonl", ".ndjson", ".json", ".parquet", ".txt")
FIELD_LIMIT = 1 << 26
JSON_LIMIT = 1 << 30
PEEKED_RECORDS = 100
QUOTED_LINES = 100
"""A CSV row of a wrong width over more lines than this has a quotation mark that is not closed."""


class Source:
    """A file as column names and rows, with counts of what was skipped and repaired since last asked.

    Attributes:
        columns: names in the file's order. read: (some of the names) -> rows of those cells, once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: list[str] = []
        self.read: Callable[[Sequence[str]], Iterator[list[Any]]] = lambda names: iter(())
        self._skipped: Counter[str] = Counter()
        self._repaired = 0

    def take_counts(self) -> tuple[Counter[str], int]:
        """The counts so far, which start anew."""
        counts = self._skipped, self._repaired
        self._skipped, self._repaired = Counter(), 0
        return counts

    def skip(self, reason: str) -> None:
        """Count a row that is left out."""
        self._skipped[reason] += 1

    def lines(self, encoding: str) -> Iterator[str]:
        """The file's lines as text; those over 64 MiB are skipped."""
        too_long = False
        for piece, goes_on in raw_lines(self.path, encoding, FIELD_LIMIT):
            if goes_on or too_long:
                if not goes_on:
                    self.skip("a line over 64 MiB")
                too_long = goes_on
                continue
            try:
                yield piece.decode("utf-8")
            except UnicodeDecodeError:
                self._repaired += 1
                yield piece.decode("utf-8", "replace")


def suffix_of(path: Path) -> str:
    """The format of a table by its name, a compression's suffix left out; "" where it is no known one."""
    name = path.name.lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    return Path(name).suffix if Path(name).suffix in SUFFIXES else ""


def open_source(path: Path, known: Collection[str]) -> Source:
    """Open a table; `known` are lower-case column names by which a .txt is seen to be one.

    Raises:
        RequestError: no such file, or not a kind of file that is read. DataError: empty, binary or damaged.
    """
    if not path.exists():
        raise RequestError("there is no such file", where=str(path), fix="Check the path.")
    if path.is_dir():
        held = ", ".join(sorted(p.name for p in path.iterdir())[:10])
        raise RequestError("a folder, not a table", where=str(path), fix=f"Name one file. The folder holds: {held}.")
    suffix, source = suffix_of(path), Source(path)
    if not suffix:
        fix = f"Known: {', '.join(SUFFIXES)}, plain or with {', '.join(COMPRESSIONS)}."
        raise RequestError(f"files of the kind {path.suffix or '(no suffix)'!r} are not read", where=str(path), fix=fix)
    if suffix == ".parquet":
        _from_parquet(source)
        return source
    head = head_of(path)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise DataError("the file is empty", where=str(path))
    encoding = encoding_of(head, path)
    if suffix in (".jsonl", ".ndjson"):
        _from_records(source, _json_lines(source, encoding))
    elif suffix == ".json":
        _from_records(source, _json_array(path))
    elif suffix == ".csv":
        _from_csv(source, encoding)
    else:
        _from_tabs(source, encoding, suffix == ".tsv", known)
    return source


def _from_tabs(source: Source, encoding: str, certainly: bool, known: Collection[str]) -> None:
    lines = source.lines(encoding)
    header = next(lines, "")
    names = [name.strip() for name in header.split("\t")]
    if certainly or (len(names) > 1 and any(name.lower() in known for name in names)):
        _from_cells(source, names, (line.split("\t") for line in lines))
    else:
        source.columns = ["text"]
        source.read = lambda names: ([line] * len(names) for line in itertools.chain([header], lines))


def _from_cells(source: Source, columns: list[str], rows: Iterable[list[str]]) -> None:
    source.columns = columns

    def read(names: Sequence[str]) -> Iterator[list[Any]]:
        places = [columns.index(name) for name in names]
        for row in rows:
            if len(row) == len(columns):
                yield [row[place] for place in places]
            else:
                source.skip("an empty line" if row in ([], [""]) else "another number of columns than the header")

    source.read = read


def _from_csv(source: Source, encoding: str) -> None:
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(line + "\n" for line in source.lines(encoding))

    def rows() -> Iterator[list[str]]:
        width = begins = 0
        try:
            for row in reader:
                width = width or len(row)
                if len(row) != width and reader.line_num - begins > QUOTED_LINES:
                    raise csv.Error(f"a quotation mark in line {begins + 1} is not closed")
                begins = reader.line_num
                yield row
        except csv.Error as error:
            fix = "Close or double the quotation mark; a file without quoting is a .tsv with tabs."
            raise DataError(f"not valid CSV: {error}", where=f"{source.path}:{begins + 1}", fix=fix) from error

    found = rows()
    _from_cells(source, [name.strip() for name in next(found, list[str]())], found)


def _json_lines(source: Source, encoding: str) -> Iterator[Any]:
    for line in source.lines(encoding):
        try:
            yield json.loads(line) if line.strip() else None
        except (json.JSONDecodeError, RecursionError):
            source.skip("not JSON")


def _json_array(path: Path) -> Iterator[Any]:
    with open_bytes(path) as stream:
        content = stream.read(JSON_LIMIT + 1)
    if len(content) > JSON_LIMIT:
        raise DataError("a JSON array over 1 GiB", where=str(path), fix="Save it as JSON lines (.jsonl).")
    try:
        found: Any = json.loads(content)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"not valid JSON: {error}", where=str(path)) from error
    if isinstance(found, dict):  # a table wrapped in an object: {"data": [...]}
        values = cast("dict[str, Any]", found).values()
        found = next((cast("list[Any]", value) for value in values if isinstance(value, list)), None)
    if not isinstance(found, list):
        raise DataError("the JSON holds no array of rows", where=str(path), fix="Save it as JSON lines (.jsonl).")
    yield from cast("list[Any]", found)


def _from_records(source: Source, records: Iterator[Any]) -> None:
    """Objects as rows; the columns are the names in the first hundred of them, in order of appearance."""

    def objects() -> Iterator[dict[str, Any]]:
        for record in records:
            if isinstance(record, dict):
                yield cast("dict[str, Any]", record)
            elif isinstance(record, str):
                yield {"text": record}
            else:
                source.skip("an empty line" if record is None else "not an object")

    found = objects()
    peeked = list(itertools.islice(found, PEEKED_RECORDS))
    if not peeked:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in source.take_counts()[0].items())
        fix = 'Write one object a line: {"text": "..."}.'
        raise DataError(f"no row is a JSON object ({reasons})", where=str(source.path), fix=fix)
    source.columns = list(dict.fromkeys(name for record in peeked for name in record))
    chained = itertools.chain(peeked, found)
    source.read = lambda names: ([record.get(name) for name in names] for record in chained)


def _from_parquet(source: Source) -> None:
    try:
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        fix = "pip install 'munmaek[parquet]'"
        raise RequestError("reading parquet needs pyarrow", where=str(source.path), fix=fix) from None
    failures: tuple[type[Exception], ...] = (arrow.ArrowException, OSError)
    try:
        file = parquet.ParquetFile(source.path)
        source.columns = list(file.schema_arrow.names)
    except failures as error:
        raise DataError(f"not a parquet file: {error}", where=str(source.path)) from error

    def read(names: Sequence[str]) -> Iterator[list[Any]]:
        count = 0
        try:
            for batch in file.iter_batches(batch_size=4096, columns=list(dict.fromkeys(names))):
                cells = [batch.column(name).to_pylist() for name in names]
                yield from (list(row) for row in zip(*cells, strict=True))
                count += batch.num_rows
        except failures as error:
            raise DataError(
                f"not a whole parquet file: {error} (after {count:,} rows)", where=str(source.path)
            ) from error

    source.read = read
