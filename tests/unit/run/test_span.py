"""Answers through the files: fine-tuned, written, read back, scored, and asked by lists, tables, files and lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from munmaek import systems
from munmaek.cli import main
from munmaek.core.errors import DataError, RequestError
from munmaek.data.questions import read_questions, split
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run import folder as model_folder
from munmaek.run import tuned as tuned_folder
from munmaek.run.arms import ChanceArm, NetworkArm, Question
from munmaek.run.compare import compare
from munmaek.run.evaluate import evaluate
from munmaek.run.finetune import finetune
from munmaek.run.model import load
from munmaek.run.predict import predict, predict_file
from munmaek.run.rows import examples
from munmaek.tasks import load as load_task

PEOPLE = ("철수", "영희", "김 선생", "민수")
COLOURS = ("빨강", "파랑", "진한 초록", "노랑")
QUESTIONS = ("누구 질문", "무슨 색 질문")


def write(path: Path, count: int, seed: int, impossible: int = 0) -> Path:
    """Paragraphs with a name and a colour, a question of one of them each, the first ones of what is not there."""
    rng, paragraphs = np.random.default_rng(seed), list[dict[str, Any]]()
    for number in range(count):
        asked = int(rng.integers(2))
        words, start, found = [str(rng.choice(["오늘", "어제"]))], 0, ""
        for part in rng.permutation(2).tolist():
            if part == asked and number < impossible:
                continue
            word = str(rng.choice((PEOPLE, COLOURS)[part]))
            if part == asked:
                start, found = len(" ".join([*words, ""])), word
            words += [word, str(rng.choice(["또", "그리고"]))]
        qa: dict[str, Any] = {"id": str(number), "question": QUESTIONS[asked], "answers": []}
        qa |= {"answers": [{"text": found, "answer_start": start}]} if found else {"is_impossible": True}
        paragraphs.append({"context": " ".join([*words, "끝"]), "qas": [qa]})
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}, ensure_ascii=False), "utf-8")
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT from random weights."""
    folder, card = tmp_path_factory.mktemp("span"), systems.load("bert")
    table = read_questions(write(folder / "words.json", 100, 9))
    texts = [[f"{a} {b}"] for a, b in zip(table.texts, table.pairs or [], strict=True)]
    tokenizer = train_tokenizer(texts, "wordpiece", 300, min_count=1)
    torch.manual_seed(7)
    model = card.build(card.config(**card.presets["tiny"], vocab_size=tokenizer.vocab_size, max_positions=64))
    return model_folder.write(
        folder / "bert", card, model, tokenizer, {"size": "tiny", "recipe": {"max_length": 32}}
    )  # fmt: skip


@pytest.fixture(scope="module")
def tuned(base: Path) -> tuple[Path, Path]:
    """It fine-tuned, and the dev file."""
    train, dev = write(base.parent / "train.json", 250, 0, 50), write(base.parent / "dev.json", 60, 1, 12)
    result = finetune(
        "span", model=base, train=train, dev=dev, out=base.parent / "tuned", epochs=16, learning_rate=2e-3,
        settings={"batch_rows": 16},
    )  # fmt: skip
    assert (result.task, result.metric, result.classes) == ("span", "f1", ["start", "end"])
    assert result.mean["exact"] > 0.9
    assert result.notes[0].startswith("250 questions, 50 without an answer; ")
    return result.folder, dev


def test_the_folder_scores_as_it_did_in_training(tuned: tuple[Path, Path]) -> None:
    model, dev = tuned
    found = evaluate(model, dev)
    kept = json.loads((model / "munmaek.json").read_text("utf-8"))["training"]["mean"]
    assert found.scores == pytest.approx(kept)
    assert (found.num_rows, found.confusion, set(found.class_f1)) == (60, None, {"answered", "unanswerable"})
    table = read_questions(dev)
    answers = predict(model, table.texts, table.pairs)
    right = [gold[0][:2] if (gold := split(label or "")) else (0, 0) for label in table.labels or []]
    placed = [(each.answer.start, each.answer.end) for each in answers if each.answer]
    assert sum(a == b for a, b in zip(placed, right, strict=True)) / 60 == pytest.approx(found.scores["exact"])
    with pytest.raises(RequestError, match="a file of questions has no column 'text'"):
        evaluate(model, dev, text_column="text")
    with pytest.raises(RequestError, match="no mean"):
        tuned_folder.read([model, model])


def test_questions_without_a_word_of_answers_are_not_scored(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    """They stand between others, so what is counted of the rest must be of the rest."""
    whole = json.loads(tuned[1].read_text("utf-8"))
    for paragraph in whole["data"][0]["paragraphs"][12::2]:
        del paragraph["qas"][0]["answers"]
    (tmp_path / "a.json").write_text(json.dumps(whole), "utf-8")
    found = evaluate(tuned[0], tmp_path / "a.json")
    assert found.num_rows == 60 - 24
    assert found.notes == ["a.json: 24 rows have no label and are not scored"]
    assert predict_file(tuned[0], tmp_path / "a.json", tmp_path / "b.jsonl").num_rows == 60


def test_it_answers_lists_tables_and_files(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    texts = " 오늘  김 선생 또 진한 초록 그리고 끝", "어제 철수 또 끝"
    who, colour, none = predict(tuned[0], [*QUESTIONS, QUESTIONS[1]], [texts[0], texts[0], texts[1]])
    for each, wanted in ((who, (5, 9, "김 선생")), (colour, (12, 17, "진한 초록")), (none, (0, 0, ""))):
        assert each.answer is not None
        assert (each.answer.start, each.answer.end, each.answer.text) == wanted
        assert 0.3 < each.answer.score <= 1
        assert (each.label, each.value, each.entities) == (None, None, None)
    (tmp_path / "a.tsv").write_text(f"question\tcontext\n{QUESTIONS[0]}\t{texts[1]}\n", "utf-8")
    predict_file(tuned[0], tmp_path / "a.tsv", tmp_path / "b.tsv")
    header, line = (row.split("\t") for row in (tmp_path / "b.tsv").read_text("utf-8").splitlines())
    assert header == ["text", "pair", "answer", "characters", "score"]
    assert line[:4] == [QUESTIONS[0], texts[1], "철수", "3-5"]
    (tmp_path / "c.tsv").write_text((tmp_path / "a.tsv").read_text("utf-8").replace("context", "글월"), "utf-8")
    predict_file(tuned[0], tmp_path / "c.tsv", tmp_path / "d.tsv", text_column="question", pair_column="글월")
    assert (tmp_path / "d.tsv").read_text("utf-8") == (tmp_path / "b.tsv").read_text("utf-8")
    assert predict_file(tuned[0], tuned[1], tmp_path / "e.jsonl").num_rows == 60
    first = json.loads((tmp_path / "e.jsonl").read_text("utf-8").split("\n")[0])
    assert set(first) == {"text", "pair", "answer"}
    assert set(first["answer"]) == {"start", "end", "text", "score"}


def test_the_command_line(tuned: tuple[Path, Path], base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, dev = map(str, tuned)
    asked = [QUESTIONS[0], "어제 철수 또 빨강 또 끝"]
    assert main(["predict", "--model", model, *asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["text"], found["pair"], found["answer"]["text"]) == (*asked, "철수")
    assert main(["predict", "--model", model, *asked]) == 0
    assert "3-5" in capsys.readouterr().out
    assert main(["predict", "--model", model, QUESTIONS[1], "어제 철수 또 끝"]) == 0
    assert "(no answer)" in capsys.readouterr().out
    assert main(["evaluate", "--model", model, "--data", dev]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("f1", "exact", "F1 answered", "F1 unanswerable"))
    broken = base.with_name("broken.json")
    broken.write_text('{"data": [{"paragraphs": [{"qas": []}]}]}', "utf-8")
    out = str(base.with_name("never"))
    assert main(["finetune", "span", "--model", str(base), "--train", str(broken), "--out", out]) == 2
    assert "broken.json: data[0].paragraphs[0]: there is no 'context'" in " ".join(capsys.readouterr().err.split())


def test_arms_of_a_comparison(tuned: tuple[Path, Path], base: Path) -> None:
    task = load_task("span")
    question = Question(task, *(examples(task, base.with_name(n), training=True) for n in ("train.json", "dev.json")))
    floor = ChanceArm(question).run(100, 0)
    assert floor.scores == {"f1": 0.0, "exact": 0.0}
    assert floor.evidence.shape == (60, 2)
    found = NetworkArm(question, load(base), settings={"epochs": 16, "learning_rate": 2e-3}).run(200, 0)
    assert task.figure(found.evidence.sum(0)) == pytest.approx(found.scores["f1"])
    assert found.scores["f1"] > 0.6


def test_a_comparison_of_systems_and_one_floor(tuned: tuple[Path, Path], base: Path, tmp_path: Path) -> None:
    """One vector a word tells names from other words, so it finds more than the first word; TF-IDF is left out."""
    texts = read_questions(base.with_name("train.json")).pairs or []
    (tmp_path / "corpus.txt").write_text("\n".join([*texts, *QUESTIONS * 20]) + "\n", "utf-8")
    found = compare(
        out=tmp_path / "out", corpus=tmp_path / "corpus.txt", train=base.with_name("train.json"), test=tuned[1],
        systems=["word2vec"], budget="2000 steps", size="tiny", labels=[200], seeds=2, scratch=False, task="span",
        word="", pretraining={"tokenizer": "word", "vocab_size": 100, "min_count": 1, "cache": tmp_path / "cache"},
    )  # fmt: skip
    assert [(arm.name, arm.title) for arm in found.arms] == [("chance", "First word"), ("word2vec", "Word2Vec")]
    assert (found.task, found.metric, found.num_test) == ("span", "f1", 60)
    contrast = found.contrast("word2vec", "chance", 200)
    assert contrast is not None
    assert contrast.decided
    vectors = found.standing("word2vec", 200)
    assert vectors is not None
    assert 0.2 < vectors.mean < 0.8


def test_questions_all_without_an_answer_teach_nothing(base: Path, tmp_path: Path) -> None:
    train = write(tmp_path / "train.json", 5, 0, 5)
    with pytest.raises(DataError, match="none of 5 questions has an answer"):
        finetune("span", model=base, train=train, out=tmp_path / "out")
