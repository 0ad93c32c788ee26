"""Tagged files, a unit of text and its BIO tag a line: texts with their entities, which travel as a row's label."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from munmaek.core.contracts import Span
from munmaek.core.errors import DataError, RequestError
from munmaek.data.reading import encoding_of, head_of
from munmaek.data.sources import Source
from munmaek.data.tables import Columns, Table

OUTSIDE = "O"
COMMENT = "##"
"""Begins a line that is no unit, unless it ends in a tag: KLUE's copy of the sentence with its entities marked."""
_TAG = re.compile(r"O|[BI]-.+")

Entity = tuple[int, int, str]
"""Characters [start, end) of a text, and what they name."""


def join(entities: Sequence[Entity]) -> str:
    """A text's entities as one label, which `split` takes apart again."""
    return json.dumps([[int(start), int(end), kind] for start, end, kind in entities], ensure_ascii=False)


def split(label: str) -> tuple[Entity, ...]:
    """The entities of a label."""
    return tuple((start, end, kind) for start, end, kind in json.loads(label))


def begins(tag: str, last: str) -> bool:
    """Whether an entity begins at a tag that follows `last`: at B-X, and at I-X after anything but B-X and I-X."""
    return tag != OUTSIDE and (tag[0] == "B" or tag[2:] != last[2:])


def entities_of(tags: Sequence[str], spans: Sequence[Span]) -> list[Entity]:
    """The entities of units in a row, each with its characters; read as the default mode of `seqeval` reads BIO."""
    found: list[Entity] = []
    last = OUTSIDE
    for tag, (start, end) in zip(tags, spans, strict=True):
        if begins(tag, last):
            found.append((start, end, tag[2:]))
        elif tag != OUTSIDE:
            first, stop, kind = found[-1]
            found[-1] = (first, max(stop, end), kind)
        last = tag
    return found


@dataclass
class _Read:
    """The sentences of a file, and what was odd about its lines."""

    sentences: list[tuple[list[str], list[str]]] = field(default_factory=list[tuple[list[str], list[str]]])
    num_lines: int = 0
    wrong: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])


def read_tagged(path: str | Path, *, characters: bool | None = None) -> Table:
    """Read a file of units and BIO tags: first cell the unit, last cell its tag, with tabs or spaces between them.

    A blank line ends a sentence. The file may be compressed, and in any encoding that texts may be in.

    Args:
        characters: True: units are characters, spaces among them, and stand side by side; False: words, joined by
            spaces; None: characters where some unit is a space, or none is longer than one character.
    Returns:
        A row a sentence, its entities as `join` writes them for a label.
    Raises:
        RequestError: no such file. DataError: a line has no unit or no tag, or the file holds no sentence.
    """
    path = Path(path)
    found = _read(path)
    if found.wrong:
        number, what = found.wrong[0]
        raise DataError(
            f"{what}; {len(found.wrong):,} of {found.num_lines:,} tagged lines cannot be read",
            where=f"{path}:{number}",
            fix="Write a unit, a tab and its tag (O, B-TYPE or I-TYPE) a line, and a blank line between sentences.",
        )  # fmt: skip
    if not found.sentences:
        raise DataError("the file holds no tagged sentence", where=str(path), fix="Write a unit and its tag a line.")
    glued = _are_characters(found) if characters is None else characters
    table = Table(path, Columns("text", None, "tag"), labels=[])
    repaired = 0
    for units, tags in found.sentences:
        text, spans = _placed(units, "" if glued else " ")
        table.texts.append(text)
        assert table.labels is not None
        table.labels.append(join(entities_of(tags, spans)))
        lasts = [OUTSIDE, *tags]
        repaired += sum(tag[0] == "I" and begins(tag, last) for tag, last in zip(tags, lasts, strict=False))
    if repaired:
        table.notes.append(f"{path.name}: {repaired:,} entities begin with an I- tag; read as if it were B-")
    return table


def _read(path: Path) -> _Read:
    found = _Read()
    units: list[str] = []
    tags: list[str] = []
    for number, line in enumerate(_lines(path), 1):
        if line.startswith(COMMENT) and not (units and _TAG.fullmatch(_cells(line)[1])):
            continue
        if "\t" not in line and not line.strip():
            if units:
                found.sentences.append((units, tags))
            units, tags = [], []
            continue
        found.num_lines += 1
        unit, tag = _cells(line)
        if unit and _TAG.fullmatch(tag):
            units.append(unit)
            tags.append(tag)
        else:
            what = "there is no unit before the tag" if _TAG.fullmatch(tag) else f"{tag!r} is no tag"
            found.wrong.append((number, what))
    if units:
        found.sentences.append((units, tags))
    return found


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        found = "a folder, not a file" if path.is_dir() else "there is no such file"
        raise RequestError(found, where=str(path), fix="Name one file of units and tags.")
    return (line.removesuffix("\r") for line in Source(path).lines(encoding_of(head_of(path), path)))


def _cells(line: str) -> tuple[str, str]:
    """The unit and the tag of a line; a unit may be a space, and there may be cells between the two."""
    if "\t" in line:
        cells = line.split("\t")
        return cells[0], cells[-1].strip()
    unit, _, tag = line.rstrip().rpartition(" ")
    return (unit.split(" ")[0] or " ") if unit else "", tag


def _are_characters(found: _Read) -> bool:
    units = {unit for units, _ in found.sentences for unit in units}
    return any(unit.isspace() for unit in units) or all(len(unicodedata.normalize("NFC", u)) == 1 for u in units)


def _placed(units: Sequence[str], between: str) -> tuple[str, list[Span]]:
    """The text of some units, and the characters of each."""
    spans: list[Span] = []
    place = 0
    for unit in units:
        spans.append((place, place + len(unit)))
        place += len(unit) + len(between)
    return between.join(units), spans
