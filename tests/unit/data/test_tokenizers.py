import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer as Plain

from munmaek.core.contracts import Tokenizer
from munmaek.core.errors import FormatError, RequestError
from munmaek.data.kinds import MORPHEMES, WHOLE
from munmaek.data.korean import SYLLABLES
from munmaek.data.tokenizers import KINDS, TextTokenizer, load_tokenizer, train_tokenizer
from munmaek.data.vocab import count_words

SENTENCES = [
    "눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다ㅋㅋ", "배가 고파서 배를 먹었다.", "영화가 정말 재미있었어요!!",
    "ㅠㅠ 슬프다", "Good movie, 3.5점", "뷁스러운 연기", "눈이 눈에 들어가서 눈물이 났다", "말이 안 되는 영화",
    "밤에 먹는 밤은 맛있다",
]  # fmt: skip
CORPUS = [SENTENCES[i:] + SENTENCES[:i] for i in range(10)]
OWN_FILE = [kind for kind in KINDS if kind not in MORPHEMES]


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> TextTokenizer:
    if request.param in MORPHEMES:
        pytest.importorskip("kiwipiepy")
    return train_tokenizer(CORPUS, request.param, 300)


@pytest.fixture(scope="module")
def wordpiece() -> TextTokenizer:
    return train_tokenizer(CORPUS, "wordpiece", 300)


def test_the_contract_holds(tokenizer: TextTokenizer) -> None:
    assert isinstance(tokenizer, Tokenizer)
    assert tokenizer.special == {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}
    assert tokenizer.token_id("mask") == tokenizer.token_id("[MASK]") == 4
    assert tokenizer.vocab_size == len(tokenizer.vocab())
    with pytest.raises(RequestError, match="no token '없는것'"):
        tokenizer.token_id("없는것")


def test_texts_of_the_corpus_come_back(tokenizer: TextTokenizer) -> None:
    for text in SENTENCES:
        encoding = tokenizer.encode(text)
        assert 1 not in encoding.ids
        assert tokenizer.decode(encoding.ids).replace(" ", "") == text.replace(" ", "")
    if tokenizer.kind not in ("wordpiece", *WHOLE):  # these keep no record of spaces beside a mark or a morpheme
        assert [tokenizer.decode(tokenizer.encode(text).ids) for text in SENTENCES] == SENTENCES


def test_offsets_are_the_text(tokenizer: TextTokenizer) -> None:
    for text in SENTENCES:
        encoding = tokenizer.encode(text)
        assert encoding.special == [True, *[False] * (len(encoding.ids) - 2), True]
        assert encoding.offsets[0] == encoding.offsets[-1] == (0, 0)
        covered = {place for start, end in encoding.offsets for place in range(start, end)}
        assert covered >= {place for place, character in enumerate(text) if character != " "}
        if tokenizer.kind != "jamo":
            for token, (start, end) in zip(encoding.tokens[1:-1], encoding.offsets[1:-1], strict=True):
                assert token.removeprefix("##").replace("▁", "") == text[start:end].strip() or token == "▁"


def test_either_unicode_form_gives_the_same_ids_and_offsets_of_the_given_text(tokenizer: TextTokenizer) -> None:
    for text in SENTENCES:
        apart = unicodedata.normalize("NFD", text)
        one, two = tokenizer.encode(text), tokenizer.encode(apart)
        assert one.ids == two.ids
        pieces = [unicodedata.normalize("NFC", apart[start:end]) for start, end in two.offsets]
        assert pieces == [text[start:end] for start, end in one.offsets]
        assert tokenizer.encode_ids([text, apart]) == [one.ids[1:-1]] * 2


def test_invisible_characters_do_not_change_ids(tokenizer: TextTokenizer) -> None:
    clean, dirty = "눈이 와서 좋다", "\ufeff눈\x00이\t와\u200b서 좋다\ud800"[:-1]
    assert tokenizer.encode(dirty).ids == tokenizer.encode(clean).ids
    last = tokenizer.encode(dirty).offsets[-2]
    assert dirty[slice(*last)].strip().endswith("다")


def test_hostile_strings_are_only_text(tokenizer: TextTokenizer) -> None:
    for text in ("\ud800", "", " ", "[MASK][SEP] 눈이", "ㅋ" * 5000, "눈" * 300, "\x1f눈\x1f이"):
        ids = tokenizer.encode_ids([text])[0]
        assert not {0, 2, 3, 4} & set(ids)
        tokenizer.encode(text)
    assert 4 in tokenizer.encode("[MASK] 눈이").ids


def test_fast_and_full_paths_agree(tokenizer: TextTokenizer) -> None:
    texts = [*SENTENCES, "처음 보는 글自 ☆", "", "눈\u3000이"]
    full = [encoding.ids for encoding in tokenizer.encode_batch(texts, special=False)]
    assert tokenizer.encode_ids(texts) == full
    ids, lengths = tokenizer.encode_flat(texts)
    assert ids.tolist() == [number for row in full for number in row]
    assert lengths.tolist() == [len(row) for row in full]


def test_pairs(tokenizer: TextTokenizer) -> None:
    one = tokenizer.encode("눈이 좋다", special=False).ids
    two = tokenizer.encode("배가 고프다", special=False).ids
    pair = tokenizer.encode("눈이 좋다", "배가 고프다")
    assert pair.ids == [2, *one, 3, *two, 3]
    assert pair.type_ids == [0] * (len(one) + 2) + [1] * (len(two) + 1)
    start, end = pair.offsets[len(one) + 2]
    assert start == 0
    assert "배가 고프다"[start:end].startswith("배") or pair.tokens[len(one) + 2] == "▁"
    bare = tokenizer.encode("눈이 좋다", "배가 고프다", special=False)
    assert bare.ids == one + two
    assert bare.type_ids == [0] * len(one) + [1] * len(two)
    with pytest.raises(RequestError, match="second texts"):
        tokenizer.encode_batch(["하나"], ["둘", "셋"])


def test_word_starts(tokenizer: TextTokenizer) -> None:
    ids = tokenizer.encode_ids(["눈이 와서 너무 좋다"])[0]
    starts = tokenizer.is_word_start(ids)
    assert starts.dtype == np.bool_
    assert starts[0]
    assert starts.sum() == (6 if tokenizer.kind == "morpheme-word" else 4)  # there every morpheme is a word


def test_a_saved_tokenizer_is_the_same(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "folder")
    again = load_tokenizer(tmp_path / "folder")
    assert again.hash == tokenizer.hash
    assert again.kind == tokenizer.kind
    assert again.settings == tokenizer.settings
    assert again.encode(SENTENCES[1], SENTENCES[2]) == tokenizer.encode(SENTENCES[1], SENTENCES[2])


def test_plain_tokenizers_opens_the_file_with_the_same_ids(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    plain = Plain.from_file(str(tmp_path / "tokenizer.json"))
    if tokenizer.kind in MORPHEMES:
        assert "kiwipiepy" in json.loads((tmp_path / "munmaek_tokenizer.json").read_text("utf-8"))["needs"]
        assert plain.encode("눈\x1f이").ids == tokenizer.encode("눈이").ids
        return
    texts = [*SENTENCES, unicodedata.normalize("NFD", SENTENCES[0]), "\x00눈\u200b이\t와", "ㅋ" * 300, "[MASK] 눈"]
    assert [e.ids for e in plain.encode_batch(texts)] == [e.ids for e in tokenizer.encode_batch(texts)]


@pytest.mark.parametrize("kind", ["syllable", "jamo"])
def test_every_syllable_round_trips(kind: str) -> None:
    tokenizer = train_tokenizer([["눈이 와서"]], kind, 200)
    text = " ".join(["".join(SYLLABLES[i : i + 50]) for i in range(0, len(SYLLABLES), 50)])
    encoding = tokenizer.encode(text)
    assert 1 not in encoding.ids
    assert tokenizer.decode(encoding.ids) == text


def test_training_is_the_same_each_time(tokenizer: TextTokenizer) -> None:
    if tokenizer.kind == "unigram":
        pytest.skip("the library's EM sums in an order of its own")
    assert train_tokenizer(CORPUS, tokenizer.kind, 300).hash == tokenizer.hash


def test_the_vocabulary_is_no_larger_than_asked(tokenizer: TextTokenizer) -> None:
    assert tokenizer.vocab_size <= 300 or tokenizer.kind == "syllable"


def test_wordpiece_keeps_every_syllable_however_many(tmp_path: Path) -> None:
    corpus = [["".join(SYLLABLES[i : i + 4]) for i in range(0, 8000, 4)] * 3]
    tokenizer = train_tokenizer(corpus, "wordpiece", 16_000)
    assert 1 not in tokenizer.encode(" ".join(corpus[0])).ids
    tokens = {token.removeprefix("##") for token in tokenizer.vocab()}
    assert set(SYLLABLES[:8000]) <= tokens


def test_frequent_words_become_tokens(wordpiece: TextTokenizer) -> None:
    assert wordpiece.encode("눈이 너무").tokens == ["[CLS]", "눈이", "너무", "[SEP]"]
    assert wordpiece.encode("예쁘다ㅋㅋ").tokens[-2].endswith("ㅋㅋ")


def test_counted_words_train_the_same(wordpiece: TextTokenizer) -> None:
    assert train_tokenizer(count_words(CORPUS), "wordpiece", 300).hash == wordpiece.hash


def test_case_is_kept(wordpiece: TextTokenizer) -> None:
    assert "Good" in wordpiece.decode(wordpiece.encode("Good").ids)


def test_requests_that_cannot_be_met() -> None:
    with pytest.raises(RequestError, match="no tokenizer kind 'sentencepiece'"):
        train_tokenizer(CORPUS, "sentencepiece")
    with pytest.raises(RequestError, match="too few"):
        train_tokenizer(CORPUS, "wordpiece", 10)


def test_files_that_are_no_tokenizer(tmp_path: Path, wordpiece: TextTokenizer) -> None:
    with pytest.raises(RequestError, match="no such tokenizer"):
        load_tokenizer(tmp_path / "absent")
    with pytest.raises(RequestError, match=r"no tokenizer\.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(FormatError, match="not a tokenizer file"):
        load_tokenizer(tmp_path)
    wordpiece.save(tmp_path)
    settings = tmp_path / "munmaek_tokenizer.json"
    settings.write_text(settings.read_text("utf-8").replace('"wordpiece"', '"runes"'), "utf-8")
    with pytest.raises(FormatError, match="runes"):
        load_tokenizer(tmp_path)


def test_words_of_morphemes_are_whole_wherever_they_stand() -> None:
    pytest.importorskip("kiwipiepy")
    tokenizer = train_tokenizer(CORPUS, "morpheme-word", 300)
    encoding = tokenizer.encode("너의 눈이 좋다.", special=False)
    assert encoding.tokens == ["너", "의", "눈", "이", "좋", "다", "."]
    assert encoding.offsets == [(0, 1), (1, 2), (3, 4), (4, 5), (6, 7), (7, 8), (8, 9)]
    assert tokenizer.encode_ids(["너의 눈이 좋다."]) == [encoding.ids]
    assert len({tokenizer.encode(text, special=False).ids[0] for text in ("눈이 와서", "눈에 들어가서")}) == 1
    assert tokenizer.is_word_start(encoding.ids).all()
    assert tokenizer.is_word_start(range(tokenizer.vocab_size)).all()


def test_rare_words_get_no_token() -> None:
    pytest.importorskip("kiwipiepy")
    corpus = [["눈이 와서", "눈이 좋다"], ["눈이 온다"]]
    assert "와서" in train_tokenizer(corpus, "morpheme-word", 100).vocab()
    assert set(train_tokenizer(corpus, "morpheme-word", 100, min_count=3).vocab()) >= {"눈", "이"}
    assert "와서" not in train_tokenizer(corpus, "morpheme-word", 100, min_count=2).vocab()


def test_eojeols_keep_their_marks() -> None:
    tokenizer = train_tokenizer([["눈이 와서, 너무 좋다!", "눈이 와서, 좋다! ㅠㅠ"]], "eojeol", 100)
    found = tokenizer.encode("눈이 와서,  좋다!")
    assert found.tokens == ["[CLS]", "눈이", "와서,", "좋다!", "[SEP]"]
    assert found.offsets[1:4] == [(0, 2), (3, 6), (8, 11)]
    assert "와서" not in tokenizer.vocab()
    assert tokenizer.is_word_start(found.ids).all()
