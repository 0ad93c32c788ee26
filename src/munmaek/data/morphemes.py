"""Cutting Korean text at morpheme borders with kiwipiepy, for the kinds of tokenizer whose words are morphemes."""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from hashlib import blake2b
from importlib import import_module
from itertools import pairwise
from typing import Any

from munmaek.core.errors import RequestError
from munmaek.data.kinds import BORDER

MOST_REMEMBERED = 1_000_000
"""Texts whose borders are remembered, in about 150 bytes each."""
_memory: ContextVar[dict[bytes, bytes] | None] = ContextVar("memory", default=None)


@contextmanager
def remembered() -> Generator[None]:
    """Within it a text that was cut before is not analysed again: the analysis is what preparing a corpus waits for."""
    inside = _memory.get()
    token = _memory.set({} if inside is None else inside)
    try:
        yield
    finally:
        _memory.reset(token)


@lru_cache(maxsize=1)
def _analyser() -> Any:
    try:
        kiwipiepy: Any = import_module("kiwipiepy")
    except ImportError as error:
        raise RequestError(
            "the morpheme tokenizer needs the package kiwipiepy, which is not installed",
            fix="Install it with: pip install 'munmaek[korean]', or choose another kind, such as wordpiece.",
        ) from error
    return kiwipiepy.Kiwi()


def cut_morphemes(texts: Sequence[str]) -> list[str]:
    """Texts with a border mark before every morpheme that begins inside an eojeol; nothing else changes.

    Morphemes are those of the surface: where a contraction holds two in one syllable (와서 = 오 + 아서) it stays whole.

    Raises:
        RequestError: kiwipiepy is not installed.
    """
    memory = _memory.get()
    if memory is None:
        return [_marked(text, _borders(text, found)) for text, found in zip(texts, _analysed(texts), strict=True)]
    keys = [blake2b(text.encode("utf-8", "replace"), digest_size=12).digest() for text in texts]
    new = {key: text for key, text in zip(keys, texts, strict=True) if key not in memory}
    borders = {
        key: array("I", _borders(text, found)).tobytes()
        for (key, text), found in zip(new.items(), _analysed(list(new.values())), strict=True)
    }
    cut = [_marked(t, array("I", borders.get(k) or memory.get(k, b""))) for k, t in zip(keys, texts, strict=True)]
    if len(memory) < MOST_REMEMBERED:
        memory.update(borders)
    return cut


def _analysed(texts: Sequence[str]) -> Iterable[Sequence[Any]]:
    """The morphemes of every text; kiwipiepy works through a list in as many threads as there are processors."""
    return _analyser().tokenize(list(texts))


def _borders(text: str, morphemes: Sequence[Any]) -> list[int]:
    """Where in the text a morpheme begins inside an eojeol, ascending."""
    places: list[int] = []
    last = 0
    for morpheme in morphemes:
        start = int(morpheme.start)
        # an analysis may end in a morpheme without a character of its own, past the end of the text
        if last < start < len(text) and not text[start - 1].isspace() and not text[start].isspace():
            places.append(start)
            last = start
    return places


def _marked(text: str, borders: Iterable[int]) -> str:
    places = [0, *borders, len(text)]
    return BORDER.join(text[start:stop] for start, stop in pairwise(places))
