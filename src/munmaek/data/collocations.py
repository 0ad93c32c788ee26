"""Finding phrases in a prepared corpus, in bounded memory (Mikolov 2013b §4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import RequestError
from munmaek.data import kinds
from munmaek.data.phrases import SHIFT, Ints, Pairs, Phrases, Phrasing, joined, keys_of
from munmaek.data.shards import Shards
from munmaek.data.tokenizers import TextTokenizer, special_ids

PAIRS_LIMIT = 1 << 23
"""Different pairs that are remembered, 16 bytes each; with what a merge needs, counting stays below a gigabyte."""
_AT_ONCE = 1 << 22
"""Tokens looked at together."""
Progress = Callable[[float], None]


class PairCounts:
    """How often each pair occurs, in memory that follows the number of different pairs, `limit` at most.

    Beyond the limit pairs rarer than `least` are dropped, which grows by 1 each time, as in word2phrase (there by the
    filling of a table of hashes); a pair that was dropped is counted anew.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self.least = limit, 1
        self._keys: Ints = np.zeros(0, np.int64)
        self._counts: Ints = np.zeros(0, np.int64)
        self._waiting: list[tuple[Ints, Ints]] = []

    def add(self, keys: Ints) -> None:
        """Count some pairs, each named by `phrases.keys_of`."""
        found, counts = np.unique(keys, return_counts=True)
        self._waiting.append((found, counts.astype(np.int64)))
        if sum(len(part) for part, _ in self._waiting) >= min(max(len(self._keys), _AT_ONCE), self._limit):
            self._merge()

    def found(self) -> tuple[Ints, Ints]:
        """The pairs, ascending, and their counts."""
        self._merge()
        return self._keys, self._counts

    def _merge(self) -> None:
        keys = np.concatenate([self._keys, *(part for part, _ in self._waiting)])
        counts = np.concatenate([self._counts, *(part for _, part in self._waiting)])
        self._waiting.clear()
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
        self._keys = keys[starts]
        self._counts = np.add.reduceat(counts, starts) if len(starts) else counts
        while len(self._keys) > self._limit:
            self.least += 1
            kept = self._counts >= self.least
            self._keys, self._counts = self._keys[kept], self._counts[kept]


def score(pairs: Ints, first: Ints, second: Ints, num_words: int, discount: float) -> NDArray[np.float64]:
    """How much oftener two words stand together than by chance: eq. 6 of 2013b times the words of the corpus.

    (count(ab) - discount) / (count(a) count(b)) x num_words. The factor is word2phrase's; with it a threshold means
    the same in a small corpus and in a large one.
    """
    return (pairs - discount) / first / second * num_words


def with_phrases(
    shards: Shards, tokenizer: TextTokenizer, phrasing: Phrasing, progress: Progress = lambda share: None
) -> TextTokenizer:
    """A tokenizer that reads the phrases of a corpus as words, made of one that does not and its shards.

    A phrase lies in one sentence and holds no special token and no unknown word. Its words stay in the vocabulary
    where they occur `min_count` times outside phrases, too, so often as the tokenizer asks of every word; phrases are
    held to the same. The vocabulary is ordered by count and is larger than before by the phrases. The settings
    have `phrase_pairs_least`: pairs rarer than that may be missing, which is 1 unless the corpus has very many.

    Raises:
        RequestError: the tokenizer is not one of whole words made here, or has phrases already.
    """
    check_phrasable(tokenizer)
    names = list(tokenizer.vocab())
    numbers = {name: number for number, name in enumerate(names)}
    never = np.array(special_ids(tokenizer), np.int64)
    rounds = 2 * phrasing.passes + 1
    tables: list[Pairs] = []
    passes: list[list[str]] = []
    facts: dict[str, float] = {"phrase_threshold": phrasing.threshold, "phrase_discount": phrasing.discount}

    def told(done: int) -> Progress:
        return lambda share: progress((done + share) / rounds)

    counts = _count_words(shards, tables, len(names), told(0))
    for number in range(phrasing.passes):
        allowed = np.ones(len(names), np.bool_)
        allowed[never] = False
        threshold = phrasing.threshold_of(number)
        keys, least = _strong_pairs(shards, tables, counts, allowed, threshold, phrasing.discount, told(2 * number + 1))
        facts["phrase_pairs_least"] = max(least, facts.get("phrase_pairs_least", 1))
        taken = [key for key in keys.tolist() if _is_new(_pair(names, key), numbers, tokenizer.vocab_size)]
        passes.append([_pair(names, key) for key in taken])
        for pair in passes[-1]:
            if numbers.setdefault(joined(pair), len(names)) == len(names):
                names.append(joined(pair))
        first, second = np.array(taken, np.int64) >> SHIFT, np.array(taken, np.int64) & ((1 << SHIFT) - 1)
        tables.append(Pairs(first, second, np.array([numbers[joined(pair)] for pair in passes[-1]], np.int64)))
        counts = _count_words(shards, tables, len(names), told(2 * number + 2))
    return _tokenizer(tokenizer, passes, names, counts, facts)


def check_phrasable(tokenizer: TextTokenizer) -> None:
    """RequestError for a tokenizer that cannot get phrases, or has them."""
    if tokenizer.kind not in kinds.WHOLE or tokenizer.normaliser is None:
        raise RequestError(
            f"phrases are made of whole words, the tokenizer is of {tokenizer.kind} made "
            + ("here" if tokenizer.normaliser else "elsewhere"),
            where="--phrases",
            fix=f"Train a tokenizer with --tokenizer {', '.join(kinds.WHOLE[:-1])} or {kinds.WHOLE[-1]}.",
        )  # fmt: skip
    if tokenizer.phrases is not None:
        raise RequestError("the tokenizer has phrases already", where="--phrases", fix="Leave the option out.")


def _pair(names: list[str], key: int) -> str:
    return f"{names[key >> SHIFT]} {names[key & ((1 << SHIFT) - 1)]}"


def _is_new(pair: str, numbers: dict[str, int], num_words: int) -> bool:
    """Whether a pair would not become a word that the text itself has; snake_case may be one."""
    return numbers.get(joined(pair), num_words) >= num_words


def _stretches(shards: Shards, tables: list[Pairs], progress: Progress) -> Iterator[tuple[Ints, NDArray[np.bool_]]]:
    """The corpus's words, phrases joined, and where sentences begin; cut between sentences, if they are not endless."""
    offsets, total = shards.sentence_offsets, len(shards.ids)
    begin = 0
    while begin < total:
        end = int(offsets[np.searchsorted(offsets, begin + _AT_ONCE, side="right") - 1])
        end = end if end > begin else min(begin + _AT_ONCE, total)
        words = np.asarray(shards.ids[begin:end], np.int64)
        inside = offsets[np.searchsorted(offsets, begin) : np.searchsorted(offsets, end)] - begin
        begins = np.zeros(len(words), np.bool_)
        begins[0], begins[inside] = True, True
        for table in tables:
            words, _, begins = table.join(words, words, begins)
        yield words, begins
        begin = end
        progress(begin / total)


def _count_words(shards: Shards, tables: list[Pairs], size: int, progress: Progress) -> Ints:
    counts = np.zeros(size, np.int64)
    for words, _ in _stretches(shards, tables, progress):
        counts += np.bincount(words, minlength=size)
    return counts


def _strong_pairs(
    shards: Shards,
    tables: list[Pairs],
    counts: Ints,
    allowed: NDArray[np.bool_],
    threshold: float,
    discount: float,
    progress: Progress,
) -> tuple[Ints, int]:
    """The pairs whose score is over the threshold, the most frequent first, and the `least` of `PairCounts`.

    Only pairs are counted that would pass if they always stood together: no word of more than 1 / threshold of the
    corpus is in any, and most of the text need not be looked at.
    """
    found, num_words = PairCounts(PAIRS_LIMIT), int(counts.sum())
    for words, begins in _stretches(shards, tables, progress):
        here = np.flatnonzero(~begins[1:] & allowed[words[:-1]] & allowed[words[1:]])
        first, second = words[here], words[here + 1]
        most = np.minimum(counts[first], counts[second])
        able = score(most, counts[first], counts[second], num_words, discount) > threshold
        found.add(keys_of(first[able], second[able]))
    keys, times = found.found()
    first, second = counts[keys >> SHIFT], counts[keys & ((1 << SHIFT) - 1)]
    strong = score(times, first, second, num_words, discount) > threshold
    return keys[strong][np.argsort(-times[strong], kind="stable")], found.least


def _tokenizer(
    tokenizer: TextTokenizer, passes: list[list[str]], names: list[str], counts: Ints, facts: dict[str, float]
) -> TextTokenizer:
    least = int(tokenizer.settings.get("min_count", 1))
    parts = {word for pairs in passes for pair in pairs for word in (*pair.split(" "), joined(pair))}
    first = len(kinds.SPECIALS)
    order = sorted(range(first, len(names)), key=lambda number: (-counts[number], number))
    rare = [names[number] for number in order if counts[number] < least and names[number] in parts]
    left_out = set(rare)
    kept = [names[number] for number in order if names[number] not in left_out]
    backend = kinds.finish(kinds.backend_of_words([*kept, *rare]), tokenizer.kind)
    vocabulary = backend.get_vocab(with_added_tokens=True)
    phrases = Phrases(passes, vocabulary, first + len(kept), vocabulary["[UNK]"])
    settings = {**tokenizer.settings, **facts}
    return TextTokenizer(backend, tokenizer.kind, normaliser=tokenizer.normaliser, settings=settings, phrases=phrases)
