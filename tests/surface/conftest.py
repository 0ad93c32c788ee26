"""What the tests of the command line share: a way to call it, a small corpus, and small models."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from munmaek.cli import main

SENTENCES = [
    "눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다", "배를 타고 섬에 갔다", "배가 고파서 배를 먹었다",
    "말이 들판을 달린다", "밤에 밤을 구워 먹었다", "다리를 건너다 다리를 다쳤다", "차를 마시고 차를 탔다",
    "사과를 먹고 사과했다", "비가 온다",
]  # fmt: skip
CORPUS = "\n\n".join("\n".join(SENTENCES[i:] + SENTENCES[:i]) for i in range(10)) + "\n"
ROWS = "document\tlabel\n" + "".join(f"{text}\t{number % 2}\n" for number, text in enumerate(SENTENCES * 4))


class Answer:
    """What one command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def complains(self, code: int, *words: str) -> None:
        """One sentence that begins with "error: ", the exit code, the words, and no traceback."""
        assert self.code == code, self.err
        complaints = [line for line in self.err.split("\n") if line.startswith("error: ")]
        assert len(complaints) == 1, self.err
        assert "Traceback" not in self.err
        assert "--debug" not in self.err
        assert len(complaints[0]) < 600
        for word in words:
            assert re.search(word, complaints[0]), complaints[0]


Run = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text(CORPUS, "utf-8")
    return path


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty labelled texts."""
    path = tmp_path_factory.mktemp("table") / "rows.tsv"
    path.write_text(ROWS, "utf-8")
    return path


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A pre-trained model, small enough to make in a moment."""
    out = tmp_path_factory.mktemp("model") / "run"
    small = ("--size", "tiny", "--budget", "2 steps", "--vocab-size", 120, "--tokenizer", "syllable")
    assert main([str(word) for word in ("pretrain", "bert", "--corpus", corpus, "--out", out, *small)]) == 0
    return out


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory, model: Path, table: Path) -> Path:
    """The same, fine-tuned."""
    out = tmp_path_factory.mktemp("tuned") / "run"
    words = ("finetune", "classify", "--model", model, "--train", table, "--out", out, "--epochs", 1)
    assert main([str(word) for word in words]) == 0
    return out
