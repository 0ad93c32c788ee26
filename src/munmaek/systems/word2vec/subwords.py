"""Subwords: a word's n-grams of characters (Bojanowski 2017 §3.2) or of jamo (Park 2018 §3), hashed to buckets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from munmaek.core.compiled import compiled
from munmaek.data.korean import decompose, is_syllable

MODES = ("none", "characters", "jamo")
NO_FINAL = "ᴇ"
"""Stands for the final consonant that a syllable lacks, so that every syllable is three jamo."""
CHARACTERS_BESIDE_JAMO = (1, 4)
"""In jamo mode n-grams of so many characters are subwords, too (Park 2018 §3.2)."""


def spelt(word: str) -> str:
    """A word in jamo, three to a syllable: 눈이 -> ㄴㅜㄴㅇㅣᴇ."""
    return "".join("".join(decompose(c)[:2]) + (decompose(c)[2] or NO_FINAL) if is_syllable(c) else c for c in word)


def rows_of(
    words: Sequence[str], mode: str, shortest: int, longest: int, num_buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The buckets of every word's n-grams: offsets (words + 1), and bucket numbers.

    The word stands between < and >, which alone are no n-gram; n-grams have `shortest` to `longest` characters, or
    jamo. Buckets are FNV-1a of the UTF-8 bytes, as in fastText's program.
    """
    forms = [(words, shortest, longest)]
    if mode == "jamo":
        forms = [(list(map(spelt, words)), shortest, longest), (words, *CHARACTERS_BESIDE_JAMO)]
    found = [_hashed(*_bytes(form), low, high, num_buckets) for form, low, high in forms]
    owners = np.concatenate([np.repeat(np.arange(len(words)), np.diff(offsets)) for offsets, _ in found])
    buckets = np.concatenate([rows for _, rows in found])[np.argsort(owners, kind="stable")]
    return np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(words)))]).astype(np.int64), buckets


def entries_of(
    words: Sequence[str], mode: str, shortest: int, longest: int, num_buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of the input matrix that every word of a vocabulary is the mean of: its own, then its n-grams'.

    Returns:
        Offsets (words + 1) and rows; of length 1 and 0 where there are no subwords.
    """
    if mode == "none":
        return np.zeros(1, np.int64), np.zeros(0, np.int64)
    offsets, buckets = rows_of(words, mode, shortest, longest, num_buckets)
    return offsets + np.arange(len(offsets)), np.insert(buckets + len(words), offsets[:-1], np.arange(len(words)))


def gathered(
    entries: tuple[NDArray[np.int64], NDArray[np.int64]], words: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of some words end to end, and where each word's begin."""
    offsets, rows = entries
    lengths = (offsets[1:] - offsets[:-1])[words]
    ends = np.cumsum(lengths)
    places = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(offsets[words] - (ends - lengths), lengths)
    return rows[places], ends - lengths


def _bytes(words: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All words between < and > as UTF-8 end to end, and where each begins."""
    encoded = [f"<{word}>".encode("utf-8", "replace") for word in words]
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
    return np.frombuffer(b"".join(encoded), np.uint8).copy(), np.concatenate([[0], ends]).astype(np.int64)


@no_type_check
@njit
def _one_more(value: Any, byte: Any) -> Any:
    """FNV-1a, 32 bits, one byte further; bytes from 128 on count as negative, as they do in fastText's program."""
    signed = np.uint64(byte) | (np.uint64(0xFFFFFF00) if byte >= 128 else np.uint64(0))
    return ((value ^ signed) * np.uint64(16777619)) & np.uint64(0xFFFFFFFF)


@no_type_check
@compiled
def _hashed(text: Any, borders: Any, shortest: Any, longest: Any, num_buckets: Any) -> Any:
    """For each word the buckets of its n-grams, from the left: offsets and buckets."""
    offsets = np.zeros(len(borders), np.int64)
    rows = np.empty(max(1, len(text)) * (longest - shortest + 1), np.int64)
    size = 0
    for word in range(len(borders) - 1):
        first, last = borders[word], borders[word + 1]
        for start in range(first, last):
            if text[start] & 0xC0 == 0x80:
                continue
            value, stop, length = np.uint64(2166136261), start, 0
            while stop < last and length < longest:
                value = _one_more(value, text[stop])
                stop += 1
                while stop < last and text[stop] & 0xC0 == 0x80:
                    value = _one_more(value, text[stop])
                    stop += 1
                length += 1
                if length >= shortest and not (length == 1 and (start == first or stop == last)):
                    rows[size] = value % np.uint64(num_buckets)
                    size += 1
        offsets[word + 1] = size
    return offsets, rows[:size].copy()
