"""Labelled tables: texts, second texts and labels from TSV, CSV, JSON lines, JSON and parquet, in chunks."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from munmaek.core.errors import DataError, RequestError
from munmaek.data import choices
from munmaek.data.sources import open_source

CHUNK_ROWS = 32_768

PAIR_NAMES = (
    ("sentence1", "sentence2"), ("premise", "hypothesis"), ("text1", "text2"), ("question1", "question2"),
    ("sentence_a", "sentence_b"), ("문장1", "문장2"), ("question", "context"), ("질문", "지문"), ("text", "question"),
    ("q", "a"),
)  # fmt: skip
"""Usual names of two texts that belong together, the surest first."""
TEXT_NAMES = (
    "text", "document", "sentence", "review", "content", "comment", "body", "sentence1", "premise", "text1",
    "question1", "sentence_a", "q", "title", "본문", "내용", "문장", "리뷰", "글", "제목", "문장1",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "gold_label", "class", "category", "sentiment", "score", "answer", "라벨", "레이블", "정답",
    "분류", "감성", "점수",
)  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """Which columns of a table were read; None where there is none.

    Attributes:
        question, alternatives: of a multiple choice, which has no `pair`; else None and ().
    """

    text: str
    pair: str | None = None
    label: str | None = None
    question: str | None = None
    alternatives: tuple[str, ...] = ()

    @property
    def read(self) -> list[str]:
        """All of them, in the order in which `_add` takes a row's cells."""
        second = (self.pair,) if self.pair else self.alternatives
        return [name for name in (self.text, self.question, *second, self.label) if name is not None]


@dataclass(frozen=True)
class Table:
    """Rows of a labelled table, in the order of the file.

    Attributes:
        path: the file. columns: the columns read.
        texts: first texts; an empty one stays, as "". Of a multiple choice the context with its question.
        pairs: second texts, or None; of a multiple choice a row's alternatives as `choices.join` puts them together.
        labels: as strings, None for a row without one; or None without a label column.
        skipped: reason -> rows that could not be read and are in none of the lists.
        repaired: rows with bytes that were not text, replaced by U+FFFD. notes: what else is odd, in sentences.
    """

    path: Path
    columns: Columns
    texts: list[str] = field(default_factory=list[str])
    pairs: list[str] | None = None
    labels: list[str | None] | None = None
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    repaired: int = 0
    notes: list[str] = field(default_factory=list[str])

    def __len__(self) -> int:
        return len(self.texts)


def read_table(
    path: str | Path,
    *,
    text_column: str | None = None,
    pair_column: str | None = None,
    label_column: str | None = None,
    pairs: bool | None = None,
    labels: bool | None = None,
    alternatives: bool = False,
) -> Table:
    """Read a whole table; see `read_chunks` for the arguments.

    Raises:
        RequestError: no such file or column. DataError: empty, damaged, or not a table.
    """
    chunks = list(
        read_chunks(path, text_column=text_column, pair_column=pair_column, label_column=label_column, pairs=pairs,
                    labels=labels, alternatives=alternatives)
    )  # fmt: skip
    first = chunks[0]
    return Table(
        first.path,
        first.columns,
        [text for chunk in chunks for text in chunk.texts],
        None if first.pairs is None else [pair for chunk in chunks for pair in chunk.pairs or []],
        None if first.labels is None else [label for chunk in chunks for label in chunk.labels or []],
        dict(sum((Counter(chunk.skipped) for chunk in chunks), Counter[str]())),
        sum(chunk.repaired for chunk in chunks),
    )


def read_chunks(
    path: str | Path,
    *,
    text_column: str | None = None,
    pair_column: str | None = None,
    label_column: str | None = None,
    pairs: bool | None = None,
    labels: bool | None = None,
    alternatives: bool = False,
    size: int = CHUNK_ROWS,
) -> Iterator[Table]:
    """A table in chunks of at most `size` rows, in bounded memory; there is at least one chunk with a row.

    Args:
        path: .tsv (and .txt whose first line is a header with tabs; quotes are ordinary characters there), .csv,
            .jsonl, .json (an array), .parquet; any of the text formats also as .gz, .xz, .zst. A .txt without such a
            header holds one text a line.
        text_column, pair_column, label_column: names of columns; guessed from usual names where None.
        pairs: True: a second text must be there; False: none is read; None: read where two texts are plain to see.
        labels: True: a label must be there; False: none is read; None: read where one is plain to see.
        alternatives: the rows are multiple choices: a context, perhaps a question of it (a column named question or
            질문, joined to the context by `choices.with_question`), and two or more alternatives. Their columns are
            named alternative_1, alternative_2 ..., choice1, choice2 ..., option1 ..., ending0 ..., 1, 2 ... and so on
            (`choices.ALTERNATIVE_NAMES`), or else are listed in `pair_column` with commas.
    Raises:
        RequestError: no such file or column. DataError: empty, damaged, or not a table.
    """
    path = Path(path)
    known = {name.lower() for name in (text_column, *TEXT_NAMES, *itertools.chain(*PAIR_NAMES)) if name}
    source = open_source(path, known)
    asked = (text_column, pair_column, label_column)
    if alternatives:
        columns = _choose_alternatives(source.columns, str(path), asked, labels)
    else:
        columns = _choose(source.columns, str(path), asked, pairs, labels)
    rows, single = source.read(columns.read), columns.pair is None and not columns.alternatives
    count = 0
    while True:
        chunk = Table(path, columns, pairs=None if single else [], labels=None if columns.label is None else [])
        for row in itertools.islice(rows, size):
            _add(chunk, row)
        skipped, repaired = source.take_counts()
        chunk.skipped.update((Counter(chunk.skipped) + skipped).items())
        count += len(chunk)
        if not chunk.texts and not chunk.skipped:
            break
        yield Table(path, columns, chunk.texts, chunk.pairs, chunk.labels, chunk.skipped, repaired)
    if not count:
        raise DataError("the table has no rows that can be read", where=str(path), fix="Check the file's format.")


def _add(chunk: Table, cells: list[Any]) -> None:
    """Put one row into a chunk; a cell that is no text is counted instead."""
    text = _as_text(cells.pop(0))
    question = _as_text(cells.pop(0)) if chunk.columns.question is not None else ""
    alternatives = [_as_text(cells.pop(0)) for _ in chunk.columns.alternatives]
    pair = _as_text(cells.pop(0)) if chunk.columns.pair is not None else choices.join(filter(None, alternatives))
    reason = "the text is not a string" if None in (text, question, pair) else ""
    if not all(alternative and alternative.strip() for alternative in alternatives):
        reason = "an alternative is empty"
    if reason or text is None or question is None or pair is None:
        chunk.skipped[reason] = chunk.skipped.get(reason, 0) + 1
        return
    if chunk.columns.question is not None:
        text = choices.with_question(text, question)
    chunk.texts.append(text)
    if chunk.pairs is not None:
        chunk.pairs.append(pair)
    if chunk.labels is not None:
        chunk.labels.append(_as_label(cells.pop(0)))


def _as_text(value: Any) -> str | None:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None


def _as_label(value: Any) -> str | None:
    """A label as a string, the same whatever the format; None, "" and NaN are none.

    1, 1.0 and "1" are one label, and so are true, "TRUE" and "True" (KoBEST writes both).
    """
    if isinstance(value, float):
        return None if math.isnan(value) else str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, str):
        label = value.strip()
        return label.capitalize() if label.lower() in ("true", "false") else label or None
    return str(value) if isinstance(value, bool | int) else None


# ---- which column is which ------------------------------------------------------------------------------------------


def _choose(
    names: Sequence[str], where: str, asked: tuple[str | None, str | None, str | None],
    pairs: bool | None, labels: bool | None,
) -> Columns:  # fmt: skip
    text, pair, label = asked
    _check_asked(names, where, (("--text-column", text), ("--pair-column", pair), ("--label-column", label)))
    lowered = {name.strip().lower(): name for name in reversed(names)}
    if pair is None and pairs is not False:
        text, pair = _guess_pair(lowered, text, PAIR_NAMES if pairs else PAIR_NAMES[:6])
    if pairs and pair is None:
        fix = "Name both with --text-column and --pair-column."
        raise _no_column("no column holds the second text", names, where, fix)
    text = text or _first(lowered, TEXT_NAMES) or (names[0] if len(names) == 1 else None)
    if text is None:
        fix = "The first line must name the columns; say which holds the text with --text-column."
        raise _no_column("which column holds the text is not clear", names, where, fix)
    label = _choose_label(names, where, label, labels, (text, pair))
    return Columns(text, pair if pairs is not False else None, label)


def _choose_alternatives(
    names: Sequence[str], where: str, asked: tuple[str | None, str | None, str | None], labels: bool | None
) -> Columns:
    """The columns of a multiple choice; where there is a question and no other text, that is the context."""
    text, listed, label = asked
    chosen = tuple(name.strip() for name in listed.split(",")) if listed else choices.alternative_columns(names)
    several = [("--pair-column", each) for each in chosen]
    _check_asked(names, where, (("--text-column", text), *several, ("--label-column", label)))
    if len(chosen) < 2:
        fix = "Name them alternative_1, alternative_2 and so on, or list them: --pair-column FIRST,SECOND"
        raise _no_column("no two columns hold alternatives to choose from", names, where, fix)
    lowered = {name.strip().lower(): name for name in reversed(names) if name not in chosen}
    question = _first(lowered, choices.QUESTION_NAMES)
    text = text or _first(lowered, (*choices.CONTEXT_NAMES, *TEXT_NAMES)) or question
    if text is None:
        fix = "Say which holds what the alternatives belong to with --text-column."
        raise _no_column("which column holds the context is not clear", names, where, fix)
    question = None if question == text else question
    label = _choose_label(names, where, label, labels, (text, question, *chosen))
    return Columns(text, None, label, question, chosen)


def _check_asked(names: Sequence[str], where: str, asked: Iterable[tuple[str, str | None]]) -> None:
    for option, name in asked:
        if name is not None and name not in names:
            raise _no_column(f"there is no column {name!r}", names, where, f"Name one of these with {option}.")


def _choose_label(
    names: Sequence[str], where: str, label: str | None, labels: bool | None, taken: Sequence[str | None]
) -> str | None:
    if labels is False:
        return None
    if label is None:
        label = _first({name.strip().lower(): name for name in reversed(names) if name not in taken}, LABEL_NAMES)
    if labels and label is None:
        raise _no_column("no column holds the label", names, where, "Name it with --label-column.")
    return label


def _guess_pair(
    lowered: dict[str, str], text: str | None, known: Iterable[tuple[str, str]]
) -> tuple[str | None, str | None]:
    for first, second in known:
        if first in lowered and second in lowered and text in (None, lowered[first]):
            return lowered[first], lowered[second]
    return text, None


def _first(lowered: dict[str, str], known: Iterable[str]) -> str | None:
    return next((lowered[name] for name in known if name in lowered), None)


def _no_column(what: str, names: Sequence[str], where: str, fix: str) -> RequestError:
    shown = ", ".join(name[:40] for name in names[:20]) + (" ..." if len(names) > 20 else "")
    return RequestError(f"{what}; there are: {shown}.", where=where, fix=fix)
