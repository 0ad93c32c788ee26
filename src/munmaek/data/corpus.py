"""Corpora: text files or lists as a restartable stream of documents, with an account of every line."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast

from munmaek.core.errors import DataError, RequestError
from munmaek.core.files import sha256_file
from munmaek.data import reading
from munmaek.data.korean import split_sentences as split_text
from munmaek.data.normalise import Normaliser, normalise, repairs
from munmaek.data.sources import open_source

Layout = Literal["auto", "blank", "line"]
DOCUMENT_LIMIT = 1 << 24
"""Characters of one document; a longer one is cut into several, which the report counts."""
TEXT_COLUMNS = ("text", "document", "sentence", "content", "review", "comment", "body", "본문", "내용", "문장", "리뷰")


@dataclass
class CorpusReport:
    """What one pass over a corpus found. `lines_read == lines_kept + sum(dropped.values())` always.

    Attributes:
        lines_read, lines_kept: lines of text files, rows of tables.
        dropped: reason -> lines (blank, empty, header, no text, not JSON, a line over 64 MiB ...).
        repairs: reason -> times (invalid_utf8, nul, lone_surrogate, long_line_cut, not_nfc ...).
        documents, sentences, characters: of what was kept, after normalisation.
        bytes: of the kept text as UTF-8.
        layouts: file -> how its documents were told apart.
    """

    lines_read: int = 0
    lines_kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])
    repairs: Counter[str] = field(default_factory=Counter[str])
    documents: int = 0
    sentences: int = 0
    characters: int = 0
    bytes: int = 0
    layouts: dict[str, str] = field(default_factory=dict[str, str])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        counters = {"dropped": dict(self.dropped), "repairs": dict(self.repairs), "layouts": dict(self.layouts)}
        return {**vars(self), **counters}

    def line(self, kept: bool, reason: str = "empty") -> None:
        """Count one line read: kept, or dropped for a reason."""
        self.lines_read += 1
        if kept:
            self.lines_kept += 1
        else:
            self.dropped[reason] += 1

    def document(self, sentences: list[str]) -> None:
        """Count one document that is handed out."""
        self.documents += 1
        self.sentences += len(sentences)
        for sentence in sentences:
            self.characters += len(sentence)
            self.bytes += len(sentence) if sentence.isascii() else len(sentence.encode("utf-8", "replace"))


class TextCorpus:
    """Documents of text files, folders and patterns; reading it again starts again.

    Args:
        paths: files, folders (read recursively, known suffixes only) and glob patterns.
        text_column: the column of tables; None takes the usual name.
        normalise: whether texts are normalised (NFC, nothing invisible) as they are read.
        documents: how .txt files separate documents: "blank" (a blank line ends one, each line is a sentence),
            "line" (each line is one), or "auto": "blank" where the file's first mebibyte has blank lines between texts.
        split_sentences: cut each line or field into sentences.

    Raises:
        RequestError, DataError: a path that is missing, of no known kind, damaged, binary, or without any text.
    """

    def __init__(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        text_column: str | None = None,
        normalise: bool = True,
        documents: Layout = "auto",
        split_sentences: bool = False,
    ) -> None:
        if documents not in ("auto", "blank", "line"):
            raise RequestError(f"documents={documents!r} is not known", fix="Use auto, blank or line.")
        self.files = reading.find_files(paths)
        self.text_column = text_column
        self.normalise = normalise
        self.documents = documents
        self.split_sentences = split_sentences
        self.report = CorpusReport()

    @property
    def options(self) -> dict[str, Any]:
        """The settings that change what is read, for the corpus hash."""
        return {
            "text_column": self.text_column,
            "normaliser": Normaliser().as_dict() if self.normalise else None,
            "documents": self.documents,
            "split_sentences": self.split_sentences,
        }

    def hash(self) -> str:
        """A hash of the files' bytes and the settings: equal exactly when the corpus is."""
        return corpus_hash(self.files, self.options)

    def __iter__(self) -> Iterator[list[str]]:
        self.report = report = CorpusReport()
        for path in self.files:
            for document in self._file(path, report):
                report.document(document)
                yield document
        if report.documents == 0:
            raise _empty(self.files, report)

    def _file(self, path: Path, report: CorpusReport) -> Iterator[list[str]]:
        if reading.suffix_of(path) == ".parquet":
            yield from self._table(path, report)
            return
        head = reading.head_of(path)
        encoding = reading.encoding_of(head, path)
        if encoding != "utf-8":
            report.repairs[f"read_as_{encoding}"] += 1
        if head.startswith(b"\xef\xbb\xbf"):
            report.repairs["byte_order_mark"] += 1
        if reading.has_old_line_ends(head[: reading.CHUNK]):
            report.repairs["carriage_return_line_ends"] += 1
            head = head.replace(b"\r", b"\n")
        text = head.decode(encoding, "replace").removeprefix("\ufeff")
        if reading.suffix_of(path) == ".txt" and not looks_like_table(text):
            layout = guess_layout(text) if self.documents == "auto" else self.documents
            yield from self._plain(path, encoding, layout == "line", report)
        else:
            yield from self._table(path, report)

    def _table(self, path: Path, report: CorpusReport) -> Iterator[list[str]]:
        source = open_source(path, TEXT_COLUMNS)
        name = choose_column(source.columns, self.text_column, str(path))
        report.layouts[str(path)] = f"each row's {name} is a document"
        if reading.suffix_of(path) in (".tsv", ".csv", ".txt"):
            report.line(False, "header")
        for (cell,) in source.read([name]):
            texts = texts_of(cell)
            lines = (line for text in texts for line in text.split("\n"))
            sentences = [sentence for line in lines for sentence in self._sentences(line, report)]
            report.line(bool(sentences), "empty" if texts else "no text")
            if sentences:
                yield sentences
        skipped, repaired = source.take_counts()
        for reason, count in skipped.items():
            report.lines_read += count
            report.dropped[reason] += count
        if repaired:
            report.repairs["lines_of_invalid_utf8"] += repaired

    def _plain(self, path: Path, encoding: str, by_line: bool, report: CorpusReport) -> Iterator[list[str]]:
        report.layouts[str(path)] = BY_LINE if by_line else BY_BLANK_LINE
        document: list[str] = []
        size = 0
        inside = False  # a line that comes in pieces, one of which was kept
        for block, goes_on in reading.blocks(path, encoding):
            for sentences in self._lines(block, report):
                document.extend(sentences)
                size += sum(map(len, sentences))
                if goes_on:
                    inside = inside or bool(sentences)
                    report.repairs["long_line_cut"] += 1
                    ends = by_line
                else:
                    report.line(bool(sentences) or inside, "blank")
                    ends = by_line or not (sentences or inside)
                    inside = False
                if size > DOCUMENT_LIMIT and not ends:
                    report.repairs["long_document_cut"] += 1
                    ends = True
                if ends and document:
                    yield document
                    document, size = [], 0
        if document:
            yield document

    def _lines(self, block: bytes, report: CorpusReport) -> Iterator[list[str]]:
        """The sentences of each line of a block, repaired; blocks that need no repair are told at once."""
        text = block.decode("utf-8", "surrogateescape")
        if "\r" in text:
            text = text.replace("\r\n", "\n").removesuffix("\r")
        lines = text.split("\n")
        if not "".join(lines).isprintable() or (self.normalise and not unicodedata.is_normalized("NFC", text)):
            yield from (self._sentences(line, report) for line in lines)
            return
        for line in lines:
            line = line.strip()
            if not line:
                yield []
            else:
                yield split_text(line) if self.split_sentences else [line]

    def _sentences(self, text: str, report: CorpusReport) -> list[str]:
        text = self._clean(text, report)
        if not text:
            return []
        return split_text(text) if self.split_sentences else [text]

    def _clean(self, text: str, report: CorpusReport) -> str:
        if text.isascii() and text.isprintable():
            return text.strip()
        if not text.isprintable() and (damaged := sum("\udc80" <= c <= "\udcff" for c in text)):
            report.repairs["invalid_utf8"] += damaged
            text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if not self.normalise:
            return text.strip()
        mended = normalise(text)
        if mended != text:
            report.repairs.update(repairs(text))
        return mended.strip()


BY_LINE = "each line is a document"
BY_BLANK_LINE = "a blank line ends a document, each line is a sentence"


def guess_layout(head: str) -> Literal["blank", "line"]:
    """How a .txt file separates documents, from its first characters.

    "blank" where blank lines stand between texts, at least one in 1,000 lines: rarer ones are slips, not borders.
    """
    lines = [bool(line.strip()) for line in head.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    borders = sum(1 for before, after in pairwise(lines) if before and not after)
    return "blank" if borders and borders * 1000 >= sum(lines) else "line"


def looks_like_table(head: str) -> bool:
    """Whether a .txt file is tab-separated: a header that names a text column, and a second line of that shape."""
    lines = head.split("\n", 2)
    names = lines[0].strip().lower().split("\t")
    return (
        len(lines) > 1
        and len(names) > 1
        and any(n in TEXT_COLUMNS for n in names)
        and (lines[1].count("\t") == len(names) - 1)
    )


def choose_column(columns: Sequence[str], asked: str | None, where: str) -> str:
    """Which column holds the text: the one asked for, else a usual name, else the only column.

    Raises:
        RequestError: the asked column is not there. DataError: no column is the obvious one.
    """
    if asked is not None:
        if asked in columns:
            return asked
        found = f"there is no column {asked!r}; there are: {', '.join(columns)}"
        raise RequestError(found, where=where, fix="Name one with --text-column.")
    usual = [name for known in TEXT_COLUMNS for name in columns if name.lower() == known]
    if usual or len(columns) == 1:
        return (usual or list(columns))[0]
    found = f"which column holds the text is not clear; there are: {', '.join(columns)}"
    raise DataError(found, where=where, fix="Name it with --text-column.")


def texts_of(cell: Any) -> list[str]:
    """The texts of a table's cell: a string, or a list of sentences; none where it is anything else."""
    if isinstance(cell, str):
        return [cell]
    items = cast("list[Any]", cell) if isinstance(cell, list) else []
    return [item for item in items if isinstance(item, str)]


def _empty(files: list[Path], report: CorpusReport) -> DataError:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in report.dropped.items()) or "the files are empty"
    where = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more files"
    return DataError(
        f"there is no text: {report.lines_read:,} lines read, none kept ({reasons})",
        where=where,
        fix="Give a corpus with text in it.",
    )


class MemoryCorpus:
    """Documents held in memory: lists of sentences, or single strings; normalised like files."""

    def __init__(self, documents: Iterable[Sequence[str] | str], *, normalise: bool = True) -> None:
        self.report = CorpusReport()
        self._documents: list[list[str]] = []
        for document in documents:
            given = [document] if isinstance(document, str) else list(document)
            sentences = [s for s in (_prepare(text, normalise, self.report) for text in given) if s]
            if sentences:
                self._documents.append(sentences)
                self.report.document(sentences)
        if not self._documents:
            raise DataError("the list has no document with a sentence in it", fix="Give a corpus with text.")

    def __iter__(self) -> Iterator[list[str]]:
        return (list(document) for document in self._documents)

    def __len__(self) -> int:
        return len(self._documents)

    def hash(self) -> str:
        """A hash of the texts and their borders."""
        digest = hashlib.sha256(b"memory 1")
        for document in self._documents:
            for sentence in document:
                data = sentence.encode("utf-8", "surrogatepass")
                digest.update(len(data).to_bytes(8, "little") + data)
            digest.update(b"\xff" * 8)
        return digest.hexdigest()


def _prepare(text: str, clean: bool, report: CorpusReport) -> str:
    mended = normalise(text).strip() if clean else text.strip()
    report.line(bool(mended))
    if clean and mended != text:
        report.repairs.update(repairs(text))
    return mended


def corpus_hash(paths: Sequence[str | Path], options: dict[str, Any]) -> str:
    """SHA-256 of the files' bytes, in order, and of the options; names and dates do not count, kinds do."""
    digest = hashlib.sha256(json.dumps(options, sort_keys=True, ensure_ascii=False).encode())
    for path in reading.find_files(list(paths)):
        compression = path.suffix.lower() if path.suffix.lower() in reading.COMPRESSIONS else ""
        try:
            content = sha256_file(path)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
        digest.update(f"{reading.suffix_of(path)}{compression} {content} ".encode())
    return digest.hexdigest()
