"""Signals, and readers that leave: what was done is saved, and the exit code says what happened."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_saves_says_where_and_the_same_command_goes_on(
    tmp_path: Path, corpus: Path, number: int, code: int
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "munmaek", "pretrain", "bert", "--corpus", str(corpus), "--out", str(out)]
    command += ["--size", "tiny", "--vocab-size", "120", "--tokenizer", "syllable", "--set", "batch_tokens=256"]
    process = subprocess.Popen([*command, "--budget", "40 epochs"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    first = next(line for line in process.stderr if line.startswith("step "))
    process.send_signal(number)
    rest = process.stderr.read()
    assert process.wait(60) == code, first + rest
    assert str(out) in rest
    assert "Traceback" not in rest
    assert not (out / "munmaek.json").exists()
    again = subprocess.run([*command, "--budget", "40 epochs"], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "resumed from step" in again.stderr
    assert (out / "munmaek.json").is_file()


def test_a_reader_that_leaves_is_no_error(model: Path) -> None:
    command = [sys.executable, "-m", "munmaek", "embed", "--model", str(model)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stdin.write("눈이 온다\n".encode() * 2000)
    process.stdin.close()
    assert process.stderr.read() == b""
    started = time.monotonic()
    assert process.wait(60) == 0
    assert time.monotonic() - started < 60
