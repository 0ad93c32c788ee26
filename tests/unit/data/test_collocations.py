from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from planted_phrases import PLANTED, find_plainly, planted_sentences

from munmaek.core.errors import RequestError
from munmaek.data import collocations
from munmaek.data.collocations import PairCounts, with_phrases
from munmaek.data.phrases import Phrasing
from munmaek.data.shards import Shards, build_shards
from munmaek.data.tokenizers import TextTokenizer, tokenizer_of_words, train_tokenizer

SENTENCES = planted_sentences()


def sharded(sentences: Sequence[str], tokenizer: TextTokenizer, folder: Path) -> Shards:
    return build_shards([list(sentences[i : i + 7]) for i in range(0, len(sentences), 7)], tokenizer, folder / "s",
                        corpus_hash="planted")  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> TextTokenizer:
    return train_tokenizer([SENTENCES], "word", 1_000, min_count=5)


@pytest.fixture(scope="module")
def shards(plain: TextTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return sharded(SENTENCES, plain, tmp_path_factory.mktemp("shards"))


def passes_of(tokenizer: TextTokenizer) -> list[set[str]]:
    assert tokenizer.phrases is not None
    return [set(pairs) for pairs in tokenizer.phrases.passes]


def words_of(tokenizer: TextTokenizer, sentences: Sequence[str]) -> list[list[str]]:
    return [encoding.tokens for encoding in tokenizer.encode_batch(sentences, special=False)]


@pytest.mark.parametrize("phrasing", [Phrasing(1), Phrasing(2, 50), Phrasing(3, 5, 0.0), Phrasing(4, 2)])
def test_phrases_are_those_of_a_plain_count(phrasing: Phrasing, plain: TextTokenizer, shards: Shards) -> None:
    thresholds = [phrasing.threshold_of(number) for number in range(phrasing.passes)]
    passes, sentences = find_plainly(words_of(plain, SENTENCES), thresholds, phrasing.discount)
    tokenizer = with_phrases(shards, plain, phrasing)
    assert passes_of(tokenizer) == passes
    assert passes[0]
    # what is kept as a word has been counted min_count times; the rest is read as its parts or not at all
    counts = Counter(word for sentence in sentences for word in sentence)
    parts = {word for pairs in passes for pair in pairs for word in (*pair.split(" "), pair.replace(" ", "_"))}
    kept = {word for word in {*plain.vocab(), *counts} if counts[word] >= 5 or word not in parts}
    assert set(tokenizer.vocab()) == kept
    frequencies = [counts[word] for word in sorted(tokenizer.vocab(), key=tokenizer.vocab().__getitem__)[5:]]
    assert frequencies == sorted(frequencies, reverse=True)
    for ours, theirs in zip(words_of(tokenizer, SENTENCES), sentences, strict=True):
        if all(word in kept for word in theirs):
            assert ours == theirs


def test_the_planted_phrases_are_found(plain: TextTokenizer, shards: Shards) -> None:
    tokenizer = with_phrases(shards, plain, Phrasing(2, 20))
    phrases = {word for word in tokenizer.vocab() if "_" in word}
    assert phrases == {phrase.replace(" ", "_") for phrase in PLANTED}
    assert words_of(tokenizer, ["new york times new york los angeles"]) == [
        ["new_york_times", "new_york", "los_angeles"]
    ]
    ids = tokenizer.encode_ids(SENTENCES)
    assert ids == [encoding.ids for encoding in tokenizer.encode_batch(SENTENCES, special=False)]


@pytest.mark.parametrize("threshold", [5.0, 30.0, 100.0])
def test_phrases_are_gensims(threshold: float, plain: TextTokenizer, shards: Shards) -> None:
    """gensim multiplies eq. 6 by the number of its entries, words and pairs; here it is the words of the corpus."""
    gensim = pytest.importorskip("gensim.models.phrases")
    sentences = words_of(plain, SENTENCES)
    model = gensim.Phrases(sentences, min_count=5, threshold=1.0, scoring="default", delimiter="_")
    model.threshold = threshold * len(model.vocab) / model.corpus_word_count
    tokenizer = with_phrases(shards, plain, Phrasing(1, threshold, 5))
    assert passes_of(tokenizer) == [{phrase.replace("_", " ") for phrase in model.export_phrases()}]
    known = tokenizer.vocab()
    compared = [(ours, theirs) for ours, theirs in zip(words_of(tokenizer, SENTENCES), model[sentences], strict=True)
                if set(theirs) <= known.keys()]  # fmt: skip
    assert all(ours == theirs for ours, theirs in compared)
    assert len(compared) > 0.9 * len(SENTENCES)


def test_counting_is_the_same_in_stretches(
    plain: TextTokenizer, shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = with_phrases(shards, plain, Phrasing(2, 5))
    told: list[float] = []
    monkeypatch.setattr(collocations, "_AT_ONCE", 100)
    parts = with_phrases(shards, plain, Phrasing(2, 5), told.append)
    assert parts.hash == whole.hash
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


def test_little_memory_misses_the_rarer_pairs_and_says_so(
    plain: TextTokenizer, shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = with_phrases(shards, plain, Phrasing(1, 5))
    assert whole.settings["phrase_pairs_least"] == 1
    monkeypatch.setattr(collocations, "_AT_ONCE", 500)
    for limit, same in ((60, True), (4, False)):
        monkeypatch.setattr(collocations, "PAIRS_LIMIT", limit)
        small = with_phrases(shards, plain, Phrasing(1, 5))
        assert small.settings["phrase_pairs_least"] > 1
        assert passes_of(small)[0] <= passes_of(whole)[0]
        assert (passes_of(small) == passes_of(whole)) is same


def test_a_sentence_longer_than_a_stretch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collocations, "_AT_ONCE", 64)
    text = " ".join("a b" if n % 4 else f"c{n % 20}" for n in range(2_000))
    plain = train_tokenizer([[text]], "word", 100, min_count=1)
    found = with_phrases(sharded([text, "a b"], plain, tmp_path), plain, Phrasing(1, 1.2))
    assert "a b" in passes_of(found)[0]


def test_sentences_and_unknown_words_keep_words_apart(tmp_path: Path) -> None:
    text = ["x red", "blue y", "x green never seen blue y", "p q"] * 20
    plain = tokenizer_of_words(["x", "red", "blue", "y", "green", "p", "q"])
    found = with_phrases(sharded(text, plain, tmp_path), plain, Phrasing(1, 1.0, 0))
    assert passes_of(found) == [{"x red", "blue y", "x green", "p q"}]


def test_a_word_that_looks_like_a_phrase_stays_itself(tmp_path: Path) -> None:
    plain = tokenizer_of_words(["snake", "case", "snake_case", "other"])
    shards = sharded(["snake case", "other case"] * 9, plain, tmp_path)
    assert passes_of(with_phrases(shards, plain, Phrasing(1, 1.0, 0))) == [{"other case"}]


def test_pairs_are_counted_and_pruned() -> None:
    draw = np.random.default_rng(0)
    counts, expected = PairCounts(10_000), Counter[int]()
    for _ in range(20):
        keys = draw.zipf(1.3, 5_000).clip(max=3_000)
        counts.add(keys)
        expected.update(keys.tolist())
    keys, times = counts.found()
    assert dict(zip(keys.tolist(), times.tolist(), strict=True)) == expected
    assert keys.tolist() == sorted(expected)
    assert counts.least == 1
    small = PairCounts(100)
    for _ in range(20):
        small.add(draw.zipf(1.3, 5_000).clip(max=3_000))
    keys, times = small.found()
    assert len(keys) <= 100
    assert small.least > 1
    assert keys[times.argmax()] == 1


@pytest.mark.parametrize("kind", ["wordpiece", "jamo"])
def test_only_whole_words_have_phrases(kind: str, shards: Shards) -> None:
    with pytest.raises(RequestError, match=r"--phrases: .* of " + kind + ".*word, eojeol or morpheme-word"):
        with_phrases(shards, train_tokenizer([SENTENCES[:50]], kind, 200), Phrasing(1))


def test_phrases_are_found_once(plain: TextTokenizer, shards: Shards) -> None:
    with pytest.raises(RequestError, match="has phrases already"):
        with_phrases(shards, with_phrases(shards, plain, Phrasing(1)), Phrasing(1))
