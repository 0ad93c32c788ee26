"""The verbs of word vectors, and that word vectors do what every system does: the commands as a user gives them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from munmaek.cli import main

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


def test_one_word_has_one_vector_in_both_sentences(run: Run, words: Path) -> None:
    """The complaint of the article: 눈, snow and eye, is one vector for ever."""
    answer = run("similar", "--model", words, *MOTTO, "--word", "눈", "--json")
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
