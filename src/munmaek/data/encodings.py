"""Tokenised texts on their way into a model: how long they may be, cut to that, and padded to one width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from munmaek.core.contracts import Encoding
from munmaek.core.errors import RequestError


def limit(asked: int | None, most: int, least: int = 4) -> int:
    """Tokens that a text may have: as many as asked for, never more than `most`; RequestError below `least`."""
    found = min(asked or most, most)
    if found < least:
        tokens = "1 token" if least == 1 else f"{least} tokens"
        raise RequestError(f"max_length is {found}", where="max_length", fix=f"Give {tokens} or more.")
    return found


def padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows filled up on the right to the longest of them, `(rows, width)` int64, and True where a number is a row's."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    real = np.arange(max(1, lengths.max(initial=0))) < lengths[:, None]
    filled = np.full(real.shape, pad, dtype=np.int64)
    filled[real] = [number for row in rows for number in row]
    return filled, real


def cut(encoding: Encoding, most: int) -> Encoding:
    """An encoding of at most `most` tokens: special tokens stay, the ends of the texts go, the longer text's first.

    Keeps the same tokens as the "longest_first" truncation of the `tokenizers` library.
    """
    if len(encoding.ids) <= most:
        return encoding
    texts: tuple[list[int], list[int]] = ([], [])
    for place, (special, kind) in enumerate(zip(encoding.special, encoding.type_ids, strict=True)):
        if not special:
            texts[kind].append(place)
    room = most - sum(encoding.special)
    shorter, longer = sorted(texts, key=len)
    keep_shorter, keep_longer = len(shorter), room - len(shorter)
    if keep_longer < keep_shorter:
        keep_shorter, keep_longer = room // 2, room - room // 2
    gone = {*shorter[keep_shorter:], *longer[keep_longer:]}
    kept = [place for place in range(len(encoding.ids)) if place not in gone]
    parts = (encoding.ids, encoding.offsets, encoding.tokens, encoding.special, encoding.type_ids)
    return Encoding(*([part[place] for place in kept] for part in parts))  # type: ignore[arg-type]
