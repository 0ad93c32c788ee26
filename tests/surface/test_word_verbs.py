"""The verbs of word vectors, and that word vectors do what every system does: the commands as a user gives them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from munmaek.cli import main
from munmaek.run.model import load

Run = Callable[..., Any]
MOTTO = ("눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다")


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A Word2Vec of morphemes."""
    pytest.importorskip("kiwipiepy")
    out = tmp_path_factory.mktemp("words") / "run"
    given = ("pretrain", "word2vec", "--corpus", corpus, "--out", out, "--size", "tiny", "--budget", "20 epochs",
             "--set", "batch_tokens=1000", "--set", "subsample=0.05", "--min-count", 2)  # fmt: skip
    assert main([str(word) for word in given]) == 0
    return out


@pytest.fixture(scope="session")
def glove(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A GloVe of morphemes."""
    pytest.importorskip("kiwipiepy")
    out = tmp_path_factory.mktemp("glove") / "run"
    given = ("pretrain", "glove", "--corpus", corpus, "--out", out, "--size", "tiny", "--budget", "20 epochs",
             "--tokenizer", "morpheme-word", "--min-count", 2)  # fmt: skip
    assert main([str(word) for word in given]) == 0
    return out


@pytest.mark.parametrize("system", ["words", "glove"])
def test_one_word_has_one_vector_in_both_sentences(system: str, run: Run, request: pytest.FixtureRequest) -> None:
    """The complaint of the article: 눈, snow and eye, is one vector for ever."""
    model = request.getfixturevalue(system)
    answer = run("similar", "--model", model, *MOTTO, "--word", "눈", "--json")
    found = json.loads(answer.out)
    assert f"{found['word']['cosine']:.3f}" == "1.000"
    assert len(found["word"]["layers"]) == 1
    assert found["cosine"] < 0.9999


def test_nearest(run: Run, words: Path) -> None:
    answer = run("nearest", "눈", "--model", words, "--top", 3)
    assert answer.code == 0, answer.err
    assert len(answer.out.strip().split("\n")) == 5
    found = json.loads(run("nearest", "눈", "--model", words, "--json").out)
    assert found["known"]
    assert len(found["nearest"]) == 10
    assert "눈" not in [word for word, _ in found["nearest"]]
    run("nearest", "없는낱말들", "--model", words).complains(2, "no vector")


def test_nearest_of_any_system(run: Run, model: Path) -> None:
    found = json.loads(run("nearest", "눈이 와서", "--model", model, "--json").out)
    assert not found["known"]
    assert all(-1.001 < cosine < 1.001 for _, cosine in found["nearest"])


def test_analogy(run: Run, words: Path) -> None:
    answer = run("analogy", "눈", "배", "밤", "--model", words)
    assert answer.code == 0, answer.err
    assert "3CosAdd" in answer.out
    assert "3CosMul" in answer.out
    found = json.loads(run("analogy", "눈", "배", "밤", "--model", words, "--top", 4, "--json").out)
    assert len(found["add"]) == len(found["multiply"]) == 4
    assert not {"눈", "배", "밤"} & {word for word, _ in found["add"]}


def test_evaluate_intrinsic(run: Run, words: Path, tmp_path: Path) -> None:
    pairs, questions = tmp_path / "pairs.tsv", tmp_path / "questions.txt"
    pairs.write_text("눈\t배\t3.0\n밤\t배\t5.5\n눈\t밤\t1.0\n없는말\t밤\t1.0\n", "utf-8")
    questions.write_text(": 첫째\n눈 배 밤 말\n눈 배 밤 없는말\n", "utf-8")
    given = ("evaluate", "intrinsic", "--model", words, "--data", pairs, "--data", questions)
    answer = run(*given)
    assert answer.code == 0, answer.err
    assert "Spearman" in answer.out
    found = json.loads(run(*given, "--json").out)
    assert (found["pairs"][0]["used"], found["pairs"][0]["unknown"]) == (3, 1)
    assert [(row["section"], row["used"], row["unknown"]) for row in found["analogies"]] == [
        ("all", 1, 1),
        ("첫째", 1, 1),
    ]
    pairs.write_text("a\tb\t3.0\nc\td\t5.5\n", "utf-8")
    run("evaluate", "intrinsic", "--model", words, "--data", pairs).complains(2, "knows the words of no question")
    run("evaluate", "extrinsic", "--model", words, "--data", pairs).complains(2, "labels, lm, intrinsic or wic")
    run("evaluate", "--model", words, "--data", pairs, "--data", pairs).complains(2, "2 files")


def test_finetune_and_predict(run: Run, words: Path, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    answer = run(
        "finetune",
        "classify",
        "--model",
        words,
        "--train",
        table,
        "--dev",
        table,
        "--out",
        out,
        "--epochs",
        30,
        "--learning-rate",
        "0.02",
    )
    assert answer.code == 0, answer.err
    assert json.loads(run("evaluate", "--model", out, "--data", table, "--json").out)["scores"]["accuracy"] > 0.9
    assert run("predict", "--model", out, MOTTO[0]).code == 0


def test_import_of_vectors(run: Run, words: Path, tmp_path: Path) -> None:
    answer = run("import", "vectors", words / "vectors.bin", "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    ours, theirs = (json.loads(run("nearest", "눈", "--model", m, "--json").out) for m in (words, tmp_path / "run"))
    assert [word for word, _ in ours["nearest"]] == [word for word, _ in theirs["nearest"]]
    run("import", "vectors", words / "tokenizer.json", "--out", tmp_path / "no").complains(2, "byte")


def test_a_subword_model_embeds_what_it_never_saw(run: Run, corpus: Path, tmp_path: Path) -> None:
    given = (
        "pretrain",
        "word2vec",
        "--corpus",
        corpus,
        "--out",
        tmp_path / "run",
        "--size",
        "tiny",
        "--tokenizer",
        "word",
    )
    settings = ("--set", "subwords=jamo", "--set", "num_buckets=2000", "--set", "sif=0.001", "--budget", "2 epochs")
    assert run(*given, *settings).code == 0
    assert run("embed", "--model", tmp_path / "run", "처음보는낱말", "--out", tmp_path / "v.npy").code == 0
    assert np.load(tmp_path / "v.npy").any()


@pytest.fixture(scope="session")
def phrases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Word2Vec of a text in which 한강 다리 and new york times stand together and with words of their own."""
    folder = tmp_path_factory.mktemp("phrases")
    draw = random.Random(0)
    bridge, paper, other = (
        ["물", "배", "섬", "건너"],
        ["read", "print", "daily", "news"],
        ["그", "이", "저", "또", "참"],
    )
    lines = []
    for number in range(600):
        near, phrase = ((bridge, "한강 다리"), (paper, "new york times"), (other, ""))[number % 3]
        lines.append(" ".join([*draw.choices(near, k=3), *draw.choices(other, k=2), phrase, *draw.choices(near, k=3)]))
    lines += [" ".join([draw.choice(other), word, draw.choice(other)]) for word in ("new", "다리") for _ in range(30)]
    (folder / "corpus.txt").write_text("\n\n".join(lines) + "\n", "utf-8")
    given = ("pretrain", "word2vec", "--corpus", folder / "corpus.txt", "--out", folder / "run", "--size", "tiny",
             "--tokenizer", "word", "--phrases", 2, "--phrase-threshold", 8, "--budget", "30 epochs",
             "--set", "batch_tokens=1000", "--set", "subsample=0.1", "--set", "learning_rate=0.05")  # fmt: skip
    assert main([str(word) for word in given]) == 0
    return folder / "run"


def test_a_phrase_has_one_vector_and_neighbours(run: Run, phrases: Path) -> None:
    for asked in ("한강_다리", "한강 다리"):
        found = json.loads(run("nearest", asked, "--model", phrases, "--top", 4, "--json").out)
        assert found["known"]
        assert {word for word, _ in found["nearest"]} == {"물", "배", "섬", "건너"}
    found = json.loads(run("nearest", "new york times", "--model", phrases, "--top", 4, "--json").out)
    assert {word for word, _ in found["nearest"]} == {"read", "print", "daily", "news"}
    run("nearest", "york", "--model", phrases).complains(2, "no vector for 'york'")
    model = load(phrases)
    text = "배 한강  다리 참"
    assert [text[token.start : token.end] for token in model.tokens(text)] == ["배", "한강  다리", "참"]
    whole, part = model.word_vector(text, "한강  다리"), model.word_vector(text, "다리")
    np.testing.assert_array_equal(whole, part)
    np.testing.assert_array_equal(whole, model.word_vector("한강 다리", "한강 다리"))
    assert not np.array_equal(whole, model.word_vector("참 다리", "다리")), "다리 by itself is another word"
    np.testing.assert_array_equal(model.embed("한강 다리")[0], whole)


def test_phrases_reach_every_verb(run: Run, phrases: Path, tmp_path: Path) -> None:
    answer = run("similar", "--model", phrases, "물 한강 다리", "참 한강 다리", "--word", "한강 다리", "--json")
    assert f"{json.loads(answer.out)['word']['cosine']:.3f}" == "1.000"
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("한강_다리\t물\t9\nnew_york_times\t물\t1\nyork\t물\t2\n", "utf-8")
    found = json.loads(run("evaluate", "intrinsic", "--model", phrases, "--data", pairs, "--json").out)["pairs"][0]
    assert (found["used"], found["unknown"], found["spearman"]) == (2, 1, 1.0)
    table = tmp_path / "table.tsv"
    table.write_text("text\tlabel\n" + "한강 다리 참\t1\nnew york times 참\t0\n" * 20, "utf-8")
    given = ("finetune", "classify", "--model", phrases, "--train", table, "--out", tmp_path / "run", "--epochs", 20)
    assert run(*given).code == 0
    assert (
        json.loads(run("evaluate", "--model", tmp_path / "run", "--data", table, "--json").out)["scores"]["accuracy"]
        == 1
    )
    binary = run("import", "vectors", phrases / "vectors.bin", "--out", tmp_path / "vectors")
    assert binary.code == 0, binary.err


def test_phrases_that_cannot_be(run: Run, words: Path, corpus: Path, tmp_path: Path) -> None:
    given = ("pretrain", "word2vec", "--corpus", corpus, "--out", tmp_path / "run", "--phrases", 1)
    run(*given, "--tokenizer", "wordpiece").complains(2, "--phrases", "word, eojeol or morpheme-word")
    run(*given, "--phrase-threshold", 0).complains(2, "--phrase-threshold", "above 0")
    run(*given, "--init", words).complains(2, "--phrases", "Leave out --init")
    assert not (tmp_path / "run").exists()
