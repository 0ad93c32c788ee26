import numpy as np

from munmaek.data.merges import Merges, learn_merges


def learn(words: dict[str, int], size: int, **options) -> Merges:
    alphabet = sorted({character for word in words for character in word})
    number = {character: i for i, character in enumerate(alphabet)}
    symbols = np.asarray([number[c] for word in words for c in word], dtype=np.int32)
    lengths = np.asarray([len(word) for word in words], dtype=np.int64)
    counts = np.asarray(list(words.values()), dtype=np.int64)
    return learn_merges(symbols, lengths, counts, alphabet, size, join=lambda a, b: a + b, **options)


def test_the_example_of_the_paper() -> None:
    # Sennrich 2016, section 3.2, without its end-of-word mark
    merges = learn({"low": 5, "lower": 2, "newest": 6, "widest": 3}, 14)
    assert set(merges.symbols[10:]) >= {"es", "est", "lo"}
    assert merges.counts[:2] == [9, 9]
    assert merges.counts == sorted(merges.counts, reverse=True)


def test_repeated_symbols_merge_from_the_left() -> None:
    merges = learn({"ㅋㅋㅋㅋㅋ": 4}, 3)
    assert merges.symbols == ["ㅋ", "ㅋㅋ", "ㅋㅋㅋ"]
    assert merges.counts == [16, 4]


def test_rare_pairs_are_left_alone() -> None:
    assert learn({"가나": 1}, 100).pairs == []
    assert learn({"가나": 1}, 100, least=1).symbols == ["가", "나", "가나"]


def test_long_strings_are_not_made() -> None:
    assert max(map(len, learn({"가나다라마바": 9, "가나다": 9}, 100, longest=3).symbols)) == 3


def test_barred_symbols_never_merge() -> None:
    symbols = np.asarray([0, -1, 1, 0, 1], dtype=np.int32)
    merges = learn_merges(symbols, np.asarray([3, 2]), np.asarray([5, 3]), ["a", "b"], 10, join=lambda a, b: a + b)
    assert merges.counts == [3]


def test_nothing_to_merge() -> None:
    assert learn({"가": 3, "나": 2}, 10).pairs == []
    assert learn({}, 10).symbols == []


def test_many_rare_pairs_come_in_when_the_frequent_ones_run_out() -> None:
    rng = np.random.default_rng(0)
    words = {"".join(map(chr, 0xAC00 + rng.integers(0, 60, 4))): int(c) for c in rng.zipf(1.5, 3000).clip(max=500)}
    merges = learn(words, 5000)
    assert len(merges.symbols) > 700
    told: list[tuple[int, int]] = []
    learn(words, 400, progress=lambda done, size: told.append((done, size)))
    assert told[0][1] == 400
