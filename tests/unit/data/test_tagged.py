from __future__ import annotations

import gzip
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munmaek.core.errors import DataError, RequestError
from munmaek.data import tagged
from munmaek.data.tagged import read_tagged

LETTERS = "## 1\t<싸이:PS>는 왔다\n싸\tB-PS\n이\tI-PS\n는\tO\n \tO\n왔\tO\n다\tO\n\n## 2\n서\tB-LC\n울\tI-LC\n"
WORDS = "김철수가 B-PS\n서울에 B-LC\n왔다 O\n\n\n아무도 O\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def entities(path: Path, characters: bool | None = None) -> list[tuple[str, list[tuple[int, int, str]]]]:
    found = read_tagged(path, characters=characters)
    assert found.labels is not None
    return [(text, [*tagged.split(label or "")]) for text, label in zip(found.texts, found.labels, strict=True)]


def test_characters_keep_their_spaces(tmp_path: Path) -> None:
    wanted = [("싸이는 왔다", [(0, 2, "PS")]), ("서울", [(0, 2, "LC")])]
    assert entities(write(tmp_path / "a.tsv", LETTERS)) == wanted
    assert entities(write(tmp_path / "b.tsv", LETTERS.replace("\n", "\r\n"))) == wanted
    (tmp_path / "c.tsv.gz").write_bytes(gzip.compress(LETTERS.encode()))
    assert entities(tmp_path / "c.tsv.gz") == wanted
    (tmp_path / "d.txt").write_bytes(LETTERS.encode("cp949"))
    assert entities(tmp_path / "d.txt") == wanted
    assert entities(write(tmp_path / "e.txt", LETTERS.replace("\t", " "))) == wanted


def test_decomposed_characters_keep_their_places(tmp_path: Path) -> None:
    text = unicodedata.normalize("NFD", LETTERS)
    assert entities(write(tmp_path / "a.tsv", text))[0] == (unicodedata.normalize("NFD", "싸이는 왔다"), [(0, 4, "PS")])


def test_words_are_joined_by_spaces(tmp_path: Path) -> None:
    found = entities(write(tmp_path / "a.txt", WORDS))
    assert found == [("김철수가 서울에 왔다", [(0, 4, "PS"), (5, 8, "LC")]), ("아무도", [])]
    text = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\nGerman JJ B-NP B-MISC\ncall NN I-NP I-MISC\n"
    assert entities(write(tmp_path / "b.txt", text)) == [("EU rejects German call", [(0, 2, "ORG"), (11, 22, "MISC")])]
    assert entities(write(tmp_path / "c.txt", "가 O\n나 B-X\n"), characters=False) == [("가 나", [(2, 3, "X")])]
    assert entities(tmp_path / "c.txt") == [("가나", [(1, 2, "X")])]


def test_what_begins_with_an_i_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "가\tI-PS\n나\tI-LC\n다\tI-LC\n라\tO\n마\tB-LC\n바\tI-LC\n사\tB-LC\n")
    assert entities(path) == [("가나다라마바사", [(0, 1, "PS"), (1, 3, "LC"), (4, 6, "LC"), (6, 7, "LC")])]
    assert read_tagged(path).notes == ["a.tsv: 2 entities begin with an I- tag; read as if it were B-"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("가\tO\n나\tS-PS\n다\n", r"a\.tsv:2: 'S-PS' is no tag; 2 of 3 tagged lines cannot be read"),
        ("document\tlabel\n재미있다\t1\n", r"a\.tsv:1: 'label' is no tag; 2 of 2"),
        ("가\tO\n\n\tO\n", r"a\.tsv:3: there is no unit before the tag"),
        ("가\tO\n \t\n", r"a\.tsv:2: '' is no tag"),
        ("O\n", r"a\.tsv:1: there is no unit"),
        ("## 주석\n\n", "holds no tagged sentence"),
    ],
)
def test_broken_files_say_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tagged(write(tmp_path / "a.tsv", text))


def test_there_must_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file"):
        read_tagged(tmp_path / "none.tsv")
    with pytest.raises(RequestError, match="a folder"):
        read_tagged(tmp_path)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.text(min_size=1)), max_size=5))
def test_a_label_holds_any_entities(found: list[tuple[int, int, str]]) -> None:
    assert tagged.split(tagged.join(found)) == tuple(found)


def test_klue_as_published(data_dir: Path) -> None:
    """The comment over each sentence is the sentence itself, its entities in brackets."""
    path = data_dir / "klue-ner" / "dev.tsv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    found = entities(path)
    assert len(found) == 500
    marked = [line.split("\t", 1)[1] for line in path.read_text("utf-8").split("\n") if line.startswith("## klue")]
    for (text, inside), wanted in zip(found, marked, strict=True):
        shown, place = "", 0
        for start, end, kind in inside:
            shown += f"{text[place:start]}<{text[start:end]}:{kind}>"
            place = end
        assert shown + text[place:] == wanted
    assert sum(len(inside) for _, inside in found) == 1_421
