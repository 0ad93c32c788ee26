import gzip
import lzma
import random
from pathlib import Path

import pytest
import zstandard

from munmaek.core.errors import DataError, RequestError
from munmaek.data.reading import blocks, cut, encoding_of, find_files, head_of, open_bytes, raw_lines, suffix_of

TEXT = "눈이 와서 너무 좋다\n너의 눈이 너무 예쁘다\n" * 500
SHRINK = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("suffix", SHRINK)
def test_compressed_files_read_the_same(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(SHRINK[suffix](TEXT.encode()))
    assert b"\n".join(line for line, _ in raw_lines(path, "utf-8")) + b"\n" == TEXT.encode()


@pytest.mark.parametrize("suffix", SHRINK)
@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_truncated_archive_is_named(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"a.txt{suffix}"
    whole = SHRINK[suffix](TEXT.encode() + bytes(range(256)) * 40)
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(DataError, match=r"a\.txt.*damaged or end early.*again"):
        list(raw_lines(path, "utf-8"))


@pytest.mark.parametrize("suffix", SHRINK)
def test_what_is_no_archive_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(b"this is no archive at all, whatever its name says")
    with pytest.raises(DataError, match="damaged"):
        head_of(path)


def test_several_archives_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.zst"
    path.write_bytes(SHRINK[".zst"](b"one\n") + SHRINK[".zst"](b"two\n"))
    assert [line for line, _ in raw_lines(path, "utf-8")] == [b"one", b"two"]


def test_folders_are_searched_for_known_kinds_only(tmp_path: Path) -> None:
    for name in ("b.txt", "a.jsonl.xz", "deep/c.TSV", "d.png", ".hidden.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in find_files(tmp_path)] == ["a.jsonl.xz", "b.txt", "c.TSV"]
    assert [path.name for path in find_files([tmp_path / "b.txt", str(tmp_path / "*.txt")])] == ["b.txt"]
    assert suffix_of(Path("x.csv.gz")) == ".csv"
    assert suffix_of(Path("x.gz")) is None


def test_a_folder_of_images_is_refused(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"no text files.*\.png x 3"):
        find_files(tmp_path)
    with pytest.raises(DataError, match=r"\.png"):
        find_files(tmp_path / "0.png")
    with pytest.raises(DataError, match="none of a known kind"):
        find_files(str(tmp_path / "*.png"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file"):
        find_files(tmp_path / "absent.txt")
    with pytest.raises(RequestError, match="no corpus"):
        find_files([])


def test_a_folder_where_a_file_should_be_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"), open_bytes(tmp_path):
        pass


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_encodings_of_korean_files(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT.encode(encoding))
    found = encoding_of(head_of(path), path)
    assert found == {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(encoding, encoding)
    assert b"\n".join(line for line, _ in raw_lines(path, found)) + b"\n" == TEXT.encode()


def test_binary_files_are_refused() -> None:
    with pytest.raises(DataError, match="binary"):
        encoding_of(b"\x00\x01" * 1000, Path("a.txt"))
    with pytest.raises(DataError, match="not text"):
        encoding_of(bytes(random.Random(0).choices(range(1, 256), k=9999)), Path("a.txt"))


def test_a_few_damaged_bytes_do_not_change_the_encoding() -> None:
    assert encoding_of(TEXT.encode() + b"\xff", Path("a.txt")) == "utf-8"
    assert encoding_of(TEXT.encode()[:-2], Path("a.txt")) == "utf-8"


def test_old_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\rtwo\rthree")
    assert [line for line, _ in raw_lines(path, "utf-8")] == [b"one", b"two", b"three"]


def test_long_lines_come_in_bounded_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    long = "가나다라 마바사 " * 20_000 + "끝"
    path.write_text(f"앞\n{long}\n뒤\n", "utf-8")
    limit = 10_000
    pieces = list(blocks(path, "utf-8", limit))
    assert max(len(piece) for piece, goes_on in pieces if goes_on) <= limit
    assert max(len(piece) for piece, _ in pieces) < limit + (1 << 17)
    text = " ".join(piece.decode() for piece, _ in pieces)
    assert text.replace("\n", " ").split() == ["앞", *long.split(), "뒤"]


def test_cuts_fall_between_characters() -> None:
    line = ("가" * 100).encode()
    head, tail = cut(line, 50)
    assert head.decode() + tail.decode() == "가" * 100
    assert cut(b"one two three", 8) == (b"one two", b"three")
