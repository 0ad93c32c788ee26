from __future__ import annotations

import gzip
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munmaek.core.errors import DataError, RequestError
from munmaek.data import questions
from munmaek.data.questions import read_questions

CONTEXT = "김유정은 1908년 춘천에서 태어났다. 춘천에는 그의 이름을 딴 역이 있다."


def answer(text: str, start: int) -> dict[str, Any]:
    return {"text": text, "answer_start": start}


def asked(*answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "1", "question": "어디에서?", "answers": list(answers), **more}


def write(path: Path, *qas: Any, context: str = CONTEXT) -> Path:
    whole = {"version": "1.1", "data": [{"title": "김유정", "paragraphs": [{"context": context, "qas": list(qas)}]}]}
    path.write_text(json.dumps(whole, ensure_ascii=False), "utf-8")
    return path


def golds(path: Path) -> list[tuple[questions.Gold, ...] | None]:
    labels = read_questions(path).labels
    assert labels is not None
    return [None if label is None else questions.split(label) for label in labels]


def test_a_row_a_question(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.json", asked(answer("춘천", 11), answer("춘천에서", 11)), asked(is_impossible=True),
        asked(answer("춘천", 11), is_impossible=True), asked(), {"question": "몇 년에?"},
    )  # fmt: skip
    table = read_questions(path)
    assert table.texts == ["어디에서?"] * 4 + ["몇 년에?"]
    assert table.pairs == [CONTEXT] * 5
    assert golds(path) == [((11, 13, "춘천"), (11, 15, "춘천에서")), (), (), None, None]
    assert (table.notes, table.skipped) == ([], {})
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert golds(tmp_path / "b.json.gz") == golds(path)
    (tmp_path / "c.json").write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert golds(tmp_path / "c.json") == golds(path)


def test_an_answer_out_of_place_is_looked_for_nearby(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", asked(answer("춘천", 10)), asked(answer("춘천", 20)), asked(answer(" 춘천 ", 10)))
    assert golds(path) == [((11, 13, "춘천"),), ((22, 24, "춘천"),), ((11, 13, "춘천"),)]
    assert read_questions(path).notes == [
        "a.json: 2 answers do not begin where the file says; found within 64 characters"
    ]


def test_what_stands_nowhere_is_skipped_and_counted(tmp_path: Path) -> None:
    far = "가" * 100 + "춘천"
    path = write(tmp_path / "a.json", asked(answer("춘천", 0)), asked(answer("서울", 0), answer("가", 3)),
                 asked(answer("", 3)), context=far)  # fmt: skip
    table = read_questions(path)
    assert golds(path) == [((3, 4, "가"),)]
    assert table.skipped == {questions.NOT_THERE: 2}


def test_other_unicode_forms_keep_their_places(tmp_path: Path) -> None:
    """Places count characters of the paragraph as it was given, whatever form the answer has."""
    context = unicodedata.normalize("NFD", CONTEXT)
    start = context.index(unicodedata.normalize("NFD", "춘천"))
    path = write(tmp_path / "a.json", asked(answer("춘천", start)), asked(answer("춘천", 11)), context=context)
    [[first], [second]] = [row for row in golds(path) if row]
    assert first == second
    assert unicodedata.normalize("NFC", context[first[0] : first[1]]) == "춘천"
    assert read_questions(path).notes == [
        "a.json: 1 answers do not begin where the file says; found within 64 characters"
    ]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda w: w["data"][0]["paragraphs"][0]["qas"][1].pop("question"),
         r"a\.json: data\[0\]\.paragraphs\[0\]\.qas\[1\]: there is no 'question'"),
        (lambda w: w["data"][0]["paragraphs"][0].update(context=3),
         r"data\[0\]\.paragraphs\[0\]: 'context' is not a text but a number"),
        (lambda w: w["data"][0]["paragraphs"][0]["qas"][0]["answers"][0].pop("answer_start"),
         r"qas\[0\]\.answers\[0\]: there is no 'answer_start'"),
        (lambda w: w["data"][0]["paragraphs"][0]["qas"][0]["answers"][0].update(answer_start="12"),
         r"'answer_start' is not a whole number but a text"),
        (lambda w: w["data"][0]["paragraphs"].append("x"), r"data\[0\]\.paragraphs\[1\]: not an object but a text"),
        (lambda w: w["data"][0].update(paragraphs={}), r"data\[0\]: 'paragraphs' is not an array but an object"),
        (lambda w: w.pop("data"), r"a\.json: there is no 'data'"),
        (lambda w: w.update(data=[]), "holds no question"),
    ],
)  # fmt: skip
def test_broken_files_say_where(tmp_path: Path, edit: Any, message: str) -> None:
    path = write(tmp_path / "a.json", asked(answer("춘천", 11)), asked())
    whole = json.loads(path.read_text("utf-8"))
    edit(whole)
    path.write_text(json.dumps(whole), "utf-8")
    with pytest.raises(DataError, match=message):
        read_questions(path)


def test_there_must_be_a_file_of_json(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file"):
        read_questions(tmp_path / "none.json")
    with pytest.raises(RequestError, match="a folder"):
        read_questions(tmp_path)
    for name, content in (("a.json", b"{"), ("b.json", b"\xb0\xa1"), ("c.json", b"[" * 100_000)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name}: not valid JSON"):
            read_questions(tmp_path / name)
    (tmp_path / "d.json").write_text("[]", "utf-8")
    with pytest.raises(DataError, match="not an object but an array"):
        read_questions(tmp_path / "d.json")


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.text()), max_size=5))
def test_a_label_holds_any_answers(found: list[questions.Gold]) -> None:
    assert questions.split(questions.join(found)) == tuple(found)
