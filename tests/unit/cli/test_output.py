from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len

from munmaek.cli.output import aligned, duration, note, number, plain, show_json


@dataclass
class Result:
    folder: Path
    scores: dict[str, float]
    counts: np.ndarray


def test_results_become_plain_values() -> None:
    result = Result(Path("a/b"), {"accuracy": 0.5, "interval": math.nan}, np.array([[1, 2], [3, 4]]))
    expected = {"folder": "a/b", "scores": {"accuracy": 0.5, "interval": None}, "counts": [[1, 2], [3, 4]]}
    assert plain(result) == expected
    assert json.loads(json.dumps(plain([result, (True, None, np.float32(0.25))]))) == [expected, [True, None, 0.25]]


def test_json_is_one_line_with_hangul_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"text": "눈이\n온다"})
    assert capsys.readouterr().out == '{"text": "눈이\\n온다"}\n'


def test_columns_are_aligned_in_cells_and_not_in_characters() -> None:
    lines = aligned(("낱말", "값"), [("눈", 1), ("snow", 1234)])
    assert [line.rstrip()[-5:] for line in lines[2:]] == ["    1", "1,234"]
    assert len({cell_len(line) for line in lines}) == 1
    assert lines[1] == "----  -----"


def test_a_table_without_rows_has_its_header() -> None:
    assert aligned(("a", "b"), []) == ["a  b", "-  -"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567, "1,234,567"), (0.87654, "0.8765"), (12345.6, "12,346"), (math.nan, "-"), (True, "True"), ("눈", "눈")],
)
def test_numbers_for_people(value: object, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0s"), (59.4, "59s"), (59.6, "1m 00s"), (3599, "59m 59s"), (3661, "1h 01m"), (-5, "0s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_only_the_first_process_speaks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    note("one")
    show_json(1)
    monkeypatch.setenv("RANK", "0")
    note("two")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "two\n")
