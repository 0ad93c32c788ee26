"""Texts longer than a model reads: special tokens stay, the ends of the texts go."""

from __future__ import annotations

from munmaek.core.contracts import Encoding


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
