"""Whatever bytes come: each line is kept or dropped with a reason, and memory and pieces stay bounded."""

import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek.core.errors import DataError
from munmaek.data.corpus import TextCorpus
from munmaek.data.reading import blocks

line = st.one_of(
    st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=20).map(str.encode),
    st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b"")),
    st.just(b""),
)


def _is_text(content: bytes) -> bool:
    return content.decode("utf-8", "replace").count("\ufffd") * 40 < len(content)


@given(st.lists(line, min_size=1, max_size=20), st.sampled_from([b"\n", b"\r\n"]), st.sampled_from(["blank", "line"]))
@settings(max_examples=150, deadline=None)
def test_every_line_is_kept_or_dropped(lines: list[bytes], end: bytes, layout: str) -> None:
    content = "한글 문장입니다. 그렇습니다.\n".encode() * 20 + end.join(lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_bytes(content)
        corpus = TextCorpus(path, documents=layout)  # type: ignore[arg-type]
        try:
            documents = list(corpus)
        except DataError:
            assert b"\x00" in content or not _is_text(content)
            return
    report = corpus.report
    if not any(key.startswith("read_as") for key in report.repairs):
        assert report.lines_read == content.count(b"\n") + (not content.endswith(b"\n"))
    assert report.lines_read == report.lines_kept + report.dropped.total()
    sentences = [sentence for document in documents for sentence in document]
    assert report.lines_kept == len(sentences) == report.sentences
    for sentence in sentences:
        assert sentence == sentence.strip()
        assert sentence
        assert unicodedata.is_normalized("NFC", sentence)
        assert "\x00" not in sentence
        sentence.encode("utf-8")


@pytest.mark.parametrize("limit", [16, 64])
@given(content=st.text(st.sampled_from("가나 ab\n"), max_size=400))
@settings(max_examples=80, deadline=None)
def test_blocks_hold_the_whole_file(limit: int, content: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_bytes(content.encode())
        found = list(blocks(path, "utf-8", limit))
    assert all(len(piece) <= limit for piece, goes_on in found if goes_on)
    text = "".join(piece.decode() + ("" if goes_on else "\n") for piece, goes_on in found)
    assert text.replace(" ", "").strip("\n") == content.replace(" ", "").strip("\n")
