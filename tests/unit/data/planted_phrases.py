"""A corpus with phrases in it, and the finding and joining of phrases once more, slowly and plainly."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

WORDS = [f"w{number}" for number in range(40)]
PLANTED = ("new york times", "new york", "los angeles", "눈 사람", "한 강 다리")


def planted_sentences(count: int = 3_000, seed: int = 0) -> list[str]:
    """Sentences of common words, the first ones much commoner, among which phrases stand now and then."""
    draw = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(len(WORDS))]
    found: list[str] = []
    for _ in range(count):
        words = draw.choices(WORDS, weights, k=draw.randrange(2, 12))
        if draw.random() < 0.15:
            words.insert(draw.randrange(len(words) + 1), draw.choice(PLANTED))
        if draw.random() < 0.004:
            words.append(draw.choice(" ".join(PLANTED).split()))
        found.append(" ".join(words))
    return found


def find_plainly(
    sentences: list[list[str]], thresholds: list[float], discount: float
) -> tuple[list[set[str]], list[list[str]]]:
    """Each pass's pairs, "new york", and the sentences with phrases joined: counting with dictionaries."""
    passes: list[set[str]] = []
    for threshold in thresholds:
        words = Counter(word for sentence in sentences for word in sentence)
        pairs = Counter(pair for sentence in sentences for pair in pairwise(sentence))
        total = words.total()
        chosen = {
            (a, b) for (a, b), count in pairs.items() if (count - discount) / words[a] / words[b] * total > threshold
        }
        passes.append({" ".join(pair) for pair in chosen})
        sentences = [join_plainly(sentence, chosen) for sentence in sentences]
    return passes, sentences


def join_plainly(words: list[str], pairs: set[tuple[str, str]]) -> list[str]:
    """A sentence with the pairs joined, from the left, one word after the other."""
    found: list[str] = []
    place = 0
    while place < len(words):
        both = tuple(words[place : place + 2])
        found.append("_".join(both) if both in pairs else words[place])
        place += 2 if both in pairs else 1
    return found
