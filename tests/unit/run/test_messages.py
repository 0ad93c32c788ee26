"""What lanes are told and answer arrives as it was said."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from munmaek.data.homographs import HomographCorpus
from munmaek.run.comparison import Neighbours, Row, Separation, WordMap, WordPair
from munmaek.run.entrants import Run
from munmaek.run.in_context import Looked
from munmaek.run.messages import Begin, Failure, Look, Share, read, write
from munmaek.run.request import Request

REQUEST = Request(
    Path("비교"), HomographCorpus(count=9), Path("라벨.tsv"), None, ("bert", "gpt"), "10m", "tiny", (100, None), 5, 3,
    True, False, "classify", ("본문", None, None), "눈", ("눈이 와서 좋다", "눈이 예쁘다"), None, {}, {}, 0, "cpu",
    "munmaek compare", Path("비교/models"), {"epochs": 2.5, "reader": {"cells": 0}}, {"gpt": {"auxiliary": 0.1}},
)  # fmt: skip
LOOKED = Looked(
    WordMap("bert", "눈", 4, [(0.1, -0.25), (1 / 3, 2.0)], ["눈\n", "눈ㅠㅠ"], ["", "snow"], [0, 0]), None,
    [Neighbours("bert", "눈", "눈이 오다", [("비", "비가 오다", 0.875)])], Separation("bert", "built-in", [0.5, 0.75]),
)  # fmt: skip
SAID = [
    Begin(REQUEST, 4), Run("bert from scratch", "bert", None, 3), Look("gpt"), Share(0.1 + 0.2),
    Row("bert", 100, 100, 0, {"accuracy": 0.1 + 0.2}, 1.5, 1 << 33, "answers/눈.npy", {"torch": "2"}, [0.25, 0.75]),
    LOOKED, Looked(None, WordPair("gpt", "눈", "눈이", "눈은", [1.0]), [], None),
    Failure("DataError", "no \"rows\"", None, "Give some.", "Traceback\n  line\n"),
]  # fmt: skip


def test_what_is_said_is_heard() -> None:
    stream = io.BytesIO()
    for message in SAID:
        write(stream, message)
    assert stream.getvalue().count(b"\n") == len(SAID)
    stream.seek(0)
    assert list(read(stream)) == SAID


def test_numbers_of_numpy_are_numbers() -> None:
    stream = io.BytesIO()
    write(stream, Row("chance", 8, 8, 0, {"accuracy": np.float32(0.5)}, np.float64(2), np.int64(3), ""))  # type: ignore[arg-type]
    stream.seek(0)
    (row,) = read(stream)
    assert (row.scores, row.seconds, row.peak_memory) == ({"accuracy": 0.5}, 2.0, 3)


@pytest.mark.parametrize(
    ("left", "why"),
    [(b'{"Share": {"do', "Unterminated"), (b"\x80\x04\x95", "decode"), (b'{"Share": {}, "Look": {}}\n', "unpack")],
)
def test_what_is_no_message_is_refused_after_what_came_before(left: bytes, why: str) -> None:
    stream = io.BytesIO()
    write(stream, Look("elmo"))
    heard = read(io.BytesIO(stream.getvalue() + left))
    assert next(heard) == Look("elmo")
    with pytest.raises(ValueError, match=why):
        next(heard)
