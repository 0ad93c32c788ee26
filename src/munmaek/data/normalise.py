"""Text as it is stored and looked up: NFC, nothing invisible, nothing changed that a reader sees.

Never NFKC: it would turn ㅋㅋ and ㅠㅠ into conjoining jamo. The same removal and composition are written into every
`tokenizer.json`, so text that reaches a tokenizer by another way gets the same ids.
"""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass
from typing import Any, Literal

from munmaek.core.errors import RequestError

Form = Literal["NFC", "NFD", "NFKC", "NFKD", "none"]

REPLACEMENT = "\ufffd"
# Control characters (line feed aside), soft hyphen, zero-width space, word joiner and byte order mark: nothing a reader sees.
INVISIBLE = "\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff"
_SPACES = {ord("\t"): " ", ord("\r"): " ", 0x85: " ", 0x2028: " ", 0x2029: " "}


def _ranges(pattern: str) -> list[int]:
    codes: list[int] = []
    for index, character in enumerate(pattern):
        if character == "-":
            codes.extend(range(ord(pattern[index - 1]), ord(pattern[index + 1])))
        else:
            codes.append(ord(character))
    return sorted(set(codes))


_INVISIBLE_CODES = frozenset(_ranges(INVISIBLE))
_CLEAN: dict[int, str | None] = {
    **dict.fromkeys(_INVISIBLE_CODES),
    **_SPACES,
    **dict.fromkeys(range(0xD800, 0xE000), REPLACEMENT),
}


@dataclass(frozen=True)
class Normaliser:
    """Settings of normalisation, saved with every tokenizer and with every prepared corpus.

    Attributes:
        form: Unicode normalisation form; "NFC" unless the user insists.
        remove_invisible: whether control and zero-width characters go.
    """

    form: Form = "NFC"
    remove_invisible: bool = True

    def __post_init__(self) -> None:
        if self.form not in ("NFC", "NFD", "NFKC", "NFKD", "none"):
            raise RequestError(f"unknown normalisation form {self.form!r}", fix="Use NFC (the default), NFD or none.")

    def __call__(self, text: str) -> str:
        """The text as the tool stores it."""
        return normalise(text, self.form) if self.remove_invisible else _compose(_mend(text), self.form)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def normalise(text: str, form: Form = "NFC") -> str:
    """Text without invisible characters, lone surrogates as U+FFFD, tabs and odd line breaks as spaces, in `form`.

    Runs of spaces, case, punctuation and compatibility characters (ㅋㅋ, ㅠㅠ, ①, full-width letters) stay as they are.
    """
    if not text.isprintable():
        text = text.translate(_CLEAN)
    return _compose(text, form)


def repairs(text: str) -> dict[str, int]:
    """What `normalise` would mend in a text, by reason: characters of each kind, and 1 for text that is not NFC."""
    found: dict[str, int] = {}
    if not text.isprintable():
        for character in text:
            reason = _reason(character)
            if reason:
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
    return "odd_space" if code in _SPACES and code != 9 else None


def _mend(text: str) -> str:
    return text.translate(dict.fromkeys(range(0xD800, 0xE000), REPLACEMENT)) if not text.isprintable() else text


def _compose(text: str, form: Form) -> str:
    if form == "none" or unicodedata.is_normalized(form, text):
        return text
    return unicodedata.normalize(form, text)


def align(text: str, form: Form = "NFC") -> tuple[str, list[int], list[int]]:
    """The normalised text, and for each of its characters the span [start, end) of the given text it came from.

    Returns:
        The text of `normalise`, then two lists as long as it: first character and end of each one's source.
    """
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text, form):
        piece = normalise(text[start:end], form)
        pieces.append(piece)
        starts.extend([start] * len(piece))
        ends.extend([end] * len(piece))
    return "".join(pieces), starts, ends


def _clusters(text: str, form: Form) -> list[tuple[int, int]]:
    """Spans of the text that normalise independently of each other; a removed character belongs to its neighbour."""
    spans: list[tuple[int, int]] = []
    start = 0
    for index in range(1, len(text)):
        if ord(text[index]) in _INVISIBLE_CODES or _joins(text, index, form):
            continue
        spans.append((start, index))
        start = index
    if text:
        spans.append((start, len(text)))
    return spans


def _joins(text: str, index: int, form: Form) -> bool:
    character = text[index]
    if form == "none" or ord(character) < 0x300:
        return False
    if unicodedata.combining(character):
        return True
    code = ord(character)
    if 0x1160 <= code <= 0x11FF:  # conjoining vowels and finals
        return True
    return code > 0x900 and not unicodedata.is_normalized("NFC", "a" + character) or _second_half(text, index)


def _second_half(text: str, index: int) -> bool:
    """Whether this starter composes with the character before it (some Indic vowel signs do)."""
    pair = text[index - 1] + text[index]
    return len(unicodedata.normalize("NFC", pair)) == 1 and not pair.isascii()
