from __future__ import annotations

import io
import math
import sys

import pytest

from munmaek.cli import progress
from munmaek.cli.progress import CountProgress, StageProgress, TrainingProgress
from munmaek.train.trainer import Event


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def event(step: int, total: int = 1000, message: str = "", metrics: dict[str, float] | None = None) -> Event:
    return Event(step, total, step * 100, 12345.0, step * 0.1, 754.0, 6.25, 1e-3, message, metrics or {})


def test_elsewhere_than_on_a_terminal_a_line_every_few_seconds(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingProgress() as report:
        for step in range(1, 101):
            clock[0] += 0.1
            report(event(step))
    lines = capsys.readouterr().err.strip().split("\n")
    assert lines[0] == "step 1/1,000  loss 6.250  12,345 tokens/s  12m 34s left"
    assert 2 <= len(lines) <= 3


def test_the_last_step_is_always_said(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress() as report:
        report(event(1))
        report(event(1000))
    assert "step 1,000/1,000" in capsys.readouterr().err


def test_messages_and_validations_have_lines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress() as report:
        report(Event(0, 1, 0, 0.0, 0.0, 0.0, math.nan, 0.0, message="3 rows have no label"))
        report(event(5, metrics={"mlm_loss": 4.5, "mlm_accuracy": 0.25}))
    assert capsys.readouterr().err == "3 rows have no label\nvalidation 5: mlm loss 4.5000  mlm accuracy 0.2500\n"


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with TrainingProgress() as report:
        report(event(500))
        report(event(510, metrics={"loss": 4.5}))
        report(event(1000))
    shown = screen.getvalue()
    assert "━" in shown
    assert "100 %" in shown
    assert "12,345 tokens/s" in shown
    assert "validation 510: loss 4.5000" in shown


def test_progress_speaks_korean(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUNMAEK_LANG", "ko")
    with TrainingProgress() as report:
        report(event(1000))
    assert "단계 1,000/1,000  손실 6.250  12,345 토큰/초  12m 34s 남음" in capsys.readouterr().err


def test_stages_are_named_once_and_counted(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with StageProgress() as report:
        report("hash", 0.0)
        for share in range(1, 100):
            clock[0] += 0.1
            report("tokenizer", share / 100)
        report("tokenise", 16384.0)
    lines = capsys.readouterr().err.strip().split("\n")
    assert lines[0] == "reading the corpus"
    assert lines[1] == "training the tokenizer  1%"
    assert lines[-1] == "sentences tokenised  16,384"
    assert len(lines) <= 5


def test_counts_add_up(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with CountProgress("rows") as report:
        clock[0] += 6
        report.more(3000)
        clock[0] += 6
        report.more(3000)
    assert capsys.readouterr().err == "3,000 rows  500/s\n6,000 rows  500/s\n"


def test_a_line_that_is_rewritten_ends(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with CountProgress("rows") as report:
        clock[0] += 1
        report.so_far(10)
    assert screen.getvalue() == "\r10 rows  10/s\033[K\n"
