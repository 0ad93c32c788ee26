from __future__ import annotations

import io
from pathlib import Path

import pytest

from munmaek.cli.texts import lines, stream, two_a_line
from munmaek.core.errors import DataError, RequestError


def on_standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))


def test_arguments_come_before_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    on_standard_input(monkeypatch, "둘\n".encode())
    assert list(stream(["하나"], None, None, "embed")) == ["하나"]
    assert list(stream(None, None, None, "embed")) == ["둘"]


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    on_standard_input(monkeypatch, b"a\r\n\nb")
    assert list(stream(["-"], None, None, "embed")) == ["a", "", "b"]


def test_bytes_that_are_not_text_are_replaced() -> None:
    assert list(lines(io.TextIOWrapper(io.BytesIO(b"a\xff\nb\x0bc\n"), "utf-8"))) == ["a\ufffd", "b\x0bc"]


def test_a_file_of_lines_and_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("눈이 온다\n\n비가 온다\n", "utf-8")
    (tmp_path / "b.tsv").write_text("id\t글\n1\t눈이 온다\n2\t비가 온다\n", "utf-8")
    assert list(stream(None, tmp_path / "a.txt", None, "embed")) == ["눈이 온다", "", "비가 온다"]
    assert list(stream(None, tmp_path / "b.tsv", "글", "embed")) == ["눈이 온다", "비가 온다"]


def test_rows_that_are_left_out_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.tsv").write_text("text\tlabel\na\t1\nb\nc\t2\n", "utf-8")
    assert list(stream(None, tmp_path / "b.tsv", None, "embed")) == ["a", "c"]
    assert "1 rows" in capsys.readouterr().err


def test_no_text_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    on_standard_input(monkeypatch, b"")
    with pytest.raises(DataError, match="standard input"):
        list(stream(None, None, None, "embed"))


def test_two_sources_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="twice"):
        stream(["a"], tmp_path / "a.txt", None, "embed")


def test_pairs() -> None:
    assert list(two_a_line(iter(["a\tb", "c\td\te"]))) == [("a", "b"), ("c", "d\te")]
    assert list(two_a_line(iter(["a", "b", "c", "d"]), "arguments")) == [("a", "b"), ("c", "d")]
    with pytest.raises(RequestError, match="standard input:2: there is no tab"):
        list(two_a_line(iter(["a\tb", "c"])))
    with pytest.raises(RequestError, match="3 texts do not make pairs"):
        list(two_a_line(iter("abc"), "arguments"))
