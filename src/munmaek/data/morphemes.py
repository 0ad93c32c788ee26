"""Cutting Korean text at morpheme borders with kiwipiepy, for the morpheme kind of tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from munmaek.core.errors import RequestError
from munmaek.data.kinds import BORDER


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
    found = _analyser().tokenize(list(texts))
    return [_marked(text, morphemes) for text, morphemes in zip(texts, found, strict=True)]


def _marked(text: str, morphemes: Sequence[Any]) -> str:
    pieces: list[str] = []
    last = 0
    for morpheme in morphemes:
        start = int(morpheme.start)
        # an analysis may end in a morpheme without a character of its own, past the end of the text
        if last < start < len(text) and not text[start - 1].isspace() and not text[start].isspace():
            pieces.append(text[last:start])
            last = start
    pieces.append(text[last:])
    return BORDER.join(pieces)
