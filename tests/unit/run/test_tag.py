"""Named entities through the files: fine-tuned, written, read back, scored, and asked by lists, tables and lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek import systems
from munmaek.cli import main
from munmaek.core.errors import RequestError
from munmaek.data.tagged import read_tagged, split
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run import folder as model_folder
from munmaek.run import tuned as tuned_folder
from munmaek.run.arms import ChanceArm, NetworkArm, Question
from munmaek.run.compare import compare
from munmaek.run.evaluate import evaluate
from munmaek.run.finetune import finetune
from munmaek.run.model import Model, load
from munmaek.run.predict import predict, predict_file
from munmaek.run.rows import examples
from munmaek.tasks import load as load_task

NAMES = (("철수", "PS"), ("김 선생", "PS"), ("서울", "LC"), ("경포 해변", "LC"))
OTHERS = ("어제", "오늘", "갔다", "왔다")


def write(path: Path, count: int, seed: int) -> Path:
    """Sentences a character a line, as KLUE's are, a comment over each."""
    rng, lines = np.random.default_rng(seed), list[str]()
    for number in range(count):
        lines.append(f"## {number}\t<문장:X>")
        for place in rng.permutation(5).tolist():
            name, kind = NAMES[rng.integers(4)] if place < 2 else (str(rng.choice(OTHERS)), "")
            tags = [f"{'I' if at else 'B'}-{kind}" if kind else "O" for at in range(len(name))]
            lines += [f"{letter}\t{tag}" for letter, tag in zip(name, tags, strict=True)] + [" \tO"]
        lines[-1] = ""
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT from random weights."""
    folder, card = tmp_path_factory.mktemp("tag"), systems.load("bert")
    texts = [[name] for name, _ in NAMES] * 20 + [[word] for word in OTHERS] * 20
    tokenizer = train_tokenizer(texts, "wordpiece", 300, min_count=1)
    torch.manual_seed(7)
    model = card.build(card.config(**card.presets["tiny"], vocab_size=tokenizer.vocab_size, max_positions=64))
    return model_folder.write(
        folder / "bert", card, model, tokenizer, {"size": "tiny", "recipe": {"max_length": 32}}
    )  # fmt: skip


@pytest.fixture(scope="module")
def tuned(base: Path) -> tuple[Path, Path]:
    """It fine-tuned, and the dev file."""
    train, dev = write(base.parent / "train.tsv", 120, 0), write(base.parent / "dev.tsv", 40, 1)
    result = finetune("tag", model=base, train=train, dev=dev, out=base.parent / "tuned", epochs=15, learning_rate=1e-3)
    assert (result.task, result.metric, result.classes) == ("tag", "entity_f1", ["O", "B-LC", "I-LC", "B-PS", "I-PS"])
    assert result.mean["entity_f1"] > 0.95
    assert result.notes[0].startswith("240 entities of 2 types in 120 texts: ")
    return result.folder, dev


def test_the_folder_scores_as_it_did_in_training(tuned: tuple[Path, Path]) -> None:
    model, dev = tuned
    found = evaluate(model, dev)
    kept = json.loads((model / "munmaek.json").read_text("utf-8"))["training"]["mean"]
    assert found.scores == pytest.approx(kept)
    assert (found.num_rows, found.classes, found.confusion) == (40, ["LC", "PS"], None)
    assert set(found.class_f1) == {"LC", "PS"}
    wanted = [[*split(label or "")] for label in read_tagged(dev).labels or []]
    answers = predict(model, read_tagged(dev).texts)
    right = [[(e.start, e.end, e.type) for e in answer.entities or []] for answer in answers]
    assert sum(a == b for a, b in zip(right, wanted, strict=True)) > 34
    with pytest.raises(RequestError, match="has no column 'text'"):
        evaluate(model, dev, text_column="text")
    with pytest.raises(RequestError, match="no mean"):
        tuned_folder.read([model, model])


def test_it_answers_lists_and_tables(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    [found] = predict(tuned[0], " 어제  김 선생 서울 갔다")
    assert [(e.start, e.end, e.text, e.type) for e in found.entities or []] == [
        (5, 9, "김 선생", "PS"),
        (10, 12, "서울", "LC"),
    ]
    assert (found.label, found.value, found.probabilities) == (None, None, None)
    (tmp_path / "a.txt").write_text("어제 철수 왔다\n오늘 갔다\n", "utf-8")
    assert predict_file(tuned[0], tmp_path / "a.txt", tmp_path / "b.tsv").num_rows == 2
    assert (tmp_path / "b.tsv").read_text("utf-8") == (
        "text\tentities\n어제 철수 왔다\t3-5 PS 철수\n오늘 갔다\t\n"
    )  # fmt: skip


def test_the_command_line(tuned: tuple[Path, Path], base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, dev = map(str, tuned)
    assert main(["predict", "--model", model, "어제 철수 왔다", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "text": "어제 철수 왔다", "entities": [{"start": 3, "end": 5, "text": "철수", "type": "PS"}]
    }  # fmt: skip
    assert main(["predict", "--model", model, "어제 철수 왔다"]) == 0
    assert "3-5" in capsys.readouterr().out
    assert main(["predict", "--model", model, "어제 왔다"]) == 0
    assert "no entity was found" in capsys.readouterr().err
    assert main(["evaluate", "--model", model, "--data", dev]) == 0
    shown = capsys.readouterr().out
    assert "entity_f1" in shown
    assert "F1 LC" in shown
    broken = base.with_name("broken.tsv")
    broken.write_text("가\tO\n나\n", "utf-8")
    out = str(base.with_name("never"))
    assert main(["finetune", "tag", "--model", str(base), "--train", str(broken), "--out", out]) == 2
    assert "broken.tsv:2: '나' is no tag; 1 of 2 tagged lines" in " ".join(capsys.readouterr().err.split())


def test_arms_of_a_comparison(tuned: tuple[Path, Path], base: Path) -> None:
    task = load_task("tag")
    question = Question(task, *(examples(task, base.with_name(n), training=True) for n in ("train.tsv", "dev.tsv")))
    floor = ChanceArm(question).run(20, 0)
    assert floor.scores == {"entity_f1": 0.0, "precision": 0.0, "recall": 0.0}
    assert floor.evidence.shape == (40, 3)
    assert floor.evidence[:, 2].tolist() == [2.0] * 40
    model: Model = load(base)
    found = NetworkArm(question, model, settings={"epochs": 15, "learning_rate": 1e-3}).run(100, 0)
    assert task.figure(found.evidence.sum(0)) == pytest.approx(found.scores["entity_f1"])
    assert found.scores["entity_f1"] > 0.8


def test_a_comparison_of_systems_and_one_floor(tuned: tuple[Path, Path], base: Path, tmp_path: Path) -> None:
    """The word vectors are one a word, and the floor that reads whole texts is left out."""
    (tmp_path / "corpus.txt").write_text("\n".join(read_tagged(base.with_name("train.tsv")).texts) + "\n", "utf-8")
    found = compare(
        out=tmp_path / "out", corpus=tmp_path / "corpus.txt", train=base.with_name("train.tsv"), test=tuned[1],
        systems=["word2vec"], budget="2000 steps", size="tiny", labels=[100], seeds=2, scratch=False, task="tag",
        word="", pretraining={"tokenizer": "word", "vocab_size": 100, "min_count": 1, "cache": tmp_path / "cache"},
    )  # fmt: skip
    assert [arm.name for arm in found.arms] == ["chance", "word2vec"]
    assert (found.task, found.metric, found.num_test) == ("tag", "entity_f1", 40)
    chance, vectors = (found.standing(arm.name, 100) for arm in found.arms)
    assert chance is not None
    assert vectors is not None
    assert chance.mean == 0.0
    assert vectors.low > 0.5
    contrast = found.contrast("word2vec", "chance", 100)
    assert contrast is not None
    assert contrast.decided
