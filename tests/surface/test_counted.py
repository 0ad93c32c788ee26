"""The systems that count, from the command line: memory, what has no meaning for them, and files that come in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_an_ngram_model_is_counted_and_says_what_it_is_not(run: Run, corpus: Path, tmp_path: Path) -> None:
    words = ("pretrain", "ngram", "--corpus", corpus, "--out", tmp_path / "run", "--size", "tiny", "--memory", "100MB")
    answer = run(*words, "--json")
    assert answer.code == 0, answer.err
    made = json.loads(answer.out)
    assert made["steps"] == 1
    assert "no budget applies" in made["notes"][0]
    assert "counting" in answer.err
    again = run(*words[:5], tmp_path / "again", *words[6:], "--init", tmp_path / "run")
    again.complains(2, "--init", "anew")
    run("embed", "--model", tmp_path / "run", "눈이 온다").complains(2, "no vectors")
    back = run("import", "arpa", tmp_path / "run" / "model.arpa.gz", "--out", tmp_path / "back", "--json")
    assert json.loads(back.out)["system"] == "ngram", back.err


def test_memory_is_for_what_counts(run: Run, corpus: Path, tmp_path: Path) -> None:
    words = ("--corpus", corpus, "--out", tmp_path / "run", "--size", "tiny", "--budget", "1 steps", "--memory")
    run("pretrain", "bert", *words, "1GB").complains(2, "memory")
    run("pretrain", "glove", *words, "1MB").complains(2, "1MB", "32MB")
    run("pretrain", "ngram", *words, "lots").complains(2, "lots")


def test_glove_says_what_it_does_before_it_trains_and_once(run: Run, corpus: Path, tmp_path: Path) -> None:
    words = ("pretrain", "glove", "--corpus", corpus, "--size", "tiny", "--budget", "5 epochs", "--set", "window=3")
    first = run(*words, "--out", tmp_path / "one", "--json")
    assert first.code == 0, first.err
    assert "counting co-occurrences" in first.err
    second = run(*words, "--out", tmp_path / "two", "--json")
    assert "counting co-occurrences" not in second.err
    assert json.loads(first.out)["loss"] == json.loads(second.out)["loss"]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
    alike = run(
        "similar", "--model", tmp_path / "one", "눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다", "--word", "눈", "--json"
    )
    assert round(json.loads(alike.out)["word"]["cosine"], 3) == 1.0, alike.err
