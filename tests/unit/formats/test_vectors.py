"""Files of word vectors: what is written is read, here and by gensim, and what is damaged says where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek.core.errors import FormatError, RequestError
from munmaek.formats import vectors

WORDS = ["눈", "배를", "ㅋㅋ", "a\u00a0b", "\u3000", "😀", "1"]
VALUES = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)


@pytest.mark.parametrize("form", vectors.FORMS)
def test_written_and_read_is_the_same_to_the_bit(tmp_path: Path, form: str) -> None:
    vectors.write(tmp_path / "v", WORDS, VALUES, form)
    for asked in (form, "auto"):
        found = vectors.read(tmp_path / "v", asked)
        assert found.words == WORDS
        assert np.array_equal(found.values, VALUES)
        assert (found.dim, found.left_out) == (5, {})


@pytest.mark.parametrize("form", vectors.FORMS)
def test_gensim_opens_ours_and_we_gensims(tmp_path: Path, form: str) -> None:
    models = pytest.importorskip("gensim.models")
    options = {"binary": form == "binary", "no_header": form == "glove"}
    vectors.write(tmp_path / "v", WORDS, VALUES, form)
    theirs = models.KeyedVectors.load_word2vec_format(str(tmp_path / "v"), **options)
    assert theirs.index_to_key == WORDS
    assert np.array_equal(theirs.vectors, VALUES)
    theirs.save_word2vec_format(str(tmp_path / "back"), binary=form == "binary", write_header=form != "glove")
    back = vectors.read(tmp_path / "back")
    assert dict(zip(back.words, back.values.tolist(), strict=True)) == dict(zip(WORDS, VALUES.tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(
        st.text(st.characters(exclude_characters=" \n\r", exclude_categories=["Cs"]), min_size=1, max_size=8),
        min_size=1, max_size=5, unique=True,
    ),
    dim=st.integers(1, 4),
    form=st.sampled_from(vectors.FORMS),
)  # fmt: skip
def test_any_word_comes_back(tmp_path_factory: pytest.TempPathFactory, words: list[str], dim: int, form: str) -> None:
    path = tmp_path_factory.mktemp("words") / "v"
    values = np.arange(len(words) * dim, dtype=np.float32).reshape(-1, dim) / 7
    vectors.write(path, words, values, form)
    found = vectors.read(path, form, dim=dim)
    assert found.words == words
    assert np.array_equal(found.values, values)


def test_a_word_may_hold_spaces_and_lines_may_end_in_one(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"2 2\r\nNew York 1 -2e-3 \r\n. . . 0.5 +3\n")
    found = vectors.read(tmp_path / "v")
    assert found.words == ["New York", ". . ."]
    assert found.values.tolist() == [[1.0, np.float32(-2e-3)], [0.5, 3.0]]


ROW = np.array([1, 2], "<f4").tobytes()
DAMAGED = {
    "empty": (b"", "empty", 0),
    "a size beyond the file": (b"999999999999 300\na 1\n", "cannot hold", 0),
    "a width beyond the file": (b"1 60000\na 1\n", "cannot hold", 0),
    "no words": (b"0 5\n", "cannot hold", 0),
    "text cut short": (b"2 2\na 1 2\nbcdef 1\n", "no word and 2", 10),
    "a row too few": (b"2 2\nabcdefgh 1.00000 2\n", "ends after 1", 23),
    "not a number": (b"2 2\na 1 2\nb 1 x\n", "not all numbers", 10),
    "text with a number that only Python reads": (b"1 2\na 1_0 2\n", "not all numbers", 4),
    "rows too many": (b"1 2\na 1 2\nb 1 2\n", "follow the last", 10),
    "an infinite number": (b"2 2\na 1 2\nb inf 2\n", "not finite", 10),
    "a number past float32": (b"2 2\na 1 2\nb 1e99 2\n", "not finite", 10),
    "a word twice": (b"2 2\na 1 2\na 1 3\n", "twice", 10),
    "not UTF-8": (b"2 2\na 1 2\n\xff\xfe 1 3\n", "not UTF-8", 10),
    "binary cut short": (b"2 2\na " + ROW + b"bcdefgh " + ROW[:5], "ends within", 27),
    "binary without a space": (b"2 2\na " + ROW + b"b" * 20, "no space", 14),
    "binary with a rest": (b"1 2\na " + ROW + b"xyz", "3 bytes follow", 14),
    "binary not finite": (b"1 2\na " + np.array([1, np.nan], "<f4").tobytes(), "not finite", 4),
    "binary word not UTF-8": (b"1 2\n\xff " + ROW, "not UTF-8", 4),
    "a fastText model": ((793_712_314).to_bytes(4, "little") + b"\0" * 50, "fastText model", 0),
    "GloVe with a short line": (b"abc 1 2\nc 1.5 2\nb 1\nd 1 2\n", "no word and 2", 16),
    "random bytes": (bytes(range(256)) * 40, "lines|no word|not all", None),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_told_with_its_byte(tmp_path: Path, case: str) -> None:
    content, says, offset = DAMAGED[case]
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(FormatError, match=says) as caught:
        vectors.read(tmp_path / "v", case.split()[0] if case.split()[0] in vectors.FORMS else "auto")
    assert offset is None or caught.value.offset == offset
    assert caught.value.offset is not None


def test_rows_that_cannot_be_used_are_left_out_on_request(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"5 2\na 1 2\na 1 3\n\xff 1 3\nb nan 3\nc 5 6\n")
    found = vectors.read(tmp_path / "v", strict=False)
    assert found.words == ["a", "c"]
    assert found.values.tolist() == [[1, 2], [5, 6]]
    assert sum(found.left_out.values()) == 3
    assert len(found.left_out) == 3


@pytest.mark.parametrize("word", ["", "a b", "a\nb", "\ud800"])
def test_a_word_that_no_reader_could_find_is_not_written(tmp_path: Path, word: str) -> None:
    with pytest.raises(FormatError, match="cannot stand"):
        vectors.write(tmp_path / "v", [word], np.ones((1, 2), np.float32))


def test_wrong_requests(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file"):
        vectors.read(tmp_path / "none")
    with pytest.raises(RequestError, match="no form"):
        vectors.read(tmp_path / "none", "csv")
    with pytest.raises(FormatError, match="2 different words"):
        vectors.write(tmp_path / "v", ["a", "b"], np.ones((3, 2), np.float32))
    with pytest.raises(FormatError, match="not finite"):
        vectors.write(tmp_path / "v", ["a"], np.full((1, 2), np.nan, np.float32))
