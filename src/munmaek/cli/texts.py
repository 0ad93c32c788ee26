"""The texts a verb works on: its arguments, a file, or standard input, one a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from munmaek.cli.output import note
from munmaek.core.errors import DataError, RequestError


def stream(arguments: Sequence[str] | None, file: Path | None, column: str | None, verb: str) -> Iterator[str]:
    """Texts in their order, an empty one as "": from the arguments, else the file, else standard input.

    RequestError (at once) where arguments and a file are both given, or nothing is; DataError where there is no text.
    """
    if arguments and file is not None:
        raise RequestError(
            "texts are given twice, as arguments and as a file", where=f"munmaek {verb}", fix="Leave out one of them."
        )
    if file is not None:
        return _of_file(file, column)
    if arguments and list(arguments) != ["-"]:
        return iter(arguments)
    if not arguments and sys.stdin.isatty():
        fix = "Give texts as arguments, with --file PATH, or one a line on standard input."
        raise RequestError("there is no text", where=f"munmaek {verb}", fix=fix)
    return _not_empty(lines(sys.stdin), verb)


def two_a_line(texts: Iterator[str], where: str | None = None) -> Iterator[tuple[str, str]]:
    """Pairs from lines with a tab between two texts; `where` other than None: from texts that follow one another."""
    if where is not None:
        given = list(texts)
        if len(given) % 2:
            fix = "Give two texts for each pair, each in quotation marks."
            raise RequestError(f"{len(given)} texts do not make pairs", where=where, fix=fix)
        yield from zip(given[::2], given[1::2], strict=True)
        return
    for place, line in enumerate(texts, 1):
        first, tab, second = line.partition("\t")
        if not tab:
            fix = "Send two texts a line with a tab between them."
            raise RequestError("there is no tab", where=f"standard input:{place}", fix=fix)
        yield first, second


def choices_a_line(texts: Iterator[str], where: str | None = None) -> Iterator[tuple[str, str]]:
    """Contexts with their alternatives, from lines with tabs; `where` other than None: the texts are one such row."""
    from munmaek.data.choices import join

    rows = [list(texts)] if where is not None else (line.split("\t") for line in texts)
    for place, (context, *alternatives) in enumerate(rows, 1):
        if len(alternatives) < 2:
            fix = "Give a context and then its alternatives, with tabs between them on standard input."
            found = f"{len(alternatives)} alternatives are no choice"
            raise RequestError(found, where=where or f"standard input:{place}", fix=fix)
        yield context, join(alternatives)


def lines(source: TextIO) -> Iterator[str]:
    """Lines as UTF-8, line ends cut off; what is not UTF-8 becomes U+FFFD. Only a newline ends a line."""
    buffer = getattr(source, "buffer", None)
    for line in source if buffer is None else buffer:
        text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
        yield text.removesuffix("\n").removesuffix("\r")


def _of_file(file: Path, column: str | None) -> Iterator[str]:
    from munmaek.data.datasets import read_chunks

    skipped = 0
    for chunk in read_chunks(file, text_column=column, pairs=False, labels=False):
        skipped += sum(chunk.skipped.values())
        yield from chunk.texts
    if skipped:
        note(f"{file}: {skipped:,} rows could not be read and were left out")


def _not_empty(texts: Iterator[str], verb: str) -> Iterator[str]:
    empty = True
    for text in texts:
        empty = False
        yield text
    if empty:
        raise DataError("nothing came on standard input", where=f"munmaek {verb}", fix="Send one text a line.")
