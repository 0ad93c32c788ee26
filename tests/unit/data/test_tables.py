from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from munmaek.core.errors import DataError, RequestError
from munmaek.data.tables import read_chunks, read_table

NSMC = 'id\tdocument\tlabel\n1\t"좋다\t1\n2\t\t0\n3\t나쁘다 "ㅋㅋ"\t0\n'
ROWS = ['"좋다', "", '나쁘다 "ㅋㅋ"']
LABELS = ["1", "0", "0"]


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_nsmc_is_tabs_without_quoting_and_keeps_empty_documents(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "ratings.txt", NSMC))
    assert table.texts == ROWS
    assert table.labels == LABELS
    assert table.pairs is None
    assert (table.columns.text, table.columns.label) == ("document", "label")
    assert table.skipped == {}


@pytest.mark.parametrize("suffix", [".tsv", ".tsv.gz", ".tsv.xz", ".tsv.zst", ".csv", ".jsonl", ".json", ".parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    records = [
        {"id": n, "document": text, "label": int(label)}
        for n, (text, label) in enumerate(zip(ROWS, LABELS, strict=True))
    ]
    contents = {
        ".tsv": NSMC.encode(),
        ".csv": b'id,document,label\r\n1,"""\xec\xa2\x8b\xeb\x8b\xa4",1\r\n2,,0\r\n3,"%s",0\r\n'
        % ROWS[2].replace('"', '""').encode(),
        ".jsonl": "\n".join(json.dumps(r, ensure_ascii=False) for r in records).encode(),
        ".json": json.dumps(records).encode(),
    }
    plain = contents.get("." + suffix.split(".")[1], b"")
    compress = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.ZstdCompressor().compress}
    if suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), path)
    else:
        path.write_bytes(compress.get(path.suffix, bytes)(plain))
    table = read_table(path)
    assert table.texts == ROWS
    assert table.labels == LABELS


def test_text_files_without_a_header_are_one_text_a_line(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.txt", "첫 줄\n\n셋째\u2028줄\x85\n"))
    assert table.texts == ["첫 줄", "", "셋째\u2028줄\x85"]
    assert table.labels is None


@pytest.mark.parametrize(
    ("header", "pair", "label"),
    [
        ("premise\thypothesis\tgold_label", "hypothesis", "gold_label"),
        ("score\tsentence1\tsentence2", "sentence2", "score"),
        ("ID\tTarget\tSENTENCE1\tSENTENCE2\tANSWER", "SENTENCE2", "ANSWER"),
        ("ID\tText\tQuestion\tAnswer", "Question", "Answer"),
    ],
)
def test_usual_names_of_pairs_are_found(tmp_path: Path, header: str, pair: str, label: str) -> None:
    path = write(tmp_path / "a.tsv", header + "\n" + "\t".join("x" * (header.count("\t") + 1)) + "\n")
    columns = read_table(path, pairs=True).columns
    assert (columns.pair, columns.label) == (pair, label)
    assert read_table(path, pairs=False).pairs is None


def test_question_and_text_are_no_pair_unless_one_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Q,A,label\n안녕,네,0\n")
    assert read_table(path).columns.pair is None
    assert read_table(path, pairs=True).pairs == ["네"]


def test_named_columns_win(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "text\tother\tlabel\tkind\na\tb\t1\t2\n")
    table = read_table(path, text_column="other", label_column="kind")
    assert (table.texts, table.labels) == (["b"], ["2"])


@pytest.mark.parametrize("option", ["text_column", "pair_column", "label_column"])
def test_a_wrong_column_lists_those_there_are(tmp_path: Path, option: str) -> None:
    path = write(tmp_path / "a.tsv", NSMC)
    with pytest.raises(RequestError, match=r"no column 'nope'; there are: id, document, label.*--"):
        read_table(path, **{option: "nope"})


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "x\ty\n1\t2\n")
    with pytest.raises(RequestError, match="which column holds the text is not clear"):
        read_table(path)
    with pytest.raises(RequestError, match="no column holds the label"):
        read_table(path, text_column="x", labels=True)
    with pytest.raises(RequestError, match="no column holds the second text"):
        read_table(path, text_column="x", pairs=True)


def test_labels_are_the_same_in_every_format(tmp_path: Path) -> None:
    rows = [1, 1.0, "1", " 1 ", None, "", 2.5, True, "TRUE", "긍정", float("nan")]
    path = write(tmp_path / "a.jsonl", "\n".join(json.dumps({"text": "t", "label": value}) for value in rows))
    assert read_table(path).labels == ["1", "1", "1", "1", None, None, "2.5", "True", "True", "긍정", None]


def test_rows_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.tsv", "text\tlabel\na\t1\nb\nc\t2\t3\n\nd\t1\n"))
    assert table.texts == ["a", "d"]
    assert table.skipped == {"another number of columns than the header": 2, "an empty line": 1}
    broken = read_table(write(tmp_path / "a.jsonl", '{"text": "a"}\n{"text": ["b"]}\n{oops\n[1]\n\n"plain"\n'))
    assert broken.texts == ["a", "plain"]
    assert broken.skipped == {"the text is not a string": 1, "not JSON": 1, "not an object": 1, "an empty line": 1}


def test_bytes_that_are_not_text_are_replaced_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"text\tlabel\n" + b"ok\t1\n" * 3000 + b"b\xffd\t0\n")
    table = read_table(path)
    assert table.texts[-1] == "b\ufffdd"
    assert table.repaired == 1


def test_other_encodings_are_recognised(tmp_path: Path) -> None:
    for encoding in ("cp949", "utf-16", "utf-8-sig"):
        path = tmp_path / f"{encoding}.tsv"
        path.write_bytes("text\tlabel\n정말 재미있는 영화였습니다\t1\n".encode(encoding))
        table = read_table(path)
        assert table.texts == ["정말 재미있는 영화였습니다"]
        assert table.columns.text == "text"


def test_quoted_csv_cells_may_hold_lines(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", 'text,label\n"두\n줄, 그리고 ""따옴표""",1\n'))
    assert table.texts == ['두\n줄, 그리고 "따옴표"']


def test_an_open_quotation_mark_names_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,label\n좋다,1\n"열림,1\n' + "줄,0\n" * 500)
    with pytest.raises(DataError, match=r"a\.csv:3: not valid CSV: a quotation mark in line 3 is not closed"):
        read_table(path)


def test_chunks_hold_every_row_once_and_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "text\tlabel\n" + "".join(f"{n}\t{n % 2}\n" for n in range(1000)))
    chunks = list(read_chunks(path, size=300))
    assert [len(chunk) for chunk in chunks] == [300, 300, 300, 100]
    assert [text for chunk in chunks for text in chunk.texts] == [str(n) for n in range(1000)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", b"", "the file is empty"),
        ("a.jsonl", b"\n \n", "the file is empty"),
        ("a.tsv", b"text\tlabel\n", "no rows that can be read"),
        ("a.jsonl", b"1\n2\n", "no row is a JSON object"),
        ("a.json", b"[{", "not valid JSON"),
        ("a.json", b'{"a": 1}', "no array of rows"),
        ("a.tsv", b"\x89PNG\r\n\x1a\n" + bytes(1000), "binary"),
        ("a.parquet", b"PAR1 no", "not a parquet file"),
        ("a.tsv.xz", lzma.compress(b"text\tlabel\n" + bytes(range(32, 127)) * 5000)[:-40], "damaged or end early"),
        ("a.tsv.gz", gzip.compress(b"text\tlabel\nx\t1\n", mtime=0)[:-9], "damaged or end early"),
    ],
)
def test_bad_files_are_one_clear_error(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_table(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file"):
        read_table(tmp_path / "absent.tsv")
    with pytest.raises(RequestError, match=r"files of the kind '.docx' are not read"):
        read_table(write(tmp_path / "a.docx", "x"))
    with pytest.raises(RequestError, match=r"a folder, not a table.*a\.docx"):
        read_table(tmp_path)
