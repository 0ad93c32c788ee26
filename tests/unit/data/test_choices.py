"""Multiple choices in tables: which columns are found, how a row is put together, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from munmaek.core.errors import RequestError
from munmaek.data import choices
from munmaek.data.tables import Table, read_table


def read(tmp_path: Path, header: str, *rows: str, **options: str | bool) -> Table:
    path = tmp_path / "a.tsv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return read_table(path, alternatives=True, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("header", "text", "question", "found", "label"),
    [
        ("ID\tsentence\tquestion\t1\t2\tAnswer", "sentence", "question", ("1", "2"), "Answer"),
        ("premise\tquestion\talternative_1\talternative_2\tlabel", "premise", "question",
         ("alternative_1", "alternative_2"), "label"),
        ("idx\tpremise\tchoice1\tchoice2\tquestion\tlabel", "premise", "question", ("choice1", "choice2"), "label"),
        ("ending1\tending0\tending2\tcontext\tlabel", "context", None, ("ending0", "ending1", "ending2"), "label"),
        ("지문\t질문\t보기1\t보기2\t보기3\t정답", "지문", "질문", ("보기1", "보기2", "보기3"), "정답"),
        ("question\toption1\toption2\tanswer", "question", None, ("option1", "option2"), "answer"),
    ],
)  # fmt: skip
def test_usual_names_are_found(
    tmp_path: Path, header: str, text: str, question: str | None, found: tuple[str, ...], label: str
) -> None:
    columns = read(tmp_path, header, "\t".join("x" * (header.count("\t") + 1)), labels=True).columns
    assert (columns.text, columns.question, columns.alternatives, columns.label) == (text, question, found, label)


def test_the_question_follows_the_context(tmp_path: Path) -> None:
    table = read(
        tmp_path, "ID\tsentence\tquestion\t1\t2\tAnswer", "1\t차가 찌그러졌다. \t 원인 \t시동을 걸었다.\t박았다.\t2"
    )
    assert table.texts == ["차가 찌그러졌다. 원인"]
    assert choices.split((table.pairs or [])[0]) == ["시동을 걸었다.", "박았다."]
    assert table.labels == ["2"]


def test_columns_may_be_listed(tmp_path: Path) -> None:
    header, row = "앞\t좋음\t나쁨\t답", "가\t나\t다\t1"
    table = read(tmp_path, header, row, text_column="앞", pair_column="나쁨, 좋음", label_column="답")
    assert [choices.split(pair) for pair in table.pairs or []] == [["다", "나"]]
    with pytest.raises(RequestError, match=r"no two columns.*: 앞, 좋음, 나쁨, 답.*FIRST,SECOND"):
        read(tmp_path, header, row, text_column="앞")
    with pytest.raises(RequestError, match=r"which column holds the context is not clear"):
        read(tmp_path, header, row, pair_column="나쁨,좋음")
    with pytest.raises(RequestError, match="there is no column '없음'"):
        read(tmp_path, header, row, text_column="앞", pair_column="나쁨,없음")
    with pytest.raises(RequestError, match="no column holds the label"):
        read(tmp_path, header, row, text_column="앞", pair_column="나쁨,좋음", labels=True)


def test_a_gap_in_the_numbers_is_no_choice(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no two columns"):
        read(tmp_path, "premise\tchoice1\tchoice3\tlabel", "a\tb\tc\t1")


def test_a_row_without_an_alternative_is_left_out_and_counted(tmp_path: Path) -> None:
    table = read(tmp_path, "premise\tchoice1\tchoice2\tlabel", "a\tb\tc\t0", "a\t\tc\t1", "d\te\t \t1")
    assert (table.texts, table.skipped) == (["a"], {"an alternative is empty": 2})


def test_what_is_joined_comes_apart_again() -> None:
    assert choices.split(choices.join(["가", "", "나\x1f다"])) == ["가", "", "나 다"]


def test_copa(data_dir: Path) -> None:
    table = read_table(data_dir / "kobest" / "COPA" / "dev.tsv", labels=True, alternatives=True)
    assert len(table) == 500
    assert set(table.labels or []) == {"1", "2"}
    assert all(text.endswith((" 원인", " 결과")) for text in table.texts)
    assert all(len(choices.split(pair)) == 2 for pair in table.pairs or [])
