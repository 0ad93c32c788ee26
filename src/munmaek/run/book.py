"""Finished runs as lines of a file: what an interruption leaves, and what is never done twice."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from munmaek.core.files import no_room


class Book:
    """Lines of JSON in the order they were done. Lines of other requests stay, and are not looked at.

    Several processes may write to one book: a line is written whole, under a lock where the system has one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self, *names: str) -> Iterator[dict[str, Any]]:
        """The lines that have all of some names; the torn end that a killed process leaves is passed over."""
        if not self.path.is_file():
            return
        for line in self.path.read_bytes().split(b"\n"):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and set(names) <= set(value):
                yield value

    def add(self, line: Mapping[str, Any]) -> None:
        """Write a line, on the disk before this returns; JobError where there is no room."""
        content = json.dumps(dict(line), ensure_ascii=False).encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file, _alone(file):
                file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
                torn = file.read(1) not in (b"", b"\n")
                file.write((b"\n" if torn else b"") + content + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise no_room(self.path, error) from error


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Nobody else is in here for this folder while entered, in no process (but on Windows); the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.name == "nt":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with _alone(handle):
            yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _alone(file: IO[bytes] | int) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
