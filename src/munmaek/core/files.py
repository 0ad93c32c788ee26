"""Writing that is all or nothing: files, folders with a manifest, and the room they need."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from munmaek.core.errors import CheckpointError, JobError

MANIFEST = "manifest.json"
FORMAT_VERSION = 1


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush one file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new, never a part; parents are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise no_room(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomic(path, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; CheckpointError says which file and where it breaks."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise CheckpointError("the file is missing", where=str(path), fix="Copy the whole folder again.") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CheckpointError(f"not valid JSON: {error}", where=str(path)) from error


def no_room(path: Path, error: OSError) -> JobError:
    """The error to raise when a write failed: says how much room there is, and that the old state stands."""
    free = shutil.disk_usage(_existing(path)).free
    return JobError(
        f"could not write ({error.strerror or error}); {free / 2**20:,.0f} MiB are free there",
        where=str(path),
        fix="What was saved before is intact. Make room or choose another folder, and run the same command again.",
    )


def require_room(folder: Path, num_bytes: int) -> None:
    """Raise JobError before the work starts if `folder`'s disk has less than `num_bytes` free."""
    free = shutil.disk_usage(_existing(folder)).free
    if free < num_bytes:
        raise JobError(
            f"the disk has {free / 2**20:,.0f} MiB free and this needs about {num_bytes / 2**20:,.0f} MiB",
            where=str(folder),
            fix="Make room, or choose another folder with --out.",
        )


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


@contextmanager
def atomic_folder(target: Path, **facts: Any) -> Generator[Path, None, None]:
    """Write a folder that exists whole or not at all.

    Yields a temporary sibling to write into. On leaving: every file is flushed, `manifest.json` (size and SHA-256 of
    each file, and `facts`) is written last, then one rename puts the folder in place. An older folder of that name is
    replaced. On any error the temporary folder goes and the target stays as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        yield temporary
        _seal(temporary, facts)
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
        sync(target.parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise no_room(target, error) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _seal(folder: Path, facts: dict[str, Any]) -> None:
    files: dict[str, dict[str, Any]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        sync(path)
        files[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": sha256_file(path)}
    write_json(folder / MANIFEST, {"format_version": FORMAT_VERSION, **facts, "files": files})
    sync(folder)


def verify_folder(folder: Path) -> dict[str, Any]:
    """Check every file of a sealed folder against its manifest and return that; CheckpointError if it is not whole."""
    manifest: dict[str, Any] = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format_version") != FORMAT_VERSION:  # pyright: ignore
        raise CheckpointError("the manifest is of another format version", where=str(folder / MANIFEST))
    listed: dict[str, dict[str, Any]] = manifest["files"]
    for name, facts in listed.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError("a file that the manifest names is missing", where=str(path))
        if path.stat().st_size != facts["size"] or sha256_file(path) != facts["sha256"]:
            raise CheckpointError("the file is damaged: size or SHA-256 differ from the manifest", where=str(path))
    return manifest


def sweep(parent: Path) -> int:
    """Remove temporary leavings of killed processes under `parent`; returns how many."""
    leavings = [p for p in parent.glob(".*.tmp") if not _alive(p)] if parent.is_dir() else []
    for path in leavings:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return len(leavings)


def _alive(path: Path) -> bool:
    owner = path.name.split(".")[-2]
    return owner.isdigit() and int(owner) != os.getpid() and Path(f"/proc/{owner}").exists()
