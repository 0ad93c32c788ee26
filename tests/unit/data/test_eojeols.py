from collections.abc import Sequence

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from munmaek.data.eojeols import EojeolMemory, GreedyPieces, is_clean, punctuation
from munmaek.data.kinds import pre_tokenizer

VOCABULARY = {
    token: i for i, token in enumerate(["[UNK]", "눈", "##이", "눈이", "와", "##서", "!", "ㅋ", "##ㅋ", "##ㅋㅋㅋ"])
}
TEXTS = ["눈이 와서!", "", "  눈 와서서  ", "눈모름 와", "눈\u200b이", "ㅋ" * 200, "눈이\t와", "눈\u3000와"]


def model_ids(texts: Sequence[str]) -> list[list[int]]:
    backend = Tokenizer(models.WordPiece(vocab=VOCABULARY, unk_token="[UNK]", max_input_chars_per_word=64))
    backend.pre_tokenizer = pre_tokenizer("wordpiece")
    return [encoding.ids for encoding in backend.encode_batch_fast(texts)]


def memory_ids(memory: EojeolMemory, texts: Sequence[str]) -> list[list[int]]:
    ids, lengths = memory.flat(texts)
    flat = iter(ids.tolist())
    return [[next(flat) for _ in range(length)] for length in lengths.tolist()]


@pytest.mark.parametrize("kept", [0, 2, 1000])
def test_the_memory_gives_what_the_model_gives(kept: int) -> None:
    memory = EojeolMemory(model_ids, GreedyPieces(VOCABULARY, 0, model_ids), kept)
    for texts in (TEXTS, TEXTS[::-1], ["새 말 눈이"], [], TEXTS):
        assert memory_ids(memory, texts) == model_ids(texts)


def test_known_words_are_not_cut_again() -> None:
    asked: list[str] = []

    def cut(words: Sequence[str]) -> list[list[int]]:
        asked.extend(words)
        return model_ids(words)

    memory = EojeolMemory(model_ids, cut)
    memory.flat(["눈이 와서 눈이"])
    memory.flat(["와서 눈이 ㅋ"])
    assert asked == ["눈이", "와서", "ㅋ"]


def test_greedy_pieces_are_the_longest() -> None:
    greedy = GreedyPieces(VOCABULARY, 0, model_ids)
    words = ["눈이", "눈", "와서", "눈이이", "와서!!", "모름", "ㅋㅋㅋㅋㅋㅋ", "!", "ㅋ" * 65]
    assert greedy(words) == model_ids(words)


def test_clean_text_has_only_plain_spaces() -> None:
    assert is_clean("눈이 와서")
    assert not any(map(is_clean, ["눈\t이", "눈\u3000이", "\x00", "\u1102\u116e", "\ufeff"]))


def test_punctuation_is_what_the_pre_tokenizer_cuts_at() -> None:
    cutter = pre_tokenizers.BertPreTokenizer()
    for text in ("좋다!!", "a-b", "「눈」", "3,000원", "★별★", "…ㅋ?", "€5", "a_b", "\u2019s"):
        assert punctuation().findall(text) == [piece for piece, _ in cutter.pre_tokenize_str(text)]
