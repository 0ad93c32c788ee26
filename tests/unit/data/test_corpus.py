import json
import lzma
import unicodedata
from pathlib import Path

import pytest

from munmaek.core.contracts import Corpus
from munmaek.core.errors import DataError, RequestError
from munmaek.data import corpus as module
from munmaek.data.corpus import CorpusReport, MemoryCorpus, TextCorpus, corpus_hash


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def read(path: Path, **options) -> tuple[list[list[str]], CorpusReport]:
    corpus = TextCorpus(path, **options)
    documents = list(corpus)
    report = corpus.report
    assert report.lines_read == report.lines_kept + report.dropped.total()
    assert report.documents == len(documents)
    assert report.sentences == sum(map(len, documents))
    assert report.characters == sum(len(sentence) for document in documents for sentence in document)
    return documents, report


def test_both_kinds_satisfy_the_contract(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "한 줄\n")
    assert isinstance(TextCorpus(path), Corpus)
    assert isinstance(MemoryCorpus(["한 줄"]), Corpus)


def test_blank_lines_end_documents(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "하나\n둘\n\n셋\n \n\n넷")
    documents, report = read(path)
    assert documents == [["하나", "둘"], ["셋"], ["넷"]]
    assert report.dropped == {"blank": 3}
    assert "blank line" in report.layouts[str(path)]


def test_without_blank_lines_each_line_is_a_document(tmp_path: Path) -> None:
    documents, report = read(write(tmp_path / "a.txt", "하나\n둘\n셋\n\n\n"))
    assert documents == [["하나"], ["둘"], ["셋"]]
    assert list(report.layouts.values()) == ["each line is a document"]


def test_rare_blank_lines_are_slips(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "줄\n" * 1500 + "\n" + "줄\n" * 1500)
    assert len(read(path)[0]) == 3000
    assert len(read(path, documents="blank")[0]) == 2


def test_the_layout_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "하나\n둘\n\n셋\n")
    assert read(path, documents="line")[0] == [["하나"], ["둘"], ["셋"]]
    with pytest.raises(RequestError, match="auto, blank or line"):
        TextCorpus(path, documents="page")  # type: ignore[arg-type]


def test_the_nsmc_table_is_seen_and_not_unquoted(tmp_path: Path) -> None:
    path = write(tmp_path / "r.txt", 'id\tdocument\tlabel\n1\t"좋다\t1\n2\t\t0\n3\t나쁘다"\t0\n4\t열이 모자람\n')
    documents, report = read(path)
    assert documents == [['"좋다'], ['나쁘다"']]
    assert report.lines_read == 5
    assert report.dropped == {"header": 1, "empty": 1, "another number of columns than the header": 1}


@pytest.mark.parametrize("name", ["r.tsv", "r.txt.xz"])
def test_tables_under_other_names(tmp_path: Path, name: str) -> None:
    content = "번호\t본문\n1\t눈이 온다. 좋다.\n".encode()
    path = write(tmp_path / name, lzma.compress(content) if name.endswith("xz") else content)
    assert read(path)[0] == [["눈이 온다. 좋다."]]
    assert read(path, split_sentences=True)[0] == [["눈이 온다.", "좋다."]]


def test_csv_fields_may_hold_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", 'id,text\n1,"눈이, ""정말"" 온다\n둘째 줄"\n2,배\n')
    assert read(path)[0] == [['눈이, "정말" 온다', "둘째 줄"], ["배"]]


def test_json_lines(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": "눈이 온다\n\n배"}, {"text": ["하나", "둘"]}, {"text": None}, {"text": " "}]
    path = write(tmp_path / "r.jsonl", "\n".join(map(json.dumps, rows)) + "\nno json\n\n")
    documents, report = read(path)
    assert documents == [["눈이 온다", "배"], ["하나", "둘"]]
    assert report.dropped["not JSON"] == 1
    assert report.dropped["no text"] == 1
    assert report.dropped["empty"] == 1


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "r.parquet"
    parquet.write_table(arrow.table({"n": [1, 2, 3], "text": ["하나", None, "셋"]}), path)
    documents, report = read(path)
    assert documents == [["하나"], ["셋"]]
    assert report.dropped == {"no text": 1}
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="parquet"):
        list(TextCorpus(path))


def test_the_column_is_asked_for_where_it_is_not_clear(tmp_path: Path) -> None:
    path = write(tmp_path / "r.tsv", "Q\tA\n눈?\t눈.\n")
    with pytest.raises(DataError, match=r"Q, A.*--text-column"):
        list(TextCorpus(path))
    assert read(path, text_column="A")[0] == [["눈."]]
    with pytest.raises(RequestError, match="no column 'text'; there are: Q, A"):
        list(TextCorpus(path, text_column="text"))


def test_repairs_are_made_and_counted(tmp_path: Path) -> None:
    lines = [
        "\ufeff눈이 온다".encode(), b"\x00NUL\x00", unicodedata.normalize("NFD", "배가 온다").encode(),
        b"bad \xff\xfe byte", "보\u200b이지".encode(), b"", b"last\r",
    ]  # fmt: skip
    documents, report = read(write(tmp_path / "a.txt", b"\r\n".join(lines)), documents="line")
    assert documents == [["눈이 온다"], ["NUL"], ["배가 온다"], ["bad \ufffd\ufffd byte"], ["보이지"], ["last"]]
    assert report.repairs == {"byte_order_mark": 1, "nul": 2, "not_nfc": 1, "invalid_utf8": 2, "invisible": 1}


def test_cp949_and_old_line_ends_are_read_and_said(tmp_path: Path) -> None:
    documents, report = read(write(tmp_path / "a.txt", "눈이 온다\r\n배가 온다\r\n".encode("cp949") * 9))
    assert documents[:2] == [["눈이 온다"], ["배가 온다"]]
    assert report.repairs == {"read_as_cp949": 1}
    documents, report = read(write(tmp_path / "b.txt", "하나\r둘\r셋"))
    assert documents == [["하나"], ["둘"], ["셋"]]
    assert report.repairs == {"carriage_return_line_ends": 1}


def test_lines_are_only_what_a_line_feed_ends(tmp_path: Path) -> None:
    documents, _ = read(write(tmp_path / "a.txt", "한\u2028줄\x0b이다\x1c요\n둘\n"))
    assert documents == [["한 줄이다요"], ["둘"]]


def test_text_can_be_left_as_it_is(tmp_path: Path) -> None:
    text = unicodedata.normalize("NFD", "눈이")
    assert read(write(tmp_path / "a.txt", text), normalise=False)[0] == [[text]]


def test_one_huge_line_stays_bounded(tmp_path: Path) -> None:
    words = "눈이 와서 너무 좋다 " * 120_000
    documents, report = read(write(tmp_path / "a.txt", words + "\n짧은 줄\n"), documents="line")
    assert report.lines_read == report.lines_kept == 2
    assert report.repairs["long_line_cut"] == len(documents) - 2
    assert max(len(d[0].encode()) for d in documents) <= 1 << 20
    assert " ".join(s for d in documents[:-1] for s in d).split() == words.split()


def test_endless_documents_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DOCUMENT_LIMIT", 1000)
    documents, report = read(write(tmp_path / "a.txt", "줄줄줄\n" * 2000 + "\n끝\n"), documents="blank")
    assert report.repairs["long_document_cut"] == len(documents) - 2
    assert max(sum(map(len, d)) for d in documents) <= 1003


@pytest.mark.parametrize("content", ["", "\n\n \n", "\ufeff", "\x00\x00\n"])
def test_a_corpus_without_text_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match="there is no text"):
        list(TextCorpus(write(tmp_path / "a.txt", content)))
    with pytest.raises(DataError, match="no document"):
        MemoryCorpus([content])


def test_an_empty_file_among_others_is_no_matter(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "")
    write(tmp_path / "b.txt", "하나\n")
    assert list(TextCorpus(tmp_path)) == [["하나"]]


def test_a_truncated_archive_names_the_file(tmp_path: Path) -> None:
    whole = lzma.compress(("눈이 와서 좋다\n" * 1000).encode())
    path = write(tmp_path / "r.txt.xz", whole[:-30])
    with pytest.raises(DataError, match=r"r\.txt\.xz.*damaged"):
        list(TextCorpus(path))


def test_reading_again_starts_again(tmp_path: Path) -> None:
    corpus = TextCorpus(write(tmp_path / "a.txt", "하나\n둘\n"))
    assert list(corpus) == list(corpus)
    assert corpus.report.lines_read == 2
    memory = MemoryCorpus([["하나", ""], "둘", []])
    assert list(memory) == list(memory) == [["하나"], ["둘"]]
    assert len(memory) == 2


def test_the_hash_follows_content_and_options(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.txt", "하나\n"), write(tmp_path / "b.txt", "하나\n")
    assert TextCorpus(one).hash() == TextCorpus(two).hash()
    assert TextCorpus(one).hash() != TextCorpus(one, split_sentences=True).hash()
    before = corpus_hash([one], {})
    write(one, "둘\n")
    assert corpus_hash([one], {}) != before
    assert MemoryCorpus([["가", "나"]]).hash() != MemoryCorpus([["가"], ["나"]]).hash()
    assert MemoryCorpus([["가나"]]).hash() != MemoryCorpus([["가", "나"]]).hash()


def test_real_reviews(data_dir: Path) -> None:
    path = data_dir / "nsmc" / "ratings_test.txt.xz"
    if not path.exists():
        pytest.skip("no NSMC in the data folder")
    documents, report = read(path)
    assert report.lines_read == 50_001
    assert report.dropped["header"] == 1
    assert len(documents) + report.dropped["empty"] == 50_000
