"""A multiple choice through the files: fine-tuned, written, read back, scored, and asked by lists, tables and lines."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek import systems
from munmaek.cli import main
from munmaek.core.errors import DataError, RequestError
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run import folder as model_folder
from munmaek.run.evaluate import evaluate
from munmaek.run.finetune import finetune
from munmaek.run.predict import predict, predict_file

GOOD = ("정말 좋다", "너무 재미있다")
BAD = ("정말 싫다", "너무 지루하다")
HEADER = "ID\tsentence\tquestion\t1\t2\tAnswer"


def write(path: Path, count: int, seed: int, turned: bool = False) -> Path:
    """Rows as KoBEST's COPA has them: the effect is the good one, the cause is the bad one."""
    rng, lines = np.random.default_rng(seed), [HEADER]
    for number in range(count):
        first_is_right, effect = rng.random(2) < 0.5
        good, bad = rng.choice(GOOD), rng.choice(BAD)
        right, wrong = (good, bad) if effect else (bad, good)
        pair = (right, wrong) if first_is_right else (wrong, right)
        label = 1 if first_is_right != turned else 2
        lines.append(f"{number}\t화면 대사\t{'결과' if effect else '원인'}\t{pair[0]}\t{pair[1]}\t{label}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny BERT from random weights, fine-tuned, and the dev file."""
    folder, card = tmp_path_factory.mktemp("choice"), systems.load("bert")
    texts = [[text] for text in (*GOOD, *BAD, "화면 대사 결과", "화면 대사 원인")] * 20
    tokenizer = train_tokenizer(texts, "wordpiece", 300, min_count=1)
    torch.manual_seed(7)
    model = card.build(card.config(**card.presets["tiny"], vocab_size=tokenizer.vocab_size, max_positions=64))
    model_folder.write(folder / "bert", card, model, tokenizer, {"size": "tiny", "recipe": {"max_length": 32}})
    settings = {"batch_rows": 16, "network_dropout": 0.0, "dropout": 0.0}
    train, dev = write(folder / "train.tsv", 300, 0), write(folder / "dev.tsv", 60, 1)
    finetune("choice", model=folder / "bert", train=train, dev=dev, out=folder / "tuned", epochs=25,
             learning_rate=5e-4, settings=settings)  # fmt: skip
    return folder / "tuned", dev


def test_the_question_reaches_the_model(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    """What is right hangs on the question alone: without it no answer is better than chance."""
    model, dev = tuned
    found = evaluate(model, dev)
    assert (found.task, found.metric, found.classes, found.num_rows) == ("choice", "accuracy", ["1", "2"], 60)
    assert found.scores["accuracy"] > 0.9
    assert found.confusion is not None
    assert found.confusion.sum() == 60
    opposite = evaluate(model, write(tmp_path / "turned.tsv", 60, 1, turned=True))
    assert opposite.scores["accuracy"] == pytest.approx(1 - found.scores["accuracy"])


def test_it_answers_lists_and_tables(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    model, dev = tuned
    one, other = predict(model, ["화면 대사 결과"] * 2, [["정말 좋다", "정말 싫다"], ["정말 싫다", "정말 좋다"]])
    assert (one.label, other.label, one.pair) == ("1", "2", None)
    assert one.alternatives == ["정말 좋다", "정말 싫다"]
    assert one.probability == pytest.approx(other.probability, abs=1e-5)
    assert predict_file(model, dev, tmp_path / "a.tsv").num_rows == 60
    lines = [line.split("\t") for line in (tmp_path / "a.tsv").read_text("utf-8").splitlines()]
    assert lines[0] == ["text", "alternatives", "label", "probability", "p(1)", "p(2)"]
    assert len(lines) == 61
    assert all(" | " in row[1] for row in lines[1:])
    with pytest.raises(DataError, match="rows have 3 alternatives, but the training labels run from 1 to 2"):
        predict(model, "화면", [["가", "나", "다"]])
    with pytest.raises(RequestError, match="one text a row"):
        predict(model, "화면")


def test_the_command_reads_arguments_and_lines(
    tuned: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(tuned[0])
    assert main(["predict", "--model", model, "화면 대사 결과", "정말 싫다", "정말 좋다", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["label"], found["alternatives"]) == ("2", ["정말 싫다", "정말 좋다"])
    assert main(["predict", "--model", model, "화면 대사 결과", "정말 싫다", "정말 좋다"]) == 0
    assert "화면 대사 결과 / 정말 싫다 / 정말 좋다" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO("화면 대사 결과\t정말 좋다\t정말 싫다\n"))
    assert main(["predict", "--model", model]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("화면 대사 결과\t정말 좋다 | 정말 싫다\t1\t")
    assert main(["predict", "--model", model, "화면", "정말 싫다"]) == 2
    assert "1 alternatives are no choice" in capsys.readouterr().err
