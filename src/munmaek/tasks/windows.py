"""A pair whose second text is longer than a model reads: the same first text with one window of the second at a time.

After Devlin 2018's released run_squad.py, whose windows of 384 tokens begin every 128 tokens of the paragraph.
Deviates: a window begins at about the middle of the one before, at a word's beginning where one is near, so that a
piece is cut into tokens as it is in its place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from munmaek.core.contracts import Encoder, Encoding


def windows_of(
    encoder: Encoder, firsts: Sequence[str], seconds: Sequence[str], limit: int
) -> list[tuple[int, Encoding]]:
    """The windows of each pair, in order: (number of the pair, encoding of at most `limit` tokens).

    Offsets of second tokens count characters of the whole second text. Together the windows hold all its tokens, unless
    `limit` has no room for one beside the first text.
    """
    found: list[list[Encoding]] = [[] for _ in firsts]
    begins = dict.fromkeys(range(len(firsts)), 0)
    while begins:
        pairs = [seconds[row][begin:] for row, begin in begins.items()]
        read = encoder.tokenize([firsts[row] for row in begins], pairs, limit)
        onward: dict[int, int] = {}
        for (row, begin), encoding in zip(begins.items(), read, strict=True):
            found[row].append(_moved(encoding, begin))
            follows = _next(found[row][-1], seconds[row], limit)
            if follows is not None:
                onward[row] = follows
        begins = onward
    return [(row, encoding) for row, encodings in enumerate(found) for encoding in encodings]


def is_cut(window: Encoding, first: str, limit: int) -> bool:
    """Whether the first text has lost its end in a window."""
    parts = zip(window.offsets, window.type_ids, window.special, strict=True)
    end = max((span[1] for span, kind, special in parts if kind == 0 and not special), default=0)
    return len(window.ids) >= limit and end < len(first.rstrip())


def _moved(encoding: Encoding, begin: int) -> Encoding:
    """The encoding with its second text's offsets counted from `begin` characters before it."""
    if not begin:
        return encoding
    offsets = [
        (start + begin, end + begin) if kind == 1 and not special else (start, end)
        for (start, end), kind, special in zip(encoding.offsets, encoding.type_ids, encoding.special, strict=True)
    ]
    return dataclasses.replace(encoding, offsets=offsets)


def _next(window: Encoding, text: str, limit: int) -> int | None:
    """The character of the text at which the next window begins; None where this one reads to its end."""
    parts = zip(window.offsets, window.type_ids, window.special, strict=True)
    spans = [span for span, kind, special in parts if kind == 1 and not special and span[0] < span[1]]
    if len(window.ids) < limit or not spans or spans[-1][1] >= len(text.rstrip()):
        return None
    starts = [end - len(text[start:end].lstrip()) for start, end in spans]
    middle = len(starts) // 2
    near = [start for start in starts[middle // 2 + 1 : middle + 1] if text[start - 1 : start].isspace()]
    begin = near[-1] if near else starts[middle]
    return begin if begin > starts[0] else spans[-1][1]
