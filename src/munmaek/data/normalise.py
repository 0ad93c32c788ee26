"""Text as it is stored and looked up: NFC, nothing invisible, nothing changed that a reader sees.

Never NFKC: it would turn ㅋㅋ and ㅠㅠ into conjoining jamo. The same removal and composition are written into every
`tokenizer.json`, so text that reaches a tokenizer by another way gets the same ids.
"""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

from munmaek.core.errors import RequestError

Form = Literal["NFC", "NFD"]

REPLACEMENT = "\ufffd"
INVISIBLE = "\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff"
"""Ranges of a character class: control characters (the line feed aside), soft hyphen, zero-width space, word joiner
and byte order mark. A reader sees none of them."""

_SPACES = {ord("\t"): " ", ord("\r"): " ", 0x85: " ", 0x2028: " ", 0x2029: " "}
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), REPLACEMENT)


def _codes(ranges: str) -> frozenset[int]:
    codes: set[int] = set()
    for index, character in enumerate(ranges):
        is_range = character == "-"
        codes.update(range(ord(ranges[index - 1]), ord(ranges[index + 1])) if is_range else [ord(character)])
    return frozenset(codes)


_INVISIBLE_CODES = _codes(INVISIBLE)
_CLEAN: dict[int, str | None] = {**dict.fromkeys(_INVISIBLE_CODES), **_SPACES, **_SURROGATES}


@dataclass(frozen=True)
class Normaliser:
    """Settings of normalisation, saved with every tokenizer and with every prepared corpus.

    Attributes:
        form: the Unicode normalisation form. version: changes when anything that `normalise` removes does.

    Raises:
        RequestError: settings of another release, or a form that would change what a reader sees.
    """

    form: str = "NFC"
    version: int = 1

    def __post_init__(self) -> None:
        if self.form != "NFC" or self.version != 1:
            raise RequestError(
                f"text normalised as {self.form}, version {self.version}, is not read here",
                where="normaliser",
                fix="Prepare the corpus and train the tokenizer again with this release.",
            )

    def __call__(self, text: str) -> str:
        """The text as the tool stores it."""
        return normalise(text)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def normalise(text: str, form: Form = "NFC") -> str:
    """Text without invisible characters, lone surrogates as U+FFFD, tabs and odd line breaks as spaces, in `form`.

    Runs of spaces, case, punctuation and compatibility characters (ㅋㅋ, ㅠㅠ, ①, full-width letters) stay as they are.
    """
    if not text.isprintable():
        text = text.translate(_CLEAN)
    return text if unicodedata.is_normalized(form, text) else unicodedata.normalize(form, text)


def without_surrogates(text: str) -> str:
    """Text with each lone surrogate as U+FFFD and nothing else changed, so that it can be encoded."""
    return text if text.isprintable() else text.translate(_SURROGATES)


def repairs(text: str) -> dict[str, int]:
    """What `normalise` would mend in a text, by reason: characters of each kind, and 1 for text that is not NFC."""
    found: dict[str, int] = {}
    if not text.isprintable():
        for reason in filter(None, map(_reason, text)):
            found[reason] = found.get(reason, 0) + 1
    if not unicodedata.is_normalized("NFC", text):
        found["not_nfc"] = 1
    return found


def _reason(character: str) -> str | None:
    code = ord(character)
    if code == 0:
        return "nul"
    if code == 0xFEFF:
        return "byte_order_mark"
    if 0xD800 <= code < 0xE000:
        return "lone_surrogate"
    if code in _INVISIBLE_CODES:
        return "invisible"
    return "odd_line_break" if code in _SPACES and character not in "\t\r" else None


def align(text: str) -> tuple[str, list[int], list[int]]:
    """The normalised text, and for each of its characters the span [start, end) of the given text it came from.

    Returns:
        The text of `normalise`, then two lists as long as it: first character and end of each one's source.
    """
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        piece = normalise(text[start:end])
        pieces.append(piece)
        starts.extend([start] * len(piece))
        ends.extend([end] * len(piece))
    return "".join(pieces), starts, ends


def _clusters(text: str) -> list[tuple[int, int]]:
    """Spans of the text that normalise independently of each other.

    A character that is removed, or that may compose with what stands before it, belongs to the span before it.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    seconds = _seconds()
    for index in range(1, len(text)):
        character = text[index]
        if ord(character) in _INVISIBLE_CODES or character in seconds or unicodedata.combining(character):
            continue
        spans.append((start, index))
        start = index
    if text:
        spans.append((start, len(text)))
    return spans


@lru_cache(maxsize=1)
def _seconds() -> frozenset[str]:
    """Characters that compose with the one before: conjoining vowels and finals, and the ends of canonical pairs."""
    found = {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
    for code in (*range(0xC0, 0x3400), *range(0x10000, 0x20000)):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            found.add(chr(int(parts[1], 16)))
    return frozenset(found)
