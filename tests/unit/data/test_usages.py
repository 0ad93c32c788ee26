"""Word in context in tables: marks that go, places that stay, columns that are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from munmaek.core.errors import DataError, RequestError
from munmaek.data.usages import Usage, join, read_usages, show, split, unmark, usage_table


@pytest.mark.parametrize(
    ("marked", "word", "text", "span"),
    [
        ("의자왕의 방탕과 [실정]으로 망했다.", "실정", "의자왕의 방탕과 실정으로 망했다.", (9, 11)),
        ("[불이] 꺼진 학교", "불", "불이 꺼진 학교", (0, 1)),
        ("단을 내린 바짓[단]이 뜯어져 [단]이 내려왔다.", "단", "단을 내린 바짓단이 뜯어져 단이 내려왔다.", (8, 9)),
        ("이 [술집]에서는 [1] 모든 주류를 다룬다.", "주류", "이 [술집]에서는 [1] 모든 주류를 다룬다.", None),
        ("[주]와 [1]에서 [주류]를", "주류", "[주]와 [1]에서 주류를", (11, 13)),
        ("불을 때지 않아", "방", "불을 때지 않아", None),
        ("", "방", "", None),
        ("[]", "", "[]", None),
    ],
)
def test_marks_go_and_the_place_stays(marked: str, word: str, text: str, span: tuple[int, int] | None) -> None:
    found = unmark(marked, word)
    assert found == Usage(text, word, span)
    if span is not None:
        assert found.text[slice(*span)] == word


@pytest.mark.parametrize(
    "header",
    ["ID\tTarget\tSENTENCE1\tSENTENCE2\tANSWER", "i\tword\tcontext_1\tcontext_2\tlabel", "i\t낱말\t문장1\t문장2\t정답"],
)
def test_usual_names_and_answers_are_found(tmp_path: Path, header: str) -> None:
    answers = ["True", "FALSE", "T", "f", "1", "0"]
    rows = [f"1\t배\t[배]를 타고\t배가 달다\t{answer}" for answer in answers]
    path = tmp_path / "a.tsv"
    path.write_text("\n".join([header, *rows, "1\t배\t배가\t배는\t글쎄", "1\t\t배가\t배는\tTrue", ""]), "utf-8")
    found = read_usages(path)
    assert found.same == [True, False] * 3
    assert (found.first[0], found.second[0]) == (Usage("배를 타고", "배", (0, 1)), Usage("배가 달다", "배"))
    assert found.skipped == {"the answer is neither true nor false": 1, "the word or a sentence is missing": 1}


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("word\tone\ttwo\tlabel\n배\t배가\t배는\t글쎄\n", "utf-8")
    with pytest.raises(RequestError, match=r"no column holds the first sentence.*there are: word, one, two, label"):
        read_usages(path)
    with pytest.raises(RequestError, match="no column holds the second sentence"):
        read_usages(path, first_column="one", second_column="three")
    with pytest.raises(DataError, match=r"no row can be used \(the answer is neither true nor false: 1\)"):
        read_usages(path, first_column="one", second_column="two")


def test_kobest(data_dir: Path) -> None:
    for name, count, unmarked in (("train", 3_318, 2), ("dev", 610, 1)):
        found = read_usages(data_dir / "kobest" / "WiC" / f"{name}.tsv")
        assert len(found) == count
        assert not found.skipped
        usages = [*found.first, *found.second]
        assert all(usage.text[slice(*usage.span)] == usage.word for usage in usages if usage.span)
        assert sum(usage.span is None for usage in usages) <= unmarked


@pytest.mark.parametrize("text", ["배를 타고", "[1] 큰 배", "\x02배\x03는 [배]가 아니다"])
def test_a_marked_sentence_travels_as_one_string(text: str) -> None:
    start = text.index("배")
    sentence, span = split(join(text, (start, start + 1)))
    assert (len(sentence), span) == (len(text), (start, start + 1))
    assert sentence[slice(*span)] == "배"


def test_a_person_marks_with_brackets() -> None:
    assert split("큰 [배]를") == ("큰 배를", (2, 3))
    assert show(join("[1] 큰 배", (6, 7))) == "[1] 큰 [배]"
    for unmarked in ("큰 배를", "큰 []를", "큰 [ ]를"):
        with pytest.raises(DataError, match="no word is marked"):
            split(unmarked)


def test_a_table_of_usages(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("낱말\t문장1\t문장2\t정답\n배\t[배]를\t큰 배가\tT\n배\t[배]를\t말이\tF\n", "utf-8")
    table = usage_table(path)
    assert (table.texts, table.pairs, table.labels) == ([join("배를", (0, 1))], [join("큰 배가", (2, 3))], ["true"])
    assert table.columns.read == ["문장1", "문장2", "정답"]
    assert table.skipped == {"the word is not in its sentence as it is written": 1}
    assert usage_table(path, answered=False).labels is None
