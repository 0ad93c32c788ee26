import unicodedata

import pytest

from munmaek.data.korean import (
    SYLLABLES,
    compose,
    decompose,
    eojeols,
    has_final,
    is_hangul,
    is_syllable,
    josa,
    particle,
    split_sentences,
    to_jamo,
)


def test_all_syllables_come_apart_and_together() -> None:
    assert len(SYLLABLES) == 11_172
    for syllable in SYLLABLES:
        initial, vowel, final = decompose(syllable)
        assert compose(initial, vowel, final) == syllable
        assert (final != "") == (len(unicodedata.normalize("NFD", syllable)) == 3)


def test_jamo_of_a_text() -> None:
    assert decompose("값") == ("ㄱ", "ㅏ", "ㅄ")
    assert to_jamo("눈 ㅋ a") == "ㄴㅜㄴ ㅋ a"


def test_what_is_no_syllable_is_refused() -> None:
    with pytest.raises(ValueError, match="not a Hangul syllable"):
        decompose("ㄱ")
    with pytest.raises(ValueError, match="do not form"):
        compose("ㅏ", "ㄱ")
    assert is_hangul("ㅋ")
    assert is_hangul("\u1100")
    assert not is_syllable("ㅋ")
    assert not is_hangul("漢")


@pytest.mark.parametrize(
    ("word", "pair", "expected"),
    [
        ("눈", "은/는", "눈은"), ("배", "은/는", "배는"), ("말", "이/가", "말이"), ("차", "이/가", "차가"),
        ("밤", "을/를", "밤을"), ("사과", "을/를", "사과를"), ("눈", "와/과", "눈과"), ("배", "와/과", "배와"),
        ("길", "으로/로", "길로"), ("집", "으로/로", "집으로"), ("학교", "으로/로", "학교로"),
        ("말", "이다/다", "말이다"), ("배", "이다/다", "배다"), ("3", "은/는", "3은"), ("2", "은/는", "2는"),
        ("1", "으로/로", "1로"), ("'눈'", "이/가", "'눈'이"),
        ("5", "이/가", "5가"), ("10", "이/가", "10이"),
    ],
)  # fmt: skip
def test_particles_follow_the_final(word: str, pair: str, expected: str) -> None:
    assert josa(word, pair) == expected


def test_particle_pairs_are_known_either_way_or_refused() -> None:
    assert particle("눈", "는/은") == "은"
    assert has_final("눈")
    assert not has_final("!")
    with pytest.raises(ValueError, match="unknown particle"):
        particle("눈", "도/두")


def test_eojeols_are_spans() -> None:
    text = " 눈이  와서 "
    assert [text[start:end] for start, end in eojeols(text)] == ["눈이", "와서"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("눈이 왔다. 좋다!", ["눈이 왔다.", "좋다!"]),
        ('그가 "가자!" 했다. 그래서?', ['그가 "가자!"', "했다.", "그래서?"]),
        ("Dr. Kim came. He left.", ["Dr. Kim came.", "He left."]),
        ("3.5점 줬다. 끝", ["3.5점 줬다.", "끝"]),
        ("재밌어요ㅋㅋㅋ 또 볼래요", ["재밌어요ㅋㅋㅋ", "또 볼래요"]),
        ("끝 표시가 없는 글", ["끝 표시가 없는 글"]),
        ("1. 서론입니다. 2. 본론", ["1. 서론입니다.", "2. 본론"]),
        ("   ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected


def test_no_character_is_lost_between_sentences() -> None:
    text = "눈이 왔다... 정말?! 좋다~ ㅋㅋ 다음. 끝"
    assert "".join(split_sentences(text)).replace(" ", "") == text.replace(" ", "")
