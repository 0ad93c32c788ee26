import unicodedata

import pytest

from munmaek.core.errors import RequestError
from munmaek.data.normalise import INVISIBLE, Normaliser, align, normalise, repairs, without_surrogates

FAMILY = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"


SEEN = ["ㅋㅋㅋ ㅠㅠ", "①②③ ㈜", "ＡＢＣ", "ﬁ", "10㎏", "A a 대문자", "좋다  두 칸", FAMILY, "é"]


@pytest.mark.parametrize("text", SEEN)
def test_nothing_that_a_reader_sees_changes(text: str) -> None:
    assert normalise(text) == text


def test_decomposed_hangul_is_composed() -> None:
    assert normalise(unicodedata.normalize("NFD", "눈이 와서 값")) == "눈이 와서 값"


def test_invisible_characters_go_and_tabs_become_spaces() -> None:
    assert normalise("\ufeff눈\x00이\u200b 와\u00ad서\t좋\x7f다\r") == "눈이 와서 좋다 "
    assert normalise("한\u2028글") == "한 글"


def test_lone_surrogates_become_replacement_characters() -> None:
    assert normalise("눈\ud800이") == "눈\ufffd이"
    assert without_surrogates("눈\ud83d\ude00이\x00") == "눈\ufffd\ufffd이\x00"


def test_repairs_are_counted_by_reason() -> None:
    text = "\ufeff\x00\x00\u200b\ud800\u2028" + unicodedata.normalize("NFD", "눈")
    assert repairs(text) == {
        "byte_order_mark": 1, "nul": 2, "invisible": 1, "lone_surrogate": 1, "odd_line_break": 1, "not_nfc": 1,
    }  # fmt: skip
    assert repairs("눈이 와서\t좋다") == {}


def test_align_points_at_the_given_text() -> None:
    text = "\x00" + unicodedata.normalize("NFD", "눈이") + " \u200bé" + "e\u0301\u0323x"
    clean, starts, ends = align(text)
    assert clean == normalise(text)
    spans = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    assert [normalise(span) for span in spans[:2]] == ["눈", "이"]
    assert spans[0] == unicodedata.normalize("NFD", "눈")
    assert spans[-1] == "x"
    assert align("") == ("", [], [])


def test_every_invisible_character_is_outside_what_is_printable() -> None:
    assert not any(character.isprintable() for character in INVISIBLE.replace("-", ""))


def test_settings_of_another_release_are_refused() -> None:
    assert Normaliser(**Normaliser().as_dict()) == Normaliser()
    with pytest.raises(RequestError, match="NFKC"):
        Normaliser(form="NFKC")
