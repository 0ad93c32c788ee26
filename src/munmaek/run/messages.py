"""What a comparison and its lanes say to each other: dataclasses of a few kinds, each a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from munmaek.data.homographs import HomographCorpus
from munmaek.run.comparison import Neighbours, Row, Separation, WordMap, WordPair
from munmaek.run.entrants import Run
from munmaek.run.in_context import Looked
from munmaek.run.request import Request


@dataclass(frozen=True)
class Begin:
    """The first message to a lane: what is compared, and how many lanes there are."""

    request: Request
    lanes: int


@dataclass(frozen=True)
class Look:
    """A system's word in context, to be looked at."""

    system: str

    @property
    def title(self) -> str:
        """What it is called while it is under way."""
        return self.system


@dataclass(frozen=True)
class Share:
    """How much of what is under way is done, 0 to 1."""

    done: float


@dataclass(frozen=True)
class Failure:
    """Why something could not be done: the kind of error, its parts, and where it was raised."""

    kind: str
    what: str
    where: str | None
    fix: str | None
    trace: str


Task = Run | Look
Answer = Row | Looked | Failure
"""What a task ends in; before that come shares."""

_KINDS = {
    kind.__name__: kind
    for kind in (Begin, Request, HomographCorpus, Run, Look, Share, Row, Looked, WordMap, WordPair, Neighbours,
                 Separation, Failure)
}  # fmt: skip
_BUILDERS: dict[str, Any] = {"tuple": tuple, "path": Path}


def write(stream: IO[bytes], message: Any) -> None:
    """Say something."""
    stream.write(json.dumps(_plain(message)).encode() + b"\n")
    stream.flush()


def read(stream: IO[bytes]) -> Iterator[Any]:
    """What is said, until the end; ValueError for a line that is none of it, as when its writer was killed in it."""
    for line in stream:
        yield _built(json.loads(line))


def _plain(value: Any) -> Any:
    """A value as JSON has it: whatever is no list, text, number or None there is an object {its kind: its content}."""
    if is_dataclass(value):
        return {type(value).__name__: {each.name: _plain(getattr(value, each.name)) for each in fields(value)}}
    if isinstance(value, Mapping):
        return {"dict": {key: _plain(each) for key, each in value.items()}}
    if isinstance(value, list | tuple | range):
        found = [_plain(each) for each in value]
        return found if isinstance(value, list) else {"tuple": found}
    if isinstance(value, Path):
        return {"path": str(value)}
    return value.item() if isinstance(value, np.generic) else value


def _built(value: Any) -> Any:
    if isinstance(value, list):
        return [_built(each) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind in _KINDS:
        return _KINDS[kind](**{name: _built(each) for name, each in content.items()})
    if kind == "dict":
        return {name: _built(each) for name, each in content.items()}
    return _BUILDERS[kind](_built(content))
