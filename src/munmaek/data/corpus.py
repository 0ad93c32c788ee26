"""Corpora: text files or lists as a restartable stream of documents, with an account of every line."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from munmaek.core.errors import DataError, RequestError
from munmaek.core.files import sha256_file
from munmaek.data import reading, records
from munmaek.data.korean import split_sentences as split_text
from munmaek.data.normalise import Normaliser, normalise, repairs

Layout = Literal["auto", "blank", "line"]
SENTENCES_LIMIT = 1 << 16


@dataclass
class CorpusReport:
    """What one pass over a corpus found. `lines_read == lines_kept + sum(dropped.values())` always.

    Attributes:
        lines_read, lines_kept: lines of text files, rows of tables.
        dropped: reason -> lines (header, empty, no_text, not_json, wrong_number_of_columns, too_long, separator).
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
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: dict(value) if isinstance(value, dict) else value for name, value in values.items()}

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
        suffix = reading.suffix_of(path)
        if suffix == ".parquet":
            report.layouts[str(path)] = "one row, one document"
            yield from self._rows(records.parquet_rows(path, self.text_column), report)
            return
        head = reading.head_of(path)
        encoding = reading.encoding_of(head, path)
        if encoding != "utf-8":
            report.repairs[f"read_as_{encoding}"] += 1
        if head.startswith(b"\xef\xbb\xbf"):
            report.repairs["byte_order_mark"] += 1
        if suffix == ".txt" and not (encoding == "utf-8" and records.looks_like_table(head)):
            yield from self._plain(path, head, encoding, report)
            return
        report.layouts[str(path)] = "one row, one document"
        read = {".csv": records.csv_rows, ".jsonl": records.json_rows, ".ndjson": records.json_rows}
        rows = read.get(suffix or "", records.tsv_rows)(path, encoding, self.text_column)
        yield from self._rows(rows, report)

    def _rows(self, rows: Iterable[records.Row], report: CorpusReport) -> Iterator[list[str]]:
        for texts, reason in rows:
            sentences = [s for text in texts for line in text.split("\n") for s in self._sentences(line, report)]
            report.line(bool(sentences), reason or "empty")
            if sentences:
                yield sentences

    def _plain(self, path: Path, head: bytes, encoding: str, report: CorpusReport) -> Iterator[list[str]]:
        layout = self.documents if self.documents != "auto" else guess_layout(head, encoding)
        report.layouts[str(path)] = _LAYOUTS[layout]
        by_line = layout == "line"
        document: list[str] = []
        inside = False  # of a line that comes in pieces: whether any piece of it was kept
        for block, goes_on in reading.blocks(path, encoding):
            for sentences in self._lines(block, report):
                document.extend(sentences)
                if goes_on:
                    inside = inside or bool(sentences)
                    report.repairs["long_line_cut"] += 1
                else:
                    report.line(bool(sentences) or inside, "blank")
                    ends = by_line or not (sentences or inside)
                    inside = False
                    if ends and document:
                        yield document
                        document = []
                if len(document) >= SENTENCES_LIMIT:
                    report.repairs["long_document_cut"] += 1
                    yield document
                    document = []
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


_LAYOUTS = {
    "blank": "a blank line ends a document, each line is a sentence",
    "line": "each line is a document",
}


def guess_layout(head: bytes, encoding: str) -> Literal["blank", "line"]:
    """How a .txt file separates documents, from its first bytes.

    "blank" where blank lines stand between texts, at least one in 1,000 lines: rarer ones are slips, not borders.
    """
    text = head.decode(encoding, "replace")
    lines = [bool(line.strip()) for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    borders = sum(1 for before, after in zip(lines, lines[1:], strict=False) if before and not after)
    return "blank" if borders and borders * 1000 >= sum(lines) else "line"


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
            raise DataError("there is no text: the list has no document with a sentence", fix="Give a corpus with text.")

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
        digest.update("".join(path.suffixes[-2:]).lower().encode() + bytes.fromhex(sha256_file(path)))
    return digest.hexdigest()
