import unicodedata
from pathlib import Path

import pytest

from munmaek.core.errors import DataError
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run.doctor import Diagnosis, Duplicates, diagnose

LINES = [
    "눈이 와서 너무 좋다",
    "너의 눈이 너무 예쁘다",
    "",
    "배가 고프다",
    "배가 고프다",
    "",
    "눈이 와서 너무 좋다",
    "너의 눈이 너무 예쁘다",
]


def codes(found: Diagnosis) -> set[str]:
    return {finding.code for finding in found.findings}


def examine(folder: Path, text: str | bytes, **options) -> Diagnosis:
    path = folder / "a.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = diagnose(path, **options)
    assert found.lines_read == found.lines_kept + sum(found.dropped.values())
    for language in ("en", "ko"):
        assert all(isinstance(line, str) for line in found.lines(language))
        assert len(found.lines(language)) == len(found.lines()) >= 12 + len(found.findings)
    return found


def test_lines_documents_and_duplicates(tmp_path: Path) -> None:
    found = examine(tmp_path, "\n".join(LINES))
    assert (found.lines_read, found.lines_kept, found.dropped) == (8, 6, {"blank": 2})
    assert (found.documents, found.sentences, found.documents_of_two) == (3, 6, 3)
    assert found.duplicates == 1
    assert not found.duplicates_estimated
    assert found.nsp_possible
    assert found.eojeols == 20
    assert found.distinct_eojeols == 8
    assert found.characters == sum(map(len, LINES))
    assert found.hangul_share == 1.0
    assert {"nsp", "duplicates", "too_small", "few_documents"} <= codes(found)


def test_single_sentences_have_no_neighbours(tmp_path: Path) -> None:
    found = examine(tmp_path, "눈이 온다. 좋다.\n배가 온다\n")
    assert not found.nsp_possible
    assert "no_nsp" in codes(found)
    assert examine(tmp_path, "눈이 온다. 좋다.\n배가 온다\n", split_sentences=True).nsp_possible


def test_unicode_forms(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "눈이 온다")
    assert examine(tmp_path, "눈이 온다\n배가 온다\n").unicode == "NFC"
    mixed = examine(tmp_path, f"{apart}\n배가 온다\n")
    assert (mixed.unicode, mixed.sentences_not_nfc) == ("mixed", 1)
    assert "not_nfc" in codes(mixed)
    assert examine(tmp_path, f"{apart}\n{apart}\n").unicode == "NFD"


def test_repairs_are_reported(tmp_path: Path) -> None:
    found = examine(tmp_path, "눈이\x00 온다\n".encode() + b"bad \xff\n")
    assert found.repairs == {"nul": 1, "invalid_utf8": 1}
    assert "invalid_utf8" in codes(found)
    assert any("NUL" in line for line in found.lines("ko"))


def test_a_tokenizer_of_other_text_loses_syllables(tmp_path: Path) -> None:
    tokenizer = train_tokenizer([["눈이 와서 너무 좋다"] * 3], "wordpiece", 100)
    found = examine(tmp_path, "눈이 좋다\n뷁뷁 눈이\n", tokenizer=tokenizer)
    figures = found.tokenizer
    assert figures.worst_syllables == {"뷁": 2}
    assert figures.unknown_syllables == 2
    assert figures.syllables == 8
    assert figures.unknown_syllable_share == 0.25
    assert figures.unknown_tokens == 1
    assert figures.num_tokens == 4
    assert figures.tokens_per_eojeol == 1.0
    assert "unknown_syllables" in codes(found)
    tokenizer.save(tmp_path / "folder")
    assert examine(tmp_path, "눈이 좋다\n", tokenizer=tmp_path / "folder").tokenizer.name == str(tmp_path / "folder")


def test_a_tokenizer_is_trained_where_none_is_given(tmp_path: Path) -> None:
    found = examine(tmp_path, "\n".join(LINES))
    assert found.tokenizer.kind == "wordpiece"
    assert found.tokenizer.unknown_tokens == 0
    assert examine(tmp_path, "\n".join(LINES), tokenizer="syllable").tokenizer.kind == "syllable"


def test_sizes_and_vocabularies_that_fit(tmp_path: Path) -> None:
    words = " ".join(f"{chr(0xAC00 + i * 7)}{chr(0xAC00 + i * 3)}다" for i in range(1000))
    found = examine(tmp_path, "\n".join([words] * 300), vocab_size=4000)
    assert {"size", "vocabulary"} <= codes(found)
    assert next(f.values["size"] for f in found.findings if f.code == "size") == "tiny"


def test_many_dropped_lines_are_serious(tmp_path: Path) -> None:
    path = tmp_path / "r.tsv"
    path.write_text("text\tlabel\n" + "눈이 온다\t1\n" * 10 + "한 칸\n" * 5, "utf-8")
    found = diagnose(path)
    assert "many_dropped" in codes(found)
    assert found.dropped["another number of columns than the header"] == 5


def test_lists_can_be_examined() -> None:
    assert diagnose([["눈이 온다", "좋다"], ["배"]]).documents == 2


def test_nothing_to_examine(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no text"):
        examine(tmp_path, "")


def test_duplicates_beyond_the_limit_are_estimated() -> None:
    exact, rough = Duplicates(), Duplicates(kept=500)
    for number in range(20_000):
        for counter in (exact, rough):
            counter.add([f"문서 {number % 10_000}"])
    assert exact.count == 10_000
    assert not exact.estimated
    assert rough.estimated
    assert 8_000 < rough.count < 12_000
