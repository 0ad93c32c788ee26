"""Pairs of usages of a word (word in context, WiC): sentences, where the word stands, and whether it means the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from munmaek.core.errors import DataError, RequestError
from munmaek.data.sources import open_source

WORD_NAMES = ("target", "word", "lemma", "대상", "낱말", "단어")
SENTENCE_NAMES = (
    ("sentence1", "sentence2"), ("context_1", "context_2"), ("context1", "context2"), ("sentence_1", "sentence_2"),
    ("sentence_a", "sentence_b"), ("문장1", "문장2"),
)  # fmt: skip
SAME_NAMES = ("label", "answer", "same", "gold_label", "정답", "라벨", "레이블")
ANSWERS = {"true": True, "t": True, "1": True, "1.0": True, "false": False, "f": False, "0": False, "0.0": False}
MARK = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Usage:
    """A word in a sentence without marks; `span` is its characters [start, end), None where nothing marked it."""

    text: str
    word: str
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class UsagePairs:
    """Rows in the order of the file: two usages of one word, and whether both mean the same.

    Attributes:
        skipped: reason -> rows that could not be used and are in none of the lists.
    """

    path: Path
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
    same_column: str | None = None,
) -> UsagePairs:  # fmt: skip
    """Read a table of word in context, in any format of `data.tables`.

    Its columns are the word (Target, word, lemma, 낱말 ...), two sentences (SENTENCE1 and SENTENCE2, context_1 and
    context_2, 문장1 and 문장2 ...) and whether the word means the same in both (ANSWER, label, 정답 ...: true or false,
    T or F, 1 or 0). KB-WiC's raw files, its copy on the Hugging Face hub and SuperGLUE's WiC are read as they are.

    Args:
        first_column, second_column, same_column: names where they are others.
    Raises:
        RequestError: no such file or column. DataError: damaged, or without a row that can be used.
    """
    path = Path(path)
    source = open_source(path, {*WORD_NAMES, *(name for pair in SENTENCE_NAMES for name in pair)})
    pairs = UsagePairs(path)
    for word, first, second, answer in source.read(
        _columns(source.columns, str(path), first_column, second_column, same_column)
    ):
        same = ANSWERS.get(str(answer).strip().lower())
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


def _columns(names: Sequence[str], where: str, first: str | None, second: str | None, same: str | None) -> list[str]:
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
    for what, name in chosen.items():
        if name not in names:
            shown = ", ".join(each[:40] for each in names[:20])
            raise RequestError(f"no column holds {what}; there are: {shown}", where=where, fix="Name the columns.")
    return list(chosen.values())
