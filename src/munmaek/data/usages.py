"""Pairs of usages of a word (word in context, WiC): sentences, where the word stands, and whether it means the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from munmaek.core.contracts import Encoding
from munmaek.core.errors import DataError, RequestError
from munmaek.data.sources import open_source
from munmaek.data.tables import Columns, Table

WORD_NAMES = ("target", "word", "lemma", "대상", "낱말", "단어")
SENTENCE_NAMES = (
    ("sentence1", "sentence2"), ("context_1", "context_2"), ("context1", "context2"), ("sentence_1", "sentence_2"),
    ("sentence_a", "sentence_b"), ("문장1", "문장2"),
)  # fmt: skip
SAME_NAMES = ("label", "answer", "same", "gold_label", "정답", "라벨", "레이블")
ANSWERS = {"true": True, "t": True, "1": True, "1.0": True, "false": False, "f": False, "0": False, "0.0": False}
MARK = re.compile(r"\[([^\[\]]*)\]")
OPEN, CLOSE = "\x02", "\x03"
"""Around the word of a usage that travels as one string (U+0002 and U+0003, which no text holds)."""
NOT_FOUND = "the word is not in its sentence as it is written"


@dataclass(frozen=True)
class Usage:
    """A word in a sentence without marks; `span` is its characters [start, end), None where nothing marked it."""

    text: str
    word: str
    span: tuple[int, int] | None = None

    @property
    def place(self) -> tuple[int, int] | None:
        """Where the word stands, marked or found; None where the sentence does not hold it."""
        if self.span is not None:
            return self.span
        return find_word(self.text, self.word) if self.word in self.text else None


def find_word(text: str, word: str, occurrence: int = 0) -> tuple[int, int]:
    """Characters [start, end) of a word in a text; where it also opens an eojeol, those places come first counted.

    Raises:
        RequestError: the word is empty, or there are not so many occurrences.
    """
    if not word:
        raise RequestError("the word is empty", where="word")
    places = [match.start() for match in re.finditer(re.escape(word), text)]
    opening = [p for p in places if p == 0 or text[p - 1].isspace()]
    places = opening or places
    if not places:
        raise RequestError(f"{word!r} does not occur in {text!r}", fix="Write the word as it stands in the text.")
    if not 0 <= occurrence < len(places):
        found = f"{word!r} occurs {len(places)} times in {text!r}, occurrence {occurrence} was asked for"
        raise RequestError(found, fix="Count from 0.")
    return places[occurrence], places[occurrence] + len(word)


def held(encoding: Encoding, start: int, end: int) -> list[int]:
    """The tokens that hold some of the characters [start, end), special ones left out."""
    return [
        place for place, (begin, stop) in enumerate(encoding.offsets)
        if begin < end and stop > start and not encoding.special[place]
    ]  # fmt: skip


def join(text: str, span: tuple[int, int]) -> str:
    """A sentence and where its word stands as one string, which `split` takes apart again."""
    left, word, right = (part.replace(OPEN, " ").replace(CLOSE, " ")
                         for part in (text[: span[0]], text[slice(*span)], text[span[1] :]))  # fmt: skip
    return f"{left}{OPEN}{word}{CLOSE}{right}"


def split(marked: str) -> tuple[str, tuple[int, int]]:
    """A sentence without its mark, and the characters [start, end) of the word that was marked.

    A word is marked as `join` does it, or by the first [square brackets] in a sentence that a person wrote.

    Raises:
        DataError: no word is marked.
    """
    found = re.search(f"{OPEN}([^{CLOSE}]*){CLOSE}", marked) or MARK.search(marked)
    if found is None or not found.group(1).strip():
        fix = "Put the word in [square brackets] in each of its two sentences."
        raise DataError(f"no word is marked in {marked[:60]!r}", fix=fix)
    start, word = found.start(), found.group(1)
    return marked[:start] + word + marked[found.end() :], (start, start + len(word))


def show(marked: str) -> str:
    """A marked sentence for people: the word in [square brackets]."""
    text, (start, end) = split(marked)
    return f"{text[:start]}[{text[start:end]}]{text[end:]}"


@dataclass(frozen=True)
class UsagePairs:
    """Rows in the order of the file: two usages of one word, and whether both mean the same.

    Attributes:
        columns: names of the word's, the two sentences' and, where it was read, the answer's column.
        skipped: reason -> rows that could not be used and are in none of the lists.
    """

    path: Path
    columns: Sequence[str] = ()
    first: list[Usage] = field(default_factory=list[Usage])
    second: list[Usage] = field(default_factory=list[Usage])
    same: list[bool] = field(default_factory=list[bool])
    skipped: dict[str, int] = field(default_factory=dict[str, int])

    def __len__(self) -> int:
        return len(self.same)


def unmark(text: str, word: str) -> Usage:
    """A sentence in which square brackets may stand around the word, or around an eojeol that holds it (KB-WiC).

    Those brackets go; others are text and stay. Where several hold the word, the first says where it stands.
    """
    pieces: list[str] = []
    length = done = 0
    span: tuple[int, int] | None = None
    for match in MARK.finditer(text):
        inside = match.group(1).find(word)
        if not word or inside < 0:
            continue
        pieces += [text[done : match.start()], match.group(1)]
        length += match.start() - done
        span = span or (length + inside, length + inside + len(word))
        length += len(match.group(1))
        done = match.end()
    return Usage("".join([*pieces, text[done:]]), word, span)


def read_usages(
    path: str | Path, *, first_column: str | None = None, second_column: str | None = None,
    same_column: str | None = None, answered: bool = True,
) -> UsagePairs:  # fmt: skip
    """Read a table of word in context, in any format of `data.tables`.

    Its columns are the word (Target, word, lemma, 낱말 ...), two sentences (SENTENCE1 and SENTENCE2, context_1 and
    context_2, 문장1 and 문장2 ...) and whether the word means the same in both (ANSWER, label, 정답 ...: true or false,
    T or F, 1 or 0). KB-WiC's raw files, its copy on the Hugging Face hub and SuperGLUE's WiC are read as they are.

    Args:
        first_column, second_column, same_column: names where they are others.
        answered: False reads rows whose answer is not known, as if it were false.
    Raises:
        RequestError: no such file or column. DataError: damaged, or without a row that can be used.
    """
    path = Path(path)
    source = open_source(path, {*WORD_NAMES, *(name for pair in SENTENCE_NAMES for name in pair)})
    columns = _columns(source.columns, str(path), first_column, second_column, same_column, answered)
    pairs = UsagePairs(path, columns)
    for word, first, second, *answer in source.read(columns):
        same = ANSWERS.get(str(answer[0]).strip().lower()) if answered else False
        if not all(isinstance(text, str) and text.strip() for text in (word, first, second)):
            pairs.skipped[_MISSING] = pairs.skipped.get(_MISSING, 0) + 1
        elif same is None:
            pairs.skipped[_UNANSWERED] = pairs.skipped.get(_UNANSWERED, 0) + 1
        else:
            pairs.first.append(unmark(first.strip(), word.strip()))
            pairs.second.append(unmark(second.strip(), word.strip()))
            pairs.same.append(same)
    for reason, count in source.take_counts()[0].items():
        pairs.skipped[reason] = count
    if not pairs.same:
        found = ", ".join(f"{reason}: {count:,}" for reason, count in pairs.skipped.items()) or "the table has no rows"
        raise DataError(f"no row can be used ({found})", where=str(path), fix="Check the file's columns.")
    return pairs


_MISSING = "the word or a sentence is missing"
_UNANSWERED = "the answer is neither true nor false"


def usage_table(
    path: str | Path, first: str | None = None, second: str | None = None, same: str | None = None, *,
    answered: bool = True,
) -> Table:  # fmt: skip
    """The rows of `read_usages` whose words are found as a table: sentences as `join` writes them, true or false."""
    found = read_usages(path, first_column=first, second_column=second, same_column=same, answered=answered)
    _, *names = found.columns
    columns = Columns(names[0], names[1], names[2] if answered else None)
    table = Table(found.path, columns, pairs=[], labels=[] if answered else None, skipped=dict(found.skipped))
    for one, other, means_same in zip(found.first, found.second, found.same, strict=True):
        if one.place is None or other.place is None:
            table.skipped[NOT_FOUND] = table.skipped.get(NOT_FOUND, 0) + 1
            continue
        table.texts.append(join(one.text, one.place))
        assert table.pairs is not None
        table.pairs.append(join(other.text, other.place))
        if table.labels is not None:
            table.labels.append(str(means_same).lower())
    return table


def _columns(
    names: Sequence[str], where: str, first: str | None, second: str | None, same: str | None, answered: bool
) -> list[str]:
    """Names of the word's, both sentences' and the answer's column."""
    lowered = {name.strip().lower(): name for name in reversed(names)}
    usual = next(((lowered[a], lowered[b]) for a, b in SENTENCE_NAMES if a in lowered and b in lowered), (None, None))
    word = next((lowered[name] for name in WORD_NAMES if name in lowered), None)
    answer = same or next((lowered[name] for name in SAME_NAMES if name in lowered), None)
    chosen: dict[str, Any] = {
        "the word (named word or Target)": word,
        "the first sentence (SENTENCE1, or --text-column)": first or usual[0],
        "the second sentence (SENTENCE2, or --pair-column)": second or usual[1],
        "whether it means the same (ANSWER, or --label-column)": answer,
    }
    if not answered:
        chosen.popitem()
    for what, name in chosen.items():
        if name not in names:
            shown = ", ".join(each[:40] for each in names[:20])
            raise RequestError(f"no column holds {what}; there are: {shown}", where=where, fix="Name the columns.")
    return list(chosen.values())
