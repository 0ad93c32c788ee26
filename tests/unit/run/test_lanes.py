"""Runs side by side are those one by one, and whatever ends them leaves no process behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kept_rows import kept

from munmaek.core.cost import Cost
from munmaek.core.errors import CheckpointError, Interrupted, JobError
from munmaek.run import lanes as module
from munmaek.run import runs
from munmaek.run.arms import ChanceArm, Question
from munmaek.run.compare import compare
from munmaek.run.comparison import Comparison
from munmaek.run.entrants import Run
from munmaek.run.lanes import lanes_for, side_by_side
from munmaek.run.messages import Failure, Look
from munmaek.run.request import Request, Told, UnderWay, examples_of
from munmaek.tasks import load

SENTENCES = ("배우 음악 정말 좋다", "결말 배우 너무 지루하다")
OPTIONS: dict[str, Any] = {
    "systems": ["word2vec", "bert"], "size": "tiny", "budget": "10 steps", "labels": [8], "seeds": 4, "scratch": False,
    "word": "배우", "sentences": SENTENCES, "pretraining": {"tokenizer": "word", "vocab_size": 300, "min_count": 1},
}  # fmt: skip


def run(out: Path, corpus: Path, labelled: tuple[Path, Path], **changes: Any) -> Comparison:
    return compare(out=out, corpus=corpus, train=labelled[0], test=labelled[1], **OPTIONS | changes)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, corpus: Path, labelled) -> tuple[Comparison, Path]:
    """The runs one by one, and where their models are."""
    out = tmp_path_factory.mktemp("alone")
    return run(out, corpus, labelled), out / "models"


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two lanes of one thread, and the processes that were started; none lives afterwards."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    started: list[subprocess.Popen[bytes]] = []
    begin = subprocess.Popen

    def popen(*given: Any, **named: Any) -> subprocess.Popen[bytes]:
        started.append(begin(*given, **named))
        return started[-1]

    monkeypatch.setattr(module.subprocess, "Popen", popen)
    yield started
    assert len(started) >= 2
    assert all(process.poll() is not None for process in started)


def looked(found: Comparison) -> list[Any]:
    """What was seen of the word."""
    return [found.pairs, found.neighbours, found.maps]


def test_rows_and_words_are_those_of_one_process(alone, processes, corpus: Path, labelled, tmp_path: Path) -> None:
    one, models = alone
    heard: list[UnderWay] = []
    two = run(tmp_path, corpus, labelled, models=models, told=Told(under_way=heard.append))
    assert kept(two) == kept(one)
    assert looked(two) == looked(one)
    assert (heard[0].done, heard[-1].done, heard[-1].total) == (0, 18, 18)  # (2 floors + 2 systems) x 4, and 2 words
    assert all(0 <= share <= 1 for now in heard for _, share in now.runs)


def test_a_given_model_is_found_by_every_process(alone, processes, labelled, tmp_path: Path) -> None:
    one, models = alone
    (tmp_path / "film").symlink_to(models / "bert")
    request = {**OPTIONS, "systems": (), "trained": [tmp_path / "film"], "seeds": 8, "floors": False}
    two = compare(out=tmp_path / "out", train=labelled[0], test=labelled[1], **request)
    wanted = [row.scores for row in one.rows if row.arm == "bert"]
    assert [row.scores for row in two.rows][: len(wanted)] == wanted
    assert [each.layers for each in two.pairs] == [each.layers for each in one.pairs if each.system == "bert"]


def test_what_is_done_is_not_done_again(alone, processes, corpus: Path, labelled, tmp_path: Path) -> None:
    one, models = alone
    rows: list[str] = []

    def stop(row: Any, metric: str) -> None:
        rows.append(row.arm)
        if len(rows) == 6:
            raise Interrupted("stopped", signal_number=2)

    with pytest.raises(Interrupted):
        run(tmp_path, corpus, labelled, models=models, told=Told(row=stop))
    done = (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()
    assert 6 <= len(done) < 16
    assert kept(run(tmp_path, corpus, labelled, models=models)) == kept(one)
    assert (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()[: len(done)] == done
    assert len((tmp_path / "rows.jsonl").read_text("utf-8").splitlines()) == 16


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all(alone, processes, corpus: Path, labelled, tmp_path: Path, number: int) -> None:
    def ask(now: UnderWay) -> None:
        if now.done == 3:
            signal.raise_signal(number)

    with pytest.raises(Interrupted, match="of 18 runs are done") as found:
        run(tmp_path, corpus, labelled, models=alone[1], told=Told(under_way=ask))
    assert found.value.exit_code == 128 + number


def test_a_process_that_dies_is_told_of(alone, processes, corpus: Path, labelled, tmp_path: Path) -> None:
    def kill(now: UnderWay) -> None:
        if now.done == 3:
            processes[0].kill()

    with pytest.raises(JobError, match="ended with code -9") as found:
        run(tmp_path, corpus, labelled, models=alone[1], told=Told(under_way=kill))
    assert "OMP_NUM_THREADS=1" in str(found.value)


def asked(out: Path, labelled: tuple[Path, Path], **changes: Any) -> Request:
    given: dict[str, Any] = {
        "out": out, "corpus": "", "train": labelled[0], "test": labelled[1], "systems": ("bert",), "budget": "1 steps",
        "size": "tiny", "labels": (8,), "seeds": 1, "seeds_all": 1, "scratch": False, "floors": True,
        "task": "classify", "columns": (None, None, None), "word": "", "sentences": (), "max_length": None,
        "pretraining": {}, "own": {}, "seed": 0, "device": "cpu", "command": "", "models": out / "models",
    }  # fmt: skip
    return Request(**given | changes)


def test_small_sizes_come_first_and_a_process_stays_with_its_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    systems = ("word2vec", "elmo", "gpt", "bert")
    runs = [Run(name, name, labels, seed) for labels in (100, None) for name in systems for seed in (0, 1, 2)]
    lanes = object.__new__(module._Lanes)
    lanes.left, lanes.at = [*runs, *map(Look, systems)], {}
    lanes.owned = {0: set(), 1: set()}
    lanes.processes = [None, None]  # type: ignore[list-item]
    given: list[tuple[int, Any]] = []
    monkeypatch.setattr(lanes, "_write", lambda process, task: None)
    for turn in range(len(lanes.left)):
        lanes._next(turn % 2)
        given.append((turn % 2, lanes.at[turn % 2][0]))
    tasks = [task for _, task in given]
    assert {tasks.index(run) for run in runs[:12]} == set(range(12))
    assert {*tasks[24:]} == {*map(Look, systems)}
    assert [number for number, task in given[:6]] == [0, 1] * 3
    assert [{task.system for number, task in given[:6] if number == lane} for lane in (0, 1)] == [
        {"word2vec"},
        {"elmo"},
    ]
    lanes._next(0)
    assert 0 not in lanes.at


def test_what_fails_in_a_process_is_raised_here(processes, labelled, tmp_path: Path) -> None:
    tasks = [Run("bert", "bert", 8, 0), Run("chance", "", 8, 0)]
    with pytest.raises(CheckpointError, match="bert") as found:
        side_by_side(asked(tmp_path, labelled), tasks, 2, 1, lambda task, answer: None, lambda now: None)
    assert "Traceback" in found.value.__notes__[0]
    failed = module._raised(Failure("ZeroDivisionError", "division by zero", None, None, "Traceback"))
    assert isinstance(failed, RuntimeError)
    assert str(failed) == "ZeroDivisionError: division by zero"


def test_each_run_takes_its_part_of_the_energy(labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(Cost):
        joules = 12.0

    monkeypatch.setattr(runs, "Cost", Counted)
    request = asked(tmp_path, labelled)
    question = Question(load("classify"), *examples_of(request, load("classify")))
    book = runs.Runs(tmp_path, "rows.jsonl", question, None, lambda row, metric: None, beside=3)
    assert book.row("chance", ChanceArm(question), "", 8, 0).joules == 4.0


def test_a_process_ends_with_its_parent(tmp_path: Path) -> None:
    program = "from munmaek.run.lane import main; main()"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=60) == 1


@pytest.mark.parametrize(
    ("threads", "runs", "memory", "lanes"),
    [(1, 90, 64, 1), (2, 90, 64, 2), (2, 7, 64, 1), (8, 20, 64, 5), (8, 90, 64, 8), (8, 90, 8, 4), (8, 90, 1, 1)],
)
def test_how_many(monkeypatch, labelled, tmp_path: Path, threads: int, runs: int, memory: int, lanes: int) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    monkeypatch.setattr(module, "_memory", lambda: memory << 30)
    assert lanes_for(asked(tmp_path, labelled), runs) == lanes
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert lanes_for(asked(tmp_path, labelled), runs) == 1


def test_names() -> None:
    assert Run("bert from scratch", "bert", 10_000, 3).title == "bert from scratch 10,000 #3"
    assert Run("gpt", "gpt", None, 0).title == "gpt all #0"
    assert Look("gpt").title == "gpt"
