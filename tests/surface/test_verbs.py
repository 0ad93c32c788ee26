"""Every verb from the command line: what it prints for people, for programs, and what it takes on standard input."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from munmaek.cli import main

Run = Callable[..., Any]
TEXTS = ["눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다", "", "말이 들판을 달린다"]


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put text on standard input."""

    def put(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode("utf-8")), "utf-8"))

    return put


def test_version(run: Run) -> None:
    assert run("--version").out == "munmaek 0.1.0\n"


def test_without_a_verb_there_is_help(run: Run) -> None:
    answer = run()
    assert answer.code == 0
    assert "pretrain" in answer.out


def test_prepare_twice(run: Run, corpus: Path, tmp_path: Path) -> None:
    words = ("prepare", corpus, "--cache", tmp_path, "--tokenizer", "syllable", "--vocab-size", 100)
    first, second = run(*words), run(*words, "--json")
    assert first.code == second.code == 0
    facts = json.loads(second.out)
    assert facts["reused"]
    assert facts["documents"] == 10
    assert facts["sentences"] == 100
    assert facts["report"]["lines_read"] == facts["report"]["lines_kept"] + sum(facts["report"]["dropped"].values())
    assert facts["folder"] in first.out
    assert "100" in first.out


def test_doctor(run: Run, corpus: Path) -> None:
    found = json.loads(run("doctor", corpus, "--tokenizer", "syllable", "--json").out)
    assert found["lines_read"] == found["lines_kept"] + sum(found["dropped"].values())
    assert found["documents"] == 10
    assert found["nsp_possible"]
    english, korean = run("doctor", corpus), run("doctor", corpus, "--lang", "ko")
    assert "ocuments" in english.out
    assert "문서" in korean.out


def test_pretrain_says_what_it_made(run: Run, corpus: Path, tmp_path: Path) -> None:
    words = ("pretrain", "bert", "--corpus", corpus, "--out", tmp_path / "run", "--size", "tiny", "--budget", "3 steps")
    more = ("--vocab-size", 100, "--tokenizer", "syllable", "--set", "batch_tokens=256", "--set", "learning_rate=0.001")
    answer = run(*words, *more, "--json")
    assert answer.code == 0, answer.err
    made = json.loads(answer.out)
    assert made["steps"] == 3
    assert made["folder"] == str(tmp_path / "run")
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert "step 3/3" in answer.err
    on = run(*words[:5], tmp_path / "on", *words[6:], "--init", tmp_path / "run", "--lang", "ko")
    assert on.code == 0, on.err
    assert "매개변수" in on.out


def test_fill(run: Run, model: Path, send: Callable[[str], None]) -> None:
    table = run("fill", "--model", model, "눈이 [MASK] 좋다", "--top", 3)
    assert table.code == 0, table.err
    assert len(table.out.strip().split("\n")) == 2 + 3
    send("눈이 ___ 좋다\n___가 온다\n")
    lines = [json.loads(line) for line in run("fill", "--model", model, "--json").out.strip().split("\n")]
    assert [len(line["blanks"]) for line in lines] == [1, 1]
    shares = [answer["probability"] for answer in lines[0]["blanks"][0]]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1


def test_embed(run: Run, model: Path, tmp_path: Path, send: Callable[[str], None]) -> None:
    assert run("embed", "--model", model, *TEXTS, "--out", tmp_path / "a.npy").code == 0
    vectors = np.load(tmp_path / "a.npy")
    assert vectors.shape == (4, 128)
    assert vectors.dtype == np.float32
    (tmp_path / "texts.txt").write_text("\r\n".join(TEXTS) + "\r\n", "utf-8")
    assert run("embed", "--model", model, "--file", tmp_path / "texts.txt", "--out", tmp_path / "b.npy").code == 0
    np.testing.assert_array_equal(vectors, np.load(tmp_path / "b.npy"))
    send("\n".join(TEXTS) + "\n")
    lines = [json.loads(line) for line in run("embed", "--model", model).out.strip().split("\n")]
    assert [line["text"] for line in lines] == TEXTS
    np.testing.assert_allclose(np.array([line["vector"] for line in lines]), vectors, atol=2e-2)
    send("\n".join(TEXTS))
    assert run("embed", "--model", model, "-", "--out", tmp_path / "c.parquet", "--normalise").code == 0
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "c.parquet").to_pydict()
    assert table["text"] == TEXTS
    assert np.linalg.norm(table["vector"][0]) == pytest.approx(1.0, abs=1e-5)


def test_a_line_ends_at_a_newline_and_nowhere_else(run: Run, model: Path, send: Callable[[str], None]) -> None:
    odd = "눈이\u2028온다\x0b그리고\x85비가 온다"
    send(odd + "\n")
    (line,) = run("embed", "--model", model).out.strip("\n").split("\n")
    assert json.loads(line)["text"] == odd


def test_similar(run: Run, model: Path, send: Callable[[str], None]) -> None:
    words = ("similar", "--model", model)
    table = run(*words, TEXTS[0], TEXTS[1], "--word", "눈")
    assert table.code == 0, table.err
    assert "layer 2" in table.out
    send(f"{TEXTS[0]}\t{TEXTS[1]}\n{TEXTS[0]}\t{TEXTS[0]}\n")
    lines = [json.loads(line) for line in run(*words, "--word", "눈", "--json").out.strip().split("\n")]
    assert lines[1]["cosine"] == pytest.approx(1.0, abs=1e-5)
    assert lines[1]["word"]["cosine"] == pytest.approx(1.0, abs=1e-5)
    assert lines[0]["cosine"] < 1
    assert len(lines[0]["word"]["layers"]) == 3


def test_finetune_evaluate_predict(
    run: Run, model: Path, table: Path, tmp_path: Path, send: Callable[[str], None]
) -> None:
    words = ("finetune", "classify", "--model", model, "--train", table, "--dev", table, "--out", tmp_path / "run")
    answer = run(*words, "--seeds", 2, "--epochs", 1)
    assert answer.code == 0, answer.err
    assert "accuracy" in answer.out
    assert "seed 1" in answer.out
    scored = json.loads(run("evaluate", "--model", tmp_path / "run", "--data", table, "--json").out)
    assert scored["num_rows"] == 40
    assert 0 <= scored["scores"]["accuracy"] <= 1
    shown = run("predict", "--model", tmp_path / "run", TEXTS[0], TEXTS[1])
    assert shown.code == 0, shown.err
    assert TEXTS[1] in shown.out
    assert run("predict", "--model", tmp_path / "run", "--file", table, "--out", tmp_path / "p.tsv").code == 0
    written = (tmp_path / "p.tsv").read_text("utf-8").rstrip("\n").split("\n")
    assert len(written) == 41
    header = written[0].split("\t")
    assert header[:2] == ["text", "label"]
    send("\n".join(TEXTS) + "\n")
    lines = [json.loads(line) for line in run("predict", "--model", tmp_path / "run", "--json").out.strip().split("\n")]
    assert [line["text"] for line in lines] == TEXTS
    assert all(sum(line["probabilities"].values()) == pytest.approx(1.0, abs=1e-4) for line in lines)
    assert lines[0]["label"] in ("0", "1")


def test_pairs(run: Run, model: Path, tmp_path: Path, send: Callable[[str], None]) -> None:
    rows = [(TEXTS[0], TEXTS[1], "다름"), (TEXTS[1], TEXTS[1], "같음")] * 8
    lines = ["sentence1\tsentence2\tlabel", *("\t".join(row) for row in rows)]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    words = ("--model", model, "--train", tmp_path / "pairs.tsv", "--out", tmp_path / "run", "--epochs", 1)
    answer = run("finetune", "pair", *words)
    assert answer.code == 0, answer.err
    send(f"{TEXTS[0]}\t{TEXTS[1]}\n")
    (line,) = run("predict", "--model", tmp_path / "run", "--json").out.strip().split("\n")
    assert json.loads(line)["pair"] == TEXTS[1]
    assert "/" in run("predict", "--model", tmp_path / "run", TEXTS[0], TEXTS[1]).out
    run("predict", "--model", tmp_path / "run", TEXTS[0]).complains(2, "pairs")
    send("탭이 없다\n")
    run("predict", "--model", tmp_path / "run").complains(2, "standard input:1", "tab")


def test_a_trained_model_in_a_comparison(run: Run, model: Path, table: Path, tmp_path: Path) -> None:
    words = ("compare", "--trained", model, "--train", table, "--test", table, "--out", tmp_path / "worth")
    answer = run(*words, "--labels", 8, "--seeds", 2)
    assert answer.code == 0, answer.err
    assert "TF-IDF" in answer.out
    assert f"BERT ({model.name})" in answer.out
    rows = [json.loads(line)["row"] for line in (tmp_path / "worth/rows.jsonl").read_text("utf-8").splitlines()]
    assert {row["arm"] for row in rows} == {"chance", "tfidf", model.name, f"{model.name} from scratch"}
    assert f"BERT ({model.name})" in (tmp_path / "worth/report.html").read_text("utf-8")
    run(*words, "--labels", "few").complains(2, "--labels")
    run(*words, "--trained", model).complains(2, "--trained", "twice")
    run(*words, "--systems", "ngram").complains(2, "corpus")
    run(*words, "--layers").complains(2, "--trained")


def test_fetch_from_a_folder(run: Run, data_dir: Path, tmp_path: Path) -> None:
    answer = run("fetch", "korsts", "--into", tmp_path, "--from", data_dir)
    assert answer.code == 0, answer.err
    assert (tmp_path / "korsts").is_dir()
    assert str(tmp_path / "korsts") in answer.out


def test_fetch_lists(run: Run) -> None:
    assert {"nsmc", "kobest", "korsts"} <= {line.split(" ")[0] for line in run("fetch").out.split("\n")}


def test_import(run: Run, model: Path, tmp_path: Path) -> None:
    answer = run("import", "hf", model, "--out", tmp_path / "theirs")
    assert answer.code == 0, answer.err
    first, second = (run("embed", "--model", folder, TEXTS[0]).out for folder in (model, tmp_path / "theirs"))
    assert first == second


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_tour(run: Run, tmp_path: Path) -> None:
    answer = run("tour", "--out", tmp_path / "demo", "--budget", "20 steps")
    assert answer.code == 0, answer.err
    for title in ("Word2Vec", "GloVe", "ELMo", "ULMFiT", "GPT", "BERT", "TF-IDF"):
        assert title in answer.out
    assert re.search(r"Word2Vec +1\.000 +0\.500 \(layer 0\)", answer.out)
    assert str(tmp_path / "demo" / "report.html") in answer.out
    assert "synthetic" in (tmp_path / "demo" / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A language model, small enough to make in a moment."""
    out = tmp_path_factory.mktemp("writer") / "run"
    small = ("--size", "tiny", "--budget", "20 steps", "--vocab-size", 120)
    assert main([str(word) for word in ("pretrain", "gpt", "--corpus", corpus, "--out", out, *small)]) == 0
    return out


def test_generate(run: Run, writer: Path, model: Path, send: Callable[[str], None]) -> None:
    words = ("generate", "--model", writer, "--max-tokens", 6, "--seed", 2)
    plain = run(*words, "눈이", "배를")
    assert plain.code == 0, plain.err
    first, second = plain.out.rstrip("\n").split("\n")
    assert first.startswith("눈이")
    assert second.startswith("배를")
    send("눈이\n배를\n")
    rows = [json.loads(line) for line in run(*words, "--json").out.strip().split("\n")]
    assert [row["prompt"] + row["text"] for row in rows] == [first, second]
    assert all(row["num_tokens"] <= 6 and row["finished"] in ("end", "length") for row in rows)
    assert run(*words, "눈이", "--seed", 3, "--json").out != run(*words, "눈이", "--json").out
    run(*words, "눈이", "--top-p", 0).complains(2, "--top-p", "more than 0")
    answer = run("generate", "--model", model, "눈이")
    answer.complains(2, "does not predict the next token", "gpt")
    assert answer.out == ""  # not the prompt, either


def test_evaluate_lm(run: Run, writer: Path, corpus: Path, table: Path) -> None:
    answer = run("evaluate", "lm", "--model", writer, "--data", corpus)
    assert answer.code == 0, answer.err
    assert "bits per character" in answer.out
    assert "글자당 비트" in run("evaluate", "lm", "--model", writer, "--data", corpus, "--lang", "ko").out
    one = json.loads(run("evaluate", "lm", "--model", writer, "--data", corpus, "--json").out)
    two = json.loads(run("evaluate", "lm", "--model", writer, "--data", corpus, "--data", table, "--json").out)
    assert one["num_texts"] == 10
    assert two["num_texts"] == 50
    run("evaluate", "nothing", "--model", writer, "--data", corpus).complains(
        2, "'nothing'", "labels, lm, intrinsic or wic"
    )
    run("evaluate", "--model", writer, "--data", corpus, "--data", table).complains(2, "one at a time")
