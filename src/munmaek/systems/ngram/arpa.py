"""ARPA files, what n-gram models are exchanged in: `model.arpa.gz` written, any plain or .gz one read.

\\data\\ says how many n-grams of each length there are; then for each length, a line an n-gram: log10 p, a tab, the
words, and for all but the longest a tab and the log10 of the back-off weight. Where that is missing it is 0.
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterator, Sequence
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import FormatError, RequestError
from munmaek.core.files import no_room
from munmaek.systems.ngram.model import NEVER, Level

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
MOST_ORDER = 8
MOST_LINE = 1 << 16
LEAST_BYTES = 4
"""Of a line of an n-gram: a digit, a tab, a word of one byte, a line break; and two more for each further word."""
MOST_RATIO = 1100
"""A .gz cannot hold more than about 1,032 times its size."""
_ROWS = 1 << 15
_TEN = math.log(10)


def write(path: Path, words: Sequence[str], levels: Sequence[Level]) -> None:
    """Write levels as a .gz; `words` are the names of the vocabulary, in order; JobError where there is no room."""
    names = [_name(word) for word in words]
    try:
        with (
            path.open("wb") as raw,
            gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=3, mtime=0) as out,
        ):
            head = "".join(f"ngram {place}={len(level.keys)}\n" for place, level in enumerate(levels, 1))
            out.write(f"\\data\\\n{head}".encode())
            for place, level in enumerate(levels):
                out.write(f"\n\\{place + 1}-grams:\n".encode())
                for start in range(0, len(level.keys), _ROWS):
                    part = slice(start, start + _ROWS)
                    out.write(_lines(names, levels, place, part))
            out.write(b"\n\\end\\\n")
    except OSError as error:
        raise no_room(path, error) from error


def _name(word: str) -> str:
    """A word as it stands in the file: white space, which would cut it in two, as its number."""
    return re.sub(r"\s", lambda found: f"\\u{ord(found[0]):04x}", word) or "\\u0000"


def _lines(names: list[str], levels: Sequence[Level], place: int, part: slice) -> bytes:
    level, size = levels[place], len(names)
    columns: list[NDArray[np.int64]] = []
    keys = level.keys[part]
    for below in range(place, 0, -1):
        parents, first = np.divmod(keys, size)
        columns.append(first)
        keys = levels[below - 1].keys[parents]
    columns.append(keys)
    logs = np.maximum(level.log_probs[part] / _TEN, -99.0).tolist()
    grams = (" ".join(names[word] for word in row) for row in np.stack(columns, axis=1).tolist())
    if place == len(levels) - 1:
        return "".join(f"{log:.7g}\t{gram}\n" for log, gram in zip(logs, grams, strict=True)).encode()
    backoffs = (level.backoffs[part] / _TEN).tolist()
    rows = zip(logs, grams, backoffs, strict=True)
    return "".join(f"{log:.7g}\t{gram}\t{backoff:.7g}\n" for log, gram, backoff in rows).encode()


def read(path: Path) -> tuple[list[str], list[Level]]:
    """The words of a file, <unk>, <s> and </s> first whether it has them or not, and its n-grams.

    Raises:
        FormatError: the file is not ARPA, lies about its sizes, is cut short, or has an n-gram whose last words are not
            n-grams of their own; says the line. RequestError: no such file.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            size = path.stat().st_size * (MOST_RATIO if packed else 1)
            with gzip.GzipFile(fileobj=raw) if packed else raw as file:
                return _Reader(path, file, size).read()
    except (FileNotFoundError, IsADirectoryError):
        raise RequestError("there is no such file", where=str(path), fix="Give an .arpa or .arpa.gz.") from None
    except (EOFError, gzip.BadGzipFile) as error:
        raise FormatError(f"the .gz is cut short or damaged: {error}", where=str(path), fix="Copy it again.") from error


class _Reader:
    """One pass over the lines of a file."""

    def __init__(self, path: Path, file: BufferedIOBase, size: int) -> None:
        self.path, self.file, self.size = path, file, size
        self.number = 0
        self.words = {UNKNOWN: 0, BEGIN: 1, END: 2}

    def fail(self, what: str) -> FormatError:
        """The error for the line that was read last."""
        return FormatError(what, where=f"{self.path}:{self.number}", fix="The file is damaged or of another kind.")

    def line(self) -> str:
        """The next line that is not empty; FormatError at the end of the file."""
        while True:
            raw = self.file.readline(MOST_LINE + 1)
            self.number += 1
            if not raw:
                raise self.fail("the file ends before \\end\\")
            if len(raw) > MOST_LINE:
                raise self.fail(f"a line is longer than {MOST_LINE:,} bytes")
            try:
                text = raw.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                raise self.fail("a line is not UTF-8") from None
            if text:
                return text

    def read(self) -> tuple[list[str], list[Level]]:
        """The whole file."""
        sizes, line = self._sizes()
        levels: list[Level] = []
        for length, size in enumerate(sizes, 1):
            if line != f"\\{length}-grams:":
                raise self.fail(f"expected \\{length}-grams: and found {line[:40]!r}")
            rows = self._rows(length, size, last=length == len(sizes))
            levels.append(self._singles(rows) if length == 1 else self._level(rows, levels, length))
            line = self.line()
        if line != "\\end\\":
            raise self.fail(f"expected \\end\\ and found {line[:40]!r}")
        return list(self.words), levels

    def _sizes(self) -> tuple[list[int], str]:
        line = self.line()
        while line != "\\data\\":  # whatever stands before is a comment
            line = self.line()
        sizes: list[int] = []
        line = self.line()
        while found := re.fullmatch(r"ngram\s+(\d{1,2})\s*=\s*(\d{1,15})", line):
            sizes.append(int(found[2]))
            if int(found[1]) != len(sizes) or len(sizes) > MOST_ORDER:
                raise self.fail(f"lengths are counted from 1 to at most {MOST_ORDER}; found {line!r}")
            line = self.line()
        needed = sum(size * (LEAST_BYTES + 2 * place) for place, size in enumerate(sizes))
        if not sizes or not sizes[0] or needed > self.size:
            raise self.fail(f"{sum(sizes):,} n-grams are said to be there, which the file cannot hold")
        return sizes, line

    def _rows(self, length: int, size: int, *, last: bool) -> Iterator[tuple[float, list[str], float]]:
        for _ in range(size):
            fields = self.line().split()
            if len(fields) not in ((length + 1,) if last else (length + 1, length + 2)):
                raise self.fail(f"expected log10 p, {length} words{'' if last else ' and a back-off weight'}")
            try:
                log, backoff = float(fields[0]), float(fields[length + 1]) if len(fields) > length + 1 else 0.0
            except ValueError:
                raise self.fail("a number is no number") from None
            if not log <= 1e-6 or math.isnan(backoff) or math.isinf(backoff):
                raise self.fail(f"log10 p is {fields[0]} and the back-off weight {backoff}")
            yield max(log * _TEN, NEVER) if log > -99 else NEVER, fields[1 : length + 1], backoff * _TEN

    def _singles(self, rows: Iterator[tuple[float, list[str], float]]) -> Level:
        found: dict[int, tuple[float, float]] = {}
        for log, (word,), backoff in rows:
            number = self.words.setdefault(word, len(self.words))
            if number in found:
                raise self.fail(f"the word {word[:40]!r} occurs twice")
            found[number] = (log, backoff)
        values = np.array([found.get(number, (NEVER, 0.0)) for number in range(len(self.words))], dtype=np.float32)
        return Level(np.arange(len(values), dtype=np.int64), values[:, 0].copy(), values[:, 1].copy())

    def _level(self, rows: Iterator[tuple[float, list[str], float]], levels: list[Level], length: int) -> Level:
        keys: list[int] = []
        values: list[tuple[float, float]] = []
        for log, gram, backoff in rows:
            try:
                ids = [self.words[word] for word in gram]
            except KeyError as missing:
                raise self.fail(f"the word {missing} is not among the single ones") from None
            place = ids[-1]
            for below in range(1, length - 1):
                wanted = place * len(self.words) + ids[-1 - below]
                place = int(np.searchsorted(levels[below].keys, wanted))
                if place == len(levels[below].keys) or levels[below].keys[place] != wanted:
                    raise self.fail(f"{' '.join(gram)!r} is there and its last {below + 1} words are not")
            keys.append(place * len(self.words) + ids[0])
            values.append((log, backoff))
        ordered = np.array(keys, dtype=np.int64)
        order = np.argsort(ordered)
        ordered = ordered[order]
        if (ordered[1:] == ordered[:-1]).any():
            raise self.fail(f"an n-gram of {length} words occurs twice")
        numbers = np.array(values, dtype=np.float32).reshape(-1, 2)[order]
        return Level(ordered, numbers[:, 0].copy(), numbers[:, 1].copy())
