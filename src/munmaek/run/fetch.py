"""fetch: fill a data folder with a public data set, from its home or from a folder that holds it."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from munmaek.core.errors import DataError, JobError, RequestError
from munmaek.core.files import no_room, sha256_file, sync
from munmaek.data.datasets import Dataset, RemoteFile, dataset, find_file, read_chunks
from munmaek.data.reading import open_bytes

TIMEOUT_SECONDS = 30
PIECE = 1 << 20
LARGEST = 1 << 30
SENTENCE_MARK = b"## "
"""A line that begins so opens a sentence in the files of names (KLUE-NER)."""


@dataclass(frozen=True)
class Fetched:
    """A data set in a folder.

    Attributes:
        name, folder, licence, home: what it is, where it is now, and where it is from.
        files: path inside the folder -> bytes. already: those of them that were there before.
    """

    name: str
    folder: Path
    licence: str
    home: str
    files: dict[str, int]
    already: list[str]


def fetch(
    name: str,
    into: str | Path,
    source: str | Path | None = None,
    *,
    progress: Callable[[str], None] | None = None,
) -> Fetched:
    """Put a data set into the folder `into/name`; what is there and whole is left as it is.

    Args:
        name: a known data set. into: the data folder.
        source: a folder that holds the data set (`source/name`, or the files themselves) to copy from; None takes
            $MUNMAEK_DATA where that has it and is another folder, and else the public home.
        progress: called with a line for each file.
    Raises:
        RequestError: no such data set or source. JobError: no network, no room, or the published file has changed.
    """
    entry = dataset(name)
    folder = Path(into) / entry.name
    say = progress or (lambda line: None)
    held = _source_folder(entry, folder, source)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise no_room(folder, error) from error
    files, already = _copy(entry, held, folder, say) if held else _download_all(entry, folder, say)
    return Fetched(entry.name, folder, entry.licence, entry.home, files, already)


def _source_folder(entry: Dataset, target: Path, source: str | Path | None) -> Path | None:
    """The folder to copy from, or None to download."""
    given = source or os.environ.get("MUNMAEK_DATA")
    if not given:
        return None
    inside = Path(given) / entry.name
    held = inside if inside.is_dir() or source is None else Path(given)
    if source is None:
        return held if held.is_dir() and held.resolve() != target.resolve() else None
    if not held.is_dir():
        fix = f"Name a folder that holds {entry.name}/, or leave --from out to download it."
        raise RequestError("there is no such folder", where=f"--from {source}", fix=fix)
    if held.resolve() == target.resolve():
        raise RequestError("--from and --out are the same folder", where=str(held), fix="Give another --out.")
    if not any(path.is_file() for path in held.rglob("*")):
        raise RequestError(f"holds no files of {entry.name}", where=f"--from {source}", fix="Check the path.")
    return held


# ---- from a folder --------------------------------------------------------------------------------------------------


def _copy(
    entry: Dataset, held: Path, folder: Path, say: Callable[[str], None]
) -> tuple[dict[str, int], list[str]]:  # fmt: skip
    """Copy every file of the source; those that the register knows must have the rows that it says."""
    files: dict[str, int] = {}
    already: list[str] = []
    known = {path: remote for remote in entry.files if (path := find_file(held, remote.path)) is not None}
    for path in sorted(p for p in held.rglob("*") if p.is_file() and not p.name.startswith(".")):
        relative = path.relative_to(held)
        target = folder / relative
        if path in known:
            _check_rows(path, known[path])
        if target.is_file() and sha256_file(target) == sha256_file(path):
            already.append(relative.as_posix())
        else:
            say(f"{relative} <- {path}")
            _place(target, lambda temporary, path=path: shutil.copyfile(path, temporary))
        files[relative.as_posix()] = target.stat().st_size
    return files, already


# ---- from the public home -------------------------------------------------------------------------------------------


def _download_all(
    entry: Dataset, folder: Path, say: Callable[[str], None]
) -> tuple[dict[str, int], list[str]]:  # fmt: skip
    files: dict[str, int] = {}
    already: list[str] = []
    for remote in entry.files:
        present = find_file(folder, remote.path)
        if present is not None and _is_whole(present, remote):
            already.append(present.relative_to(folder).as_posix())
        else:
            say(f"{remote.path} <- {remote.url}")
            present = folder / remote.path
            _place(present, lambda temporary, remote=remote: _download(entry, remote, temporary))
        files[present.relative_to(folder).as_posix()] = present.stat().st_size
    return files, already


def _place(target: Path, fill: Callable[[Path], object]) -> None:
    """Fill a temporary file beside `target` and rename it; on any failure `target` stays as it was."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fill(temporary)
        sync(temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise no_room(target, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _download(entry: Dataset, remote: RemoteFile, temporary: Path) -> None:
    with temporary.open("wb") as file:
        for piece in _pieces(entry, remote):
            file.write(piece)
    if remote.sha256 is not None and sha256_file(temporary) != remote.sha256:
        raise JobError(
            f"the SHA-256 is {sha256_file(temporary)}, expected {remote.sha256}: the download is damaged or the "
            "published file has changed; nothing was kept",
            where=remote.url, fix=f"Try again later, or get it from {entry.home} by hand.",
        )  # fmt: skip
    try:
        _check_rows(temporary, remote)
    except DataError as error:
        raise JobError(f"the download is not what it should be: {error.what}; nothing was kept", where=remote.url,
                       fix=f"Try again later, or get it from {entry.home} by hand.") from error  # fmt: skip


def _pieces(entry: Dataset, remote: RemoteFile) -> Iterator[bytes]:
    request = urllib.request.Request(remote.url, headers={"User-Agent": "munmaek"})
    size = 0
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # the register's own addresses only
            while piece := answer.read(PIECE):
                size += len(piece)
                if size > LARGEST:
                    raise JobError("sends more than 1 GiB, which the data set is not", where=remote.url)
                yield piece
    except urllib.error.HTTPError as error:
        raise JobError(
            f"the server answers {error.code} {error.reason}", where=remote.url, fix=_by_hand(entry)
        ) from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise JobError(f"cannot be reached ({reason})", where=remote.url, fix=_by_hand(entry)) from None


def _by_hand(entry: Dataset) -> str:
    return (
        f"Without a network, copy the files from another machine and name the folder that holds {entry.name}/ "
        f"with --from DIR or MUNMAEK_DATA."
    )


# ---- checks ---------------------------------------------------------------------------------------------------------


def _is_whole(path: Path, remote: RemoteFile) -> bool:
    """Whether a file that is there is the one wanted: by its checksum where it is the published file, else its rows."""
    if remote.sha256 is not None and path.name == Path(remote.path).name:
        return sha256_file(path) == remote.sha256
    try:
        _check_rows(path, remote)
    except (DataError, RequestError):
        return False
    return True


def _check_rows(path: Path, remote: RemoteFile) -> None:
    """DataError where a file has another number of rows than the published one."""
    if remote.rows is None:
        return
    found = _count_sentences(path) if remote.reader == "sentences" else _count_rows(path, remote)
    if found != remote.rows:
        raise DataError(f"{found:,} rows, the published file has {remote.rows:,}", where=str(path))


def _count_rows(path: Path, remote: RemoteFile) -> int:
    """Data rows; a temporary file is read as the kind that its final name says."""
    if path.suffix == ".tmp":
        named = path.with_name(f".{os.getpid()}.{Path(remote.path).name}")
        os.link(path, named)
        try:
            return _count_rows(named, remote)
        finally:
            named.unlink()
    return sum(len(chunk) + sum(chunk.skipped.values()) for chunk in read_chunks(path, pairs=False, labels=False))


def _count_sentences(path: Path) -> int:
    rest, count = b"\n", 0
    with open_bytes(path) as stream:
        while piece := stream.read(PIECE):
            whole = rest + piece
            count += whole.count(b"\n" + SENTENCE_MARK)
            rest = whole[-len(SENTENCE_MARK) :]
    return count
