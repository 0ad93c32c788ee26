"""Files of word vectors: word2vec text and binary, fastText's .vec, GloVe text; every number checked before use.

word2vec: a line `V D`, then V words with D numbers each: as text, a word and its numbers separated by spaces in a line,
or binary, the word, one space and D little-endian float32. A `.vec` is word2vec text. GloVe text has no first line.

A word is bytes: it may hold anything but the byte that ends it, so a line's last D fields, split at 0x20 alone, are the
numbers and what stands before them is the word.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import FormatError, RequestError
from munmaek.core.files import no_room

FORMS = ("text", "binary", "glove")
MOST_WORD = 4_096
"""Bytes of the longest word that is believed."""
MOST_DIM = 65_536
_HEADER = re.compile(rb"(\d{1,18}) (\d{1,18}) *\r?\n")
_FASTTEXT_MAGIC = (793_712_314).to_bytes(4, "little")
_ROWS_WRITTEN = 1_024


@dataclass(frozen=True)
class WordVectors:
    """Words and their vectors, in the order of the file.

    Attributes:
        words: (words,) no two equal. values: (words, dim) float32, every number finite.
        left_out: reason -> how many rows were left out; empty where every row was kept.
    """

    words: list[str]
    values: NDArray[np.float32]
    left_out: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def dim(self) -> int:
        """Numbers of a vector."""
        return int(self.values.shape[1])


def read(path: str | Path, form: str = "auto", *, dim: int | None = None, strict: bool = True) -> WordVectors:
    """Read a file of word vectors.

    Args:
        form: "text" (word2vec, .vec), "binary" (word2vec), "glove" (text without a first line), or "auto".
        dim: numbers of a vector; only for "glove", where it is otherwise taken from the first lines.
        strict: False leaves out words that are not UTF-8, repeat an earlier one or have a number that is not finite,
            and counts them in `left_out`; True makes an error of the first.
    Raises:
        FormatError: the file is not what it says or is cut short; `offset` is the byte. RequestError: no such file.
    """
    path = Path(path)
    if form not in (*FORMS, "auto"):
        raise RequestError(f"no form {form!r}", where=str(path), fix=f"Forms: auto, {', '.join(FORMS)}.")
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise FormatError("the file is empty", where=str(path), offset=0)
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (FileNotFoundError, IsADirectoryError):
        raise RequestError("there is no such file", where=str(path), fix="Give a file of word vectors.") from None
    with data:
        form = _sniff(path, data) if form == "auto" else form
        rows = _Rows(path, data, strict)
        if form == "binary":
            _read_binary(rows)
        elif form == "glove":
            _read_lines(rows, 0, *_extent(path, data, dim))
        else:
            _read_lines(rows, *_header(path, data, text=True))
    return rows.result()


def _sniff(path: Path, data: mmap.mmap) -> str:
    """The form of a file by its first two lines."""
    if data[:4] == _FASTTEXT_MAGIC:
        raise FormatError(
            "a fastText model, not a file of vectors", where=str(path), fix="Give the .vec beside it.", offset=0
        )
    found = _HEADER.match(data[:64])
    if not found:
        return "glove"
    line = data[found.end() : found.end() + 32 * (int(found[2]) if int(found[2]) <= MOST_DIM else 1) + MOST_WORD]
    parts = line.split(b"\n")[0].rstrip(b" \r").rsplit(b" ", int(found[2]))
    try:
        _numbers(parts[1:])
    except ValueError:
        return "binary"
    return "text" if len(parts) == int(found[2]) + 1 else "binary"


def _header(path: Path, data: mmap.mmap, *, text: bool) -> tuple[int, int, int]:
    """Where the rows begin, how many there are said to be and of how many numbers, none of which the file belies."""
    found = _HEADER.match(data[:64])
    if not found:
        raise FormatError("the first line is not two whole numbers", where=str(path), offset=0,
                          fix="Of GloVe's own files the form is glove.")  # fmt: skip
    num, dim = int(found[1]), int(found[2])
    least = (2 + 2 * dim if text else 2 + 4 * dim) * num - (1 if text else 0)
    if num < 1 or not 0 < dim <= MOST_DIM or least > len(data) - found.end():
        raise FormatError(
            f"the first line says {num:,} words of {dim:,} numbers, which {len(data):,} bytes cannot hold",
            where=str(path), fix="The file was cut short or is of another kind; copy it again.", offset=0,
        )  # fmt: skip
    return found.end(), num, dim


def _extent(path: Path, data: mmap.mmap, dim: int | None) -> tuple[int, int]:
    """Rows and numbers a row of a file without a first line: its lines, and what most of its first lines hold."""
    if dim is None:
        start, fields = 0, list[int]()
        while len(fields) < 100 and start < len(data):
            stop = data.find(b"\n", start)
            line = data[start : min(len(data) if stop < 0 else stop, start + MOST_WORD + 32 * MOST_DIM)]
            fields.append(line.rstrip(b" \r").count(b" "))
            start = len(data) if stop < 0 else stop + 1
        dim = max(set(fields), key=lambda count: (fields.count(count), -count))
    num = sum(block.count(b"\n") for block in _blocks(data)) + (data[-1:] != b"\n")
    if not 0 < dim <= MOST_DIM or (2 + 2 * dim) * num - 1 > len(data):
        raise FormatError(
            f"{num:,} lines of {len(data):,} bytes do not hold a word and {dim:,} numbers each", where=str(path),
            fix="The file is of another kind, or was cut short; copy it again.", offset=0,
        )  # fmt: skip
    return num, dim


def _blocks(data: mmap.mmap) -> Iterator[bytes]:
    for start in range(0, len(data), 1 << 24):
        yield data[start : start + (1 << 24)]


def _numbers(fields: Sequence[bytes]) -> list[float]:
    """Numbers as C writes them; ValueError for what Python reads besides (1_000)."""
    if any(b"_" in part for part in fields):
        raise ValueError("an underscore")
    return list(map(float, fields))


class _Rows:
    """Collects the rows of a file, each checked; `add` says no more than what was found where."""

    def __init__(self, path: Path, data: mmap.mmap, strict: bool) -> None:
        self.path, self.data, self.strict = path, data, strict
        self.number: dict[str, int] = {}
        self.left_out: dict[str, int] = {}
        self.values: NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def expect(self, num: int, dim: int) -> None:
        """Make room; `num` and `dim` have been checked against the file's size."""
        self.values = np.empty((num, dim), np.float32)

    def fail(self, what: str, offset: int) -> FormatError:
        """The error for a row that cannot be read."""
        return FormatError(what, where=str(self.path), offset=offset,
                           fix="The file is damaged or of another kind; copy it again.")  # fmt: skip

    def add(self, word: bytes, numbers: Sequence[float] | NDArray[np.float32], offset: int) -> None:
        """One more row, which begins at byte `offset`."""
        try:
            name, bad = word.decode("utf-8"), ""
            bad = "a word occurs twice" if name in self.number else bad
        except UnicodeDecodeError:
            name, bad = repr(word)[1:], "a word is not UTF-8"
        place = len(self.number)
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is told
            self.values[place] = numbers
        if not bad and not np.isfinite(self.values[place]).all():
            bad = "a number is not finite"
        if bad and self.strict:
            raise FormatError(f"{bad}: {name[:60]!r}", where=str(self.path), offset=offset,
                              fix="Read it with strict=False to leave such rows out.")  # fmt: skip
        if bad:
            self.left_out[bad] = self.left_out.get(bad, 0) + 1
        else:
            self.number[name] = place

    def result(self) -> WordVectors:
        """What was read; FormatError where nothing is left."""
        if not self.number:
            raise self.fail("no row can be used", 0)
        return WordVectors(list(self.number), self.values[: len(self.number)], self.left_out)


def _read_binary(rows: _Rows) -> None:
    place, num, dim = _header(rows.path, rows.data, text=False)
    rows.expect(num, dim)
    data, size = rows.data, 4 * dim
    for _ in range(num):
        if data[place : place + 1] == b"\n":  # the original program ends each row with one, gensim does not
            place += 1
        space = data.find(b" ", place, place + MOST_WORD + 1)
        if space < 0:
            raise rows.fail(f"no space ends the word within {MOST_WORD:,} bytes or the file", place)
        if space + 1 + size > len(data):
            raise rows.fail(f"the file ends within the {len(rows.number) + 1:,}th of {num:,} vectors", len(data))
        if space == place:
            raise rows.fail("a word is empty", place)
        rows.add(data[place:space], np.frombuffer(data[space + 1 : space + 1 + size], "<f4"), place)
        place = space + 1 + size
    rest = data[place : place + 2]
    if rest not in (b"", b"\n"):
        raise rows.fail(f"{len(data) - place:,} bytes follow the last vector", place)


def _read_lines(rows: _Rows, place: int, num: int, dim: int) -> None:
    rows.expect(num, dim)
    data, longest = rows.data, MOST_WORD + 64 * dim
    for number in range(num):
        if place >= len(data):
            raise rows.fail(f"the file ends after {number:,} of {num:,} words", len(data))
        stop = data.find(b"\n", place, place + longest)
        if stop < 0 and len(data) - place > longest:
            raise rows.fail(f"a line is longer than {longest:,} bytes", place)
        stop = len(data) if stop < 0 else stop
        parts = data[place:stop].rstrip(b" \r").rsplit(b" ", dim)
        if len(parts) != dim + 1 or not 0 < len(parts[0]) <= MOST_WORD:
            raise rows.fail(f"a line has no word and {dim:,} numbers", place)
        try:
            numbers = _numbers(parts[1:])
        except ValueError:
            raise rows.fail(f"a line's last {dim:,} fields are not all numbers", place) from None
        rows.add(parts[0], numbers, place)
        place = stop + 1
    if place < len(data) and data[place : place + 1 << 16].strip():
        raise rows.fail(f"{len(data) - place:,} bytes follow the last of {num:,} words", place)


def write(path: str | Path, words: Sequence[str], values: NDArray[np.float32], form: str = "text") -> None:
    """Write words and their vectors `(words, dim)`; numbers of text keep every bit of a float32.

    Raises:
        FormatError: a word that the form cannot hold (empty, with a space or a line break, or not UTF-8), twice the
            same, or a number that is not finite. JobError: no room.
    """
    path = Path(path)
    if form not in FORMS:
        raise RequestError(f"no form {form!r}", where=str(path), fix=f"Forms: {', '.join(FORMS)}.")
    encoded = [_encoded(word, path) for word in words]
    if len(set(encoded)) < len(encoded) or len(encoded) != len(values):
        raise FormatError(f"{len(values):,} vectors for {len(set(encoded)):,} different words", where=str(path))
    if not np.isfinite(values).all():
        raise FormatError("a number is not finite", where=str(path), fix="The training that made it diverged.")
    try:
        with path.open("wb") as file:
            if form != "glove":
                file.write(f"{len(words)} {values.shape[1]}\n".encode())
            _write_rows(file, encoded, values, form)
    except OSError as error:
        raise no_room(path, error) from error


def _write_rows(file: BinaryIO, words: list[bytes], values: NDArray[np.float32], form: str) -> None:
    pattern = b" %.9g" * values.shape[1] + b"\n"
    for start in range(0, len(words), _ROWS_WRITTEN):
        part = np.ascontiguousarray(values[start : start + _ROWS_WRITTEN], dtype="<f4")
        names = words[start : start + _ROWS_WRITTEN]
        if form == "binary":
            file.write(b"".join(b"%s %s\n" % (name, row.tobytes()) for name, row in zip(names, part, strict=True)))
        else:
            file.write(b"".join(name + pattern % tuple(row) for name, row in zip(names, part.tolist(), strict=True)))


def _encoded(word: str, path: Path) -> bytes:
    try:
        encoded = word.encode("utf-8")
    except UnicodeEncodeError:
        encoded = b""
    if not encoded or b" " in encoded or b"\n" in encoded or len(encoded) > MOST_WORD:
        raise FormatError(
            f"the word {word[:60]!r} cannot stand in a file of vectors", where=str(path), fix="Leave such words out."
        )
    return encoded
