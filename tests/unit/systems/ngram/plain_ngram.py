"""A slow, plain n-gram model: dictionaries of words, and the formulas as they stand in the paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

PAD, UNKNOWN, BEGIN, END, MASK = range(5)
FALLBACK = (0.5, 1.0, 1.5)
Gram = tuple[int, ...]


class Text:
    """What counting reads of shards, from lists of documents of sentences of ids."""

    def __init__(self, documents: Sequence[Sequence[Sequence[int]]], vocab_size: int, folder: Any = None) -> None:
        sentences = [sentence for document in documents for sentence in document]
        self.ids = np.array([word for sentence in sentences for word in sentence], dtype=np.uint16)
        self.sentence_offsets = np.cumsum([0, *map(len, sentences)])
        self.document_offsets = np.cumsum([0, *map(len, documents)])
        self.documents = np.arange(len(documents))
        self.vocab_size = vocab_size
        self.folder = folder

    def sentences(self) -> Any:
        return np.arange(len(self.sentence_offsets) - 1)


def predicted(vocab_size: int) -> Any:
    found = np.ones(vocab_size, bool)
    found[[PAD, BEGIN, MASK]] = False
    return found


def grams(texts: Sequence[Sequence[int]], order: int) -> list[Counter[Gram]]:
    """How often each n-gram of each length occurs in <s> text </s>."""
    found: list[Counter[Gram]] = [Counter() for _ in range(order)]
    for text in texts:
        words = (BEGIN, *text, END)
        for length in range(1, order + 1):
            found[length - 1].update(words[i : i + length] for i in range(len(words) - length + 1))
    return found


class KneserNey:
    """p(word | history), by recursion."""

    def __init__(self, texts: Sequence[Sequence[int]], order: int, vocab_size: int) -> None:
        raw = grams(texts, order)
        self.order, self.num_words = order, vocab_size - 3
        self.counts: list[Counter[Gram]] = []
        for length in range(1, order + 1):
            if length == order:
                self.counts.append(Counter(raw[-1]))
                continue
            before: dict[Gram, set[int]] = {}
            for gram in raw[length]:
                before.setdefault(gram[1:], set()).add(gram[0])
            self.counts.append(
                Counter({g: c if g[0] == BEGIN else len(before.get(g, ())) for g, c in raw[length - 1].items()})
            )
        self.counts[0][(BEGIN,)] = 0
        self.discounts = [self._discounts(counts) for counts in self.counts]

    def _discounts(self, counts: Counter[Gram]) -> tuple[float, ...]:
        t = [sum(c == times for c in counts.values()) for times in range(5)]
        if min(t[1:4]) == 0:
            return (0.0, *FALLBACK)
        y = t[1] / (t[1] + 2 * t[2])
        found = (1 - 2 * y * t[2] / t[1], 2 - 3 * y * t[3] / t[2], 3 - 4 * y * t[4] / t[3])
        return (0.0, *(found if all(0 <= d <= i for i, d in enumerate(found, 1)) else FALLBACK))

    def probability(self, word: int, history: Gram) -> float:
        """`history` in reading order; only its last order - 1 words count."""
        history = history[max(0, len(history) - self.order + 1) :]
        counts, discounts = self.counts[len(history)], self.discounts[len(history)]
        lower = self.probability(word, history[1:]) if history else 1 / self.num_words
        following = {gram[-1]: c for gram, c in counts.items() if gram[:-1] == history and c > 0}
        total = sum(following.values())
        if not total:
            return lower
        left = sum(discounts[min(c, 3)] for c in following.values()) / total
        own = following.get(word, 0)
        return (own - discounts[min(own, 3)]) / total + left * lower

    def likelihood(self, text: Sequence[int]) -> float:
        """Negative log likelihood of a text and its end, nats."""
        words = (BEGIN, *text, END)
        return -sum(float(np.log(self.probability(words[i], words[:i]))) for i in range(1, len(words)))
