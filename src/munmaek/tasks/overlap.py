"""How much of an answer is in another: the rules of SQuAD's script (Rajpurkar 2016 §6.1), and of KorQuAD's."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable

from munmaek.data.normalise import normalise

HANGUL_FROM = 0.5
"""From this share of Hangul among the letters of the right answers on F1 counts characters."""
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_QUOTES = re.compile("['\"《》<>〈〉()‘’]")


def bare(text: str, characters: bool = False) -> str:
    """An answer as it is compared: lower case, without punctuation and articles, single spaces (SQuAD's script).

    `characters`: as KorQuAD's script: articles stay, and quotation marks and brackets become spaces first.
    """
    text = normalise(text).lower()
    text = _QUOTES.sub(" ", text) if characters else text
    text = "".join(character for character in text if character not in string.punctuation)
    return " ".join((text if characters else _ARTICLES.sub(" ", text)).split())


def overlap(found: str, wanted: str, characters: bool = False) -> float:
    """F1 of the words, or of the characters but spaces, that two answers share; of an empty one whether both are."""
    units = (list(bare(text, characters).replace(" ", "")) if characters else bare(text).split()
             for text in (found, wanted))  # fmt: skip
    a, b = map(Counter, units)
    if not a or not b:
        return float(a == b)
    return 2 * (a & b).total() / (a.total() + b.total())


def by_characters(answers: Iterable[str]) -> bool:
    """Whether F1 counts characters, as KorQuAD's does: half or more of the letters of all right answers are Hangul."""
    letters = Counter(
        "HANGUL" in unicodedata.name(character, "")
        for text in answers
        for character in normalise(text)
        if character.isalpha()
    )
    return bool(letters) and letters[True] >= HANGUL_FROM * letters.total()
