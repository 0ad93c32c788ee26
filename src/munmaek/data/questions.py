"""Questions about paragraphs whose answers are parts of them: the JSON of SQuAD, KorQuAD 1.0 and KLUE-MRC."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from munmaek.core.errors import DataError, RequestError
from munmaek.data.normalise import align, normalise
from munmaek.data.reading import COMPRESSIONS, open_bytes
from munmaek.data.sources import JSON_LIMIT
from munmaek.data.tables import Columns, Table

NEAR = 64
"""Characters that an answer may be away from where its file says that it begins."""
NOT_THERE = "no answer of theirs stands in the paragraph where the file says"

Gold = tuple[int, int, str]
"""An answer: characters [start, end) of the paragraph, and its text as the file has it."""


def join(golds: Sequence[Gold]) -> str:
    """A question's answers as one label, which `split` takes apart again; none where it has no answer."""
    return json.dumps([[int(start), int(end), text] for start, end, text in golds], ensure_ascii=False)


def split(label: str) -> tuple[Gold, ...]:
    """The answers of a label."""
    return tuple((start, end, text) for start, end, text in json.loads(label))


def holds_questions(path: str | Path) -> bool:
    """Whether a file is named as such JSON is, and not as a table."""
    name = Path(path).name.lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    return name.endswith(".json")


def read_questions(path: str | Path) -> Table:
    """Read a file of questions: {"data": [{"paragraphs": [{"context", "qas": [{"question", "answers"}]}]}]}.

    An answer is {"text", "answer_start"} in characters; a question whose "is_impossible" is true (SQuAD 2.0) has none.
    An answer that does not begin where the file says is looked for nearby (`NEAR`), also in another Unicode form; a
    question with none of its answers in place is skipped, counted. The file may be compressed.

    Returns:
        A row a question: the question, its paragraph as the second text, and its answers as `join` writes them for a
        label, None where the file gives none and does not say that there is none.
    Raises:
        RequestError: no such file. DataError: it is no such JSON; the message says in which part of it.
    """
    path = Path(path)
    if not path.is_file():
        found = "a folder, not a file" if path.is_dir() else "there is no such file"
        raise RequestError(found, where=str(path), fix="Name one file of questions in SQuAD's JSON.")
    reader = _Reader(path, Table(path, Columns("question", "context", "answers"), pairs=[], labels=[]))
    for number, article in enumerate(reader.array(reader.whole(), "data", "")):
        for paragraph, where in reader.parts(article, "paragraphs", f"data[{number}]"):
            context = reader.text(paragraph, "context", where)
            for asked, here in reader.parts(paragraph, "qas", where):
                reader.add(asked, context, here)
    table = reader.table
    if not table.texts and not table.skipped:
        raise DataError("the file holds no question", where=str(path), fix="Give SQuAD's JSON with at least one.")
    if reader.moved:
        told = f"{path.name}: {reader.moved:,} answers do not begin where the file says; found within {NEAR} characters"
        table.notes.append(told)
    return table


@dataclass
class _Reader:
    """One file on its way into a table; every failure names the part of the JSON."""

    path: Path
    table: Table
    moved: int = 0
    aligned: dict[str, tuple[str, list[int], list[int]]] = field(
        default_factory=dict[str, tuple[str, list[int], list[int]]]
    )

    def wrong(self, what: str, where: str) -> DataError:
        fix = 'Layout: {"data": [{"paragraphs": [{"context", "qas": [{"question", "answers"}]}]}]}'
        return DataError(what, where=f"{self.path}: {where}" if where else str(self.path), fix=fix)

    def whole(self) -> Any:
        with open_bytes(self.path) as stream:
            content = stream.read(JSON_LIMIT + 1)
        if len(content) > JSON_LIMIT:
            raise DataError("JSON over 1 GiB", where=str(self.path), fix="Cut the file into smaller ones.")
        try:
            return json.loads(content)
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise DataError(f"not valid JSON: {error}", where=str(self.path)) from error

    def member(self, value: Any, name: str, where: str) -> Any:
        if not isinstance(value, dict):
            raise self.wrong(f"not an object but {_kind(value)}", where)
        if name not in value:
            raise self.wrong(f"there is no {name!r}", where)
        return cast("dict[str, Any]", value)[name]

    def array(self, value: Any, name: str, where: str) -> list[Any]:
        found = self.member(value, name, where)
        if not isinstance(found, list):
            raise self.wrong(f"{name!r} is not an array but {_kind(found)}", where)
        return cast("list[Any]", found)

    def parts(self, value: Any, name: str, where: str) -> Iterator[tuple[Any, str]]:
        """The elements of a member, each with its path."""
        for number, each in enumerate(self.array(value, name, where)):
            yield each, f"{where}.{name}[{number}]"

    def text(self, value: Any, name: str, where: str) -> str:
        found = self.member(value, name, where)
        if not isinstance(found, str):
            raise self.wrong(f"{name!r} is not a text but {_kind(found)}", where)
        return found

    def add(self, asked: Any, context: str, where: str) -> None:
        """Put a question into the table, or count it as skipped."""
        question, label = self.text(asked, "question", where), self.label(asked, context, where)
        if label == NOT_THERE:
            self.table.skipped.update(Counter(self.table.skipped) + Counter([NOT_THERE]))
            return
        assert self.table.pairs is not None
        assert self.table.labels is not None
        self.table.texts.append(question)
        self.table.pairs.append(context)
        self.table.labels.append(label)

    def label(self, asked: dict[str, Any], context: str, where: str) -> str | None:
        """The answers as one label; None where nothing is said of them, NOT_THERE where they do not stand there."""
        if asked.get("is_impossible") is True:
            return join([])
        if not asked.get("answers"):
            return None
        golds: list[Gold] = []
        for answer, here in self.parts(asked, "answers", where):
            text, start = self.text(answer, "text", here), self.member(answer, "answer_start", here)
            if not isinstance(start, int) or isinstance(start, bool):
                raise self.wrong(f"'answer_start' is not a whole number but {_kind(start)}", here)
            span = self.place(context, text, start)
            if span is not None:
                golds.append((*span, text.strip()))
        return join(golds) if golds else NOT_THERE

    def place(self, context: str, text: str, start: int) -> tuple[int, int] | None:
        """The characters of an answer in its paragraph, spaces at its ends left out; the nearest to `start`."""
        bare = text.strip()
        begin = start + len(text) - len(text.lstrip())
        if bare and begin >= 0 and context.startswith(bare, begin):
            return begin, begin + len(bare)
        if context not in self.aligned:
            self.aligned = {context: align(context)}
        clean, starts, ends = self.aligned[context]
        needle = normalise(bare)
        places = [(starts[at], ends[at + len(needle) - 1]) for at in _all(clean, needle)]
        near = min(places, key=lambda span: abs(span[0] - begin), default=None)
        if near is None or abs(near[0] - begin) > NEAR:
            return None
        self.moved += near[0] != begin
        return near


def _all(text: str, needle: str) -> Iterator[int]:
    """Where a string occurs in a text."""
    at = text.find(needle) if needle else -1
    while at >= 0:
        yield at
        at = text.find(needle, at + 1)


def _kind(value: Any) -> str:
    kinds = {"dict": "an object", "list": "an array", "str": "a text", "bool": "true or false", "NoneType": "null"}
    return kinds.get(value.__class__.__name__, "a number")
