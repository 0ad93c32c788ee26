from munmaek.data.vocab import count_characters, count_words


def test_words_are_counted_by_white_space() -> None:
    counts = count_words([["눈이 와서  좋다", "눈이\u3000좋다"], ["좋다!"]])
    assert counts == {"눈이": 2, "와서": 1, "좋다": 2, "좋다!": 1}
    assert counts.pruned == 0
    assert counts.least == 1


def test_rare_words_go_beyond_the_limit_and_are_counted() -> None:
    documents = [[" ".join(f"말{n}" for n in range(200_000))], ["눈이 " * 50_000, "배가 " * 60_000]]
    counts = count_words(documents, limit=1000)
    assert counts["눈이"] == 50_000
    assert counts["배가"] == 60_000
    assert len(counts) <= 1000
    assert counts.total() + counts.pruned == 310_000
    assert counts.least > 1


def test_characters_weigh_as_their_words() -> None:
    assert count_characters([("눈눈이", 3), ("이", 2)]) == {"눈": 6, "이": 5}
