"""Bytes of corpus files as lines of text: compression, encodings, damage, lines of any length in bounded memory."""

from __future__ import annotations

import codecs
import glob
import gzip
import io
import lzma
import zlib
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from munmaek.core.errors import DataError, RequestError

COMPRESSIONS = (".gz", ".xz", ".zst")
FORMATS = (".txt", ".tsv", ".csv", ".jsonl", ".ndjson", ".parquet")
HEAD = 1 << 20
CHUNK = 1 << 16
LINE_LIMIT = 1 << 20


def find_files(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """The corpus files that paths, folders and glob patterns stand for, in a fixed order and each once.

    Raises:
        RequestError: a path does not exist. DataError: a folder or pattern holds no file of a known kind.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise RequestError("no corpus was named", fix="Give one or more files, folders or patterns.")
    found: dict[Path, None] = {}
    for item in given:
        for path in _expand(Path(item)):
            found.setdefault(path)
    return list(found)


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        return _of_folder(path)
    if path.exists():
        if suffix_of(path) is None:
            raise DataError(
                f"files of the kind {path.suffix or '(no suffix)'!r} are not read",
                where=str(path),
                fix=f"Known: {', '.join(FORMATS)}, plain or with {', '.join(COMPRESSIONS)}.",
            )
        return [path]
    if any(character in str(path) for character in "*?["):
        matches = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        files = [file for file in matches if file.is_file() and suffix_of(file) is not None]
        if not files:
            raise DataError(f"the pattern matches {len(matches)} files, none of a known kind", where=str(path))
        return files
    raise RequestError("there is no such file or folder", where=str(path), fix="Check the path.")


def _of_folder(folder: Path) -> list[Path]:
    everything = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in everything if suffix_of(path) is not None and not path.name.startswith(".")]
    if files:
        return files
    kinds = Counter(path.suffix.lower() or "no suffix" for path in everything)
    seen = ", ".join(f"{kind} x {count}" for kind, count in kinds.most_common(5)) or "nothing"
    raise DataError(
        f"the folder holds no text files (found: {seen})",
        where=str(folder),
        fix=f"Known kinds: {', '.join(FORMATS)}, plain or with {', '.join(COMPRESSIONS)}.",
    )


def suffix_of(path: Path) -> str | None:
    """The format of a file by its name, compression suffix left out (".txt"); None where it is not a known one."""
    name = path.name.lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    suffix = Path(name).suffix
    return suffix if suffix in FORMATS else None


@contextmanager
def open_bytes(path: Path) -> Generator[BinaryIO]:
    """A file's bytes, decompressed by its suffix, as a stream.

    Raises:
        DataError: the file cannot be opened, or its compressed data are damaged or end early.
    """
    try:
        with path.open("rb") as raw:
            yield cast(BinaryIO, _Checked(_decompressed(path, raw), path))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


def _decompressed(path: Path, raw: BinaryIO) -> BinaryIO:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if suffix == ".xz":
        return cast(BinaryIO, lzma.LZMAFile(raw))
    if suffix == ".zst":
        return cast(BinaryIO, _Frames(raw))
    return raw


class _Frames(io.RawIOBase):
    """Zstandard frames one after another, with an EOFError where the last one is not whole.

    Fed a kibibyte at a time: that holds at most 256 blocks of 128 KiB, whatever a hostile file claims.
    """

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self._source = source
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._waiting = bytearray()
        self._fresh = True

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while (size < 0 or len(self._waiting) < size) and (data := self._source.read(1024)):
            self._feed(data)
        if not self._fresh and len(self._waiting) < max(1, size):
            raise EOFError("the last frame is not whole")
        size = len(self._waiting) if size < 0 else size
        data = bytes(self._waiting[:size])
        del self._waiting[:size]
        return data

    def _feed(self, data: bytes) -> None:
        while data:
            self._waiting += self._frame.decompress(data)
            self._fresh = self._frame.eof
            data = self._frame.unused_data if self._fresh else b""
            if self._fresh:
                self._frame = zstandard.ZstdDecompressor().decompressobj()


class _Checked(io.RawIOBase):
    """Reads from a stream and turns every failure of decompression into one clear error."""

    def __init__(self, source: BinaryIO, path: Path) -> None:
        super().__init__()
        self._source, self._path = source, path
        self._count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        try:
            data = self._source.read(size)
        except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
            raise damaged(self._path, self._count, error) from error
        self._count += len(data)
        return data


def damaged(path: Path, count: int, error: Exception) -> DataError:
    """The error for compressed data that are truncated or broken after `count` bytes of text."""
    return DataError(
        f"the compressed data are damaged or end early (after {count:,} bytes of text: {error})",
        where=str(path),
        fix="Copy or download the file again; its size or checksum will differ from the original's.",
    )


def head_of(path: Path) -> bytes:
    """The first mebibyte of a file's decompressed bytes."""
    with open_bytes(path) as stream:
        return _read_exactly(stream, HEAD)


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (data := stream.read(size)):
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def encoding_of(head: bytes, path: Path) -> str:
    """The encoding of a file by its first bytes: "utf-8", "utf-16-le", "utf-16-be" or "cp949".

    Raises:
        DataError: the bytes are not text in any of these.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if head.count(b"\0") > max(64, len(head) // 20):
        raise DataError(
            "the file is binary, not text",
            where=str(path),
            fix="Give text files; save documents of an office program or images as .txt first.",
        )
    wrong = _undecodable(head, "utf-8")
    if wrong > max(2, len(head) // 2000):
        if _undecodable(head, "cp949") * 20 < wrong:
            return "cp949"
        if wrong > len(head) // 20:
            raise DataError(
                f"{wrong:,} of the first {len(head):,} bytes are not text in UTF-8 or CP949",
                where=str(path),
                fix="Save the file as UTF-8 text.",
            )
    return "utf-8"


def _undecodable(head: bytes, encoding: str) -> int:
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head, False)
    return text.count("\ufffd") - (head.count(b"\xef\xbf\xbd") if encoding == "utf-8" else 0)


def chunks(path: Path, encoding: str) -> Iterator[bytes]:
    """A file's bytes in pieces of 64 KiB or so, as UTF-8 without a byte order mark."""
    with open_bytes(path) as stream:
        decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)("replace")
        first = True
        old_ends = False
        while data := stream.read(CHUNK):
            if decoder is not None:
                data = decoder.decode(data).encode("utf-8", "replace")
            if first:
                data = data.removeprefix(codecs.BOM_UTF8)
                first, old_ends = False, has_old_line_ends(data)
            yield data.replace(b"\r", b"\n") if old_ends else data
        if decoder is not None and (rest := decoder.decode(b"", True)):
            yield rest.encode("utf-8", "replace")


def has_old_line_ends(data: bytes) -> bool:
    """Whether lines end in carriage returns alone, as on the first Macintoshes."""
    return b"\r" in data and b"\n" not in data and not data.endswith(b"\r")


def blocks(path: Path, encoding: str, limit: int = LINE_LIMIT) -> Iterator[tuple[bytes, bool]]:
    """Runs of whole lines as (bytes without the last line end, False), and pieces of over-long lines as (bytes, True).

    A line over `limit` bytes comes in pieces, cut at white space where there is any; memory stays bounded. The first
    line of the block after a piece is that line's end.
    """
    parts: list[bytes] = []
    size = 0
    for data in chunks(path, encoding):
        place = data.rfind(b"\n")
        if place >= 0:
            yield b"".join((*parts, data[:place])), False
            data = data[place + 1 :]
            parts, size = [], 0
        parts.append(data)
        size += len(data)
        if size > limit:
            line = b"".join(parts)
            while len(line) > limit:
                piece, line = cut(line, limit)
                yield piece, True
            parts, size = [line], len(line)
    if size:
        yield b"".join(parts), False


def raw_lines(path: Path, encoding: str, limit: int = LINE_LIMIT) -> Iterator[tuple[bytes, bool]]:
    """Lines as (bytes without the line end, whether the line goes on in the next piece); see `blocks`."""
    for block, goes_on in blocks(path, encoding, limit):
        if goes_on:
            yield block, True
            continue
        for line in block.split(b"\n"):
            yield line.removesuffix(b"\r"), False


def cut(line: bytes, limit: int) -> tuple[bytes, bytes]:
    """A piece of at most `limit` bytes that ends at white space, or else between two characters, and what follows."""
    place = line.rfind(b" ", limit // 2, limit)
    if place >= 0:
        return line[:place], line[place + 1 :]
    place = limit
    while place > limit - 4 and line[place] & 0xC0 == 0x80:
        place -= 1
    return line[:place], line[place:]
