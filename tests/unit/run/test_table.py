from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from munmaek.core.errors import RequestError
from munmaek.run.book import Book
from munmaek.run.table import ResultsTable, Run, main, table

OPTIONS = {"labels": [8, None], "seeds": 2, "settings": {"epochs": 1}}


def columns_of(found: ResultsTable) -> dict[tuple[str, int | None], list[float]]:
    cells: dict[tuple[str, int | None], list[float]] = {}
    for run in found.runs:
        cells.setdefault((run.column, run.labels), []).append(run.scores["accuracy"])
    return cells


@pytest.fixture(scope="module")
def made(pretrained: Path, labelled: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("table") / "runs.jsonl"
    return table(pretrained, train=labelled[0], test=labelled[1], out=out, **OPTIONS), out


def test_every_cell_has_its_runs(made, labelled) -> None:
    found, _ = made
    cells = columns_of(found)
    assert {key: len(values) for key, values in cells.items()} == {
        (column, size): 2 if size else 1 for column in ("floor", "scratch", "model") for size in (8, None)
    }
    assert (found.num_train, found.num_test) == (160, 40)
    assert cells["floor", None][0] > 0.9


def test_finished_runs_are_not_done_again(made, pretrained, labelled, monkeypatch) -> None:
    found, out = made
    lines = out.read_text("utf-8").split("\n")
    out.write_text("\n".join([*lines[:-3], lines[-2][:25]]), "utf-8")  # the last two are lost, one is torn
    done: list[dict[str, Any]] = []
    add = Book.add
    monkeypatch.setattr(Book, "add", lambda book, line: (done.append(line), add(book, line)))
    again = table(pretrained, train=labelled[0], test=labelled[1], out=out, **OPTIONS)
    assert len(done) == 2
    assert columns_of(again) == columns_of(found)
    rows = [json.loads(line) for line in out.read_text("utf-8").split("\n") if line and line[:25] != lines[-2][:25]]
    assert all(row["identity"]["train"] for row in rows)
    done.clear()
    table(pretrained, train=labelled[0], test=labelled[1], out=out, **OPTIONS)
    assert done == []
    table(pretrained, train=labelled[0], test=labelled[1], out=out, **{**OPTIONS, "settings": {"epochs": 2}})
    assert len(done) == 6  # other settings are other runs; the floor has none


def test_the_printed_table() -> None:
    runs = [Run("model", 100, seed, {"accuracy": value}, 1.0) for seed, value in enumerate((0.70, 0.72, 0.74))]
    runs.append(Run("floor", None, 0, {"accuracy": 0.872}, 1.0))
    found = ResultsTable("accuracy", 150_000, 50_000, ["floor", "model"], [100, None], runs)
    assert found.lines() == [
        "|  labels | TF-IDF + logistic regression |    pre-trained |",
        "|--------:|-----------------------------:|---------------:|",
        "|     100 |                              | 72.0 ± 5.0 (3) |",
        "| 150,000 |                     87.2 (1) |                |",
    ]
    mean, half, count = found.cell("model", 100) or (0, 0, 0)
    assert (mean, count) == (pytest.approx(0.72), 3)
    assert half == pytest.approx(4.3027 * 0.02 / math.sqrt(3), rel=1e-4)


def test_the_command(pretrained, labelled, tmp_path: Path, capsys) -> None:
    arguments = ["--model", str(pretrained), "--train", str(labelled[0]), "--test", str(labelled[1])]
    code = main([*arguments, "--out", str(tmp_path / "r.jsonl"), "--labels", "8", "--seeds", "1", "--no-scratch"])
    captured = capsys.readouterr()
    assert code == 0
    assert captured.out.startswith("| labels |")
    assert "accuracy, per cent, on 40 test rows" in captured.out
    assert captured.err.count("\n") == 2
    assert main(["--model", "absent", *arguments[2:], "--out", str(tmp_path / "s.jsonl")]) == 2
    assert "error: " in capsys.readouterr().err


def test_a_regression_has_no_floor(pretrained, labelled, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="floor"):
        table(pretrained, train=labelled[0], test=labelled[1], out=tmp_path / "r", task="regress")
