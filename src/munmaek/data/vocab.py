"""Distinct words and their counts: what tokenizers are trained on, in memory that follows the vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from munmaek.core.contracts import Corpus

WORDS_LIMIT = 4_000_000


class WordCounts(Counter[str]):
    """Distinct eojeols with their counts.

    Attributes:
        pruned: occurrences left out because rare words were dropped to stay within the limit; 0 on most corpora.
        least: words rarer than this may be missing.
    """

    pruned: int = 0
    least: int = 1

    def add_words(self, words: Iterable[str], limit: int = WORDS_LIMIT) -> None:
        """Count some more words; where there are more than `limit` different ones, the rarest go."""
        self.update(words)
        if len(self) > limit:
            self.prune(limit // 2)

    def prune(self, limit: int) -> None:
        """Drop the rarest words until at most `limit` are left."""
        while len(self) > limit:
            self.least += 1
            rare = [word for word, count in self.items() if count < self.least]
            self.pruned += sum(self.pop(word) for word in rare)


def count_words(corpus: Corpus | Iterable[list[str]], limit: int = WORDS_LIMIT) -> WordCounts:
    """Count the space-separated words of a corpus.

    Memory follows the number of distinct words, and never passes `limit` of them by much: beyond it the rarest are
    dropped, which the result's `pruned` says.
    """
    counts = WordCounts()
    batch: list[str] = []
    for document in corpus:
        for sentence in document:
            batch.extend(sentence.split())
        if len(batch) > 100_000:
            counts.add_words(batch, limit)
            batch.clear()
    counts.add_words(batch, limit)
    return counts


def count_characters(words: Iterable[tuple[str, int]]) -> Counter[str]:
    """How often each character occurs in counted words."""
    characters: Counter[str] = Counter()
    for word, count in words:
        for character in word:
            characters[character] += count
    return characters
