"""What a user gets for bad text and wrong requests: one clear sentence, the right exit code, nothing half-written."""

from __future__ import annotations

import lzma
import os
import random
import struct
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from munmaek.cli import main

Run = Callable[..., Any]

SENTENCES = [
    "눈이 와서 너무 좋다",
    "너의 눈이 너무 예쁘다",
    "배를 타고 섬에 갔다",
    "배가 고프다",
    "비가 온다",
    "밤이다",
]
ROWS = "document\tlabel\n" + "".join(f"{text}\t{number % 2}\n" for number, text in enumerate(SENTENCES * 6))


def tree(folder: Path) -> dict[str, int]:
    """Every file under a folder with a checksum of its bytes."""
    return {
        str(path.relative_to(folder)): zlib.crc32(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(size: int) -> bytes:
    """A picture of noise, as bytes."""
    noise = random.Random(size)
    lines = b"".join(b"\0" + noise.randbytes(3 * size) for _ in range(size))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


# ---- corpora --------------------------------------------------------------------------------------------------------

PRETRAIN = ("pretrain", "bert", "--size", "tiny", "--budget", "1 steps")
VERBS = {
    "prepare": lambda path, out: ("prepare", path),
    "pretrain": lambda path, out: (*PRETRAIN, "--corpus", path, "--out", out),
    "doctor": lambda path, out: ("doctor", path),
}


@pytest.mark.parametrize("verb", VERBS)
class TestACorpus:
    """Each verb that reads one says the same."""

    def refused(self, run: Run, tmp_path: Path, verb: str, path: Path, *words: str) -> None:
        before = tree(tmp_path)
        run(*VERBS[verb](path, tmp_path / "run")).complains(2, *words)
        assert tree(tmp_path) == before
        assert not (tmp_path / "run").exists() or not any((tmp_path / "run").iterdir())

    @pytest.mark.parametrize(
        "content", [b"", b"\n\n  \n\t\n", b"\xef\xbb\xbf"], ids=["empty", "white space", "only a BOM"]
    )
    def test_an_empty_file(self, run: Run, tmp_path: Path, verb: str, content: bytes) -> None:
        (tmp_path / "empty.txt").write_bytes(content)
        self.refused(run, tmp_path, verb, tmp_path / "empty.txt", "empty.txt", "empty|no text")

    def test_a_folder_of_images(self, run: Run, tmp_path: Path, verb: str) -> None:
        (tmp_path / "images").mkdir()
        for size in (1, 8, 64):
            (tmp_path / "images" / f"{size}.png").write_bytes(png(size))
        self.refused(run, tmp_path, verb, tmp_path / "images", "images", r"\.png", r"\.txt")

    def test_an_image_named_txt(self, run: Run, tmp_path: Path, verb: str) -> None:
        (tmp_path / "image.txt").write_bytes(png(64))
        self.refused(run, tmp_path, verb, tmp_path / "image.txt", "image.txt", "binary|not text")

    def test_no_such_path(self, run: Run, tmp_path: Path, verb: str) -> None:
        self.refused(run, tmp_path, verb, tmp_path / "missing.txt", "missing.txt", "no such")

    def test_a_truncated_xz(self, run: Run, tmp_path: Path, verb: str) -> None:
        whole = lzma.compress(os.urandom(60_000).hex().encode() + ROWS.encode())
        (tmp_path / "half.txt.xz").write_bytes(whole[: len(whole) // 2])
        self.refused(run, tmp_path, verb, tmp_path / "half.txt.xz", r"half\.txt\.xz", "damaged|end early|truncated")

    def test_a_wrong_column(self, run: Run, tmp_path: Path, verb: str) -> None:
        path = tmp_path / "rows.tsv"
        path.write_text(ROWS, "utf-8")
        before = tree(tmp_path)
        run(*VERBS[verb](path, tmp_path / "run"), "--text-column", "revew").complains(2, "'revew'", "document", "label")
        assert tree(tmp_path) == before


# ---- tables ---------------------------------------------------------------------------------------------------------


class TestATable:
    def finetune(self, run: Run, model: Path, table: Path, *more: object) -> Any:
        out = table.with_name("out")
        answer = run("finetune", "classify", "--model", model, "--train", table, "--out", out, "--epochs", 1, *more)
        assert not (out / "munmaek.json").exists()
        return answer

    def test_a_wrong_column(self, run: Run, tmp_path: Path, model: Path) -> None:
        (tmp_path / "train.tsv").write_text(ROWS, "utf-8")
        answer = self.finetune(run, model, tmp_path / "train.tsv", "--label-column", "sentiment")
        answer.complains(2, "sentiment", "document", "label", "--label-column")

    def test_labels_that_are_all_one_class(self, run: Run, tmp_path: Path, model: Path) -> None:
        rows = "document\tlabel\n" + "".join(f"{text}\tpositive\n" for text in SENTENCES)
        (tmp_path / "train.tsv").write_text(rows, "utf-8")
        self.finetune(run, model, tmp_path / "train.tsv").complains(2, r"train\.tsv", "positive")

    def test_numbers_that_are_all_the_same(self, run: Run, tmp_path: Path, model: Path) -> None:
        rows = "document\tlabel\n" + "".join(f"{text}\t2.5\n" for text in SENTENCES)
        (tmp_path / "train.tsv").write_text(rows, "utf-8")
        words = ("finetune", "regress", "--model", model, "--train", tmp_path / "train.tsv", "--out", tmp_path / "out")
        run(*words).complains(2, r"train\.tsv", "2\\.5")

    def test_an_empty_table(self, run: Run, tmp_path: Path, model: Path) -> None:
        (tmp_path / "train.tsv").write_bytes(b"")
        self.finetune(run, model, tmp_path / "train.tsv").complains(2, r"train\.tsv", "empty")

    def test_a_table_that_is_a_folder(self, run: Run, tmp_path: Path, model: Path) -> None:
        (tmp_path / "train.tsv").mkdir()
        self.finetune(run, model, tmp_path / "train.tsv").complains(2, r"train\.tsv", "folder")

    def test_a_truncated_table(self, run: Run, tmp_path: Path, model: Path) -> None:
        whole = lzma.compress(ROWS.encode() + os.urandom(60_000).hex().encode())
        (tmp_path / "train.tsv.xz").write_bytes(whole[: len(whole) // 2])
        self.finetune(run, model, tmp_path / "train.tsv.xz").complains(2, r"train\.tsv\.xz", "damaged|end early")

    def test_a_pre_trained_model_is_not_written_over(self, run: Run, tmp_path: Path, model: Path) -> None:
        (tmp_path / "train.tsv").write_text(ROWS, "utf-8")
        before = tree(model)
        words = ("finetune", "classify", "--model", model, "--train", tmp_path / "train.tsv", "--out", model)
        run(*words).complains(2, "--out")
        assert tree(model) == before

    def test_a_model_without_a_task(self, run: Run, tmp_path: Path, model: Path) -> None:
        (tmp_path / "test.tsv").write_text(ROWS, "utf-8")
        run("evaluate", "--model", model, "--data", tmp_path / "test.tsv").complains(2, "fine-tune")
        run("predict", "--model", model, "눈이 온다").complains(2, "fine-tune")


# ---- requests -------------------------------------------------------------------------------------------------------


REQUESTS = [
    ("pretrain brt --corpus CORPUS --out OUT", "bert"),
    ("pretrain bert --corpus CORPUS --out OUT --size huge", "tiny"),
    ("pretrain bert --corpus CORPUS --out OUT --budget soon", "--budget"),
    ("pretrain bert --corpus CORPUS --out OUT --set learning_rate", "NAME=VALUE"),
    ("pretrain bert --corpus CORPUS --out OUT --set lerning_rate=1", "learning_rate"),
    ("pretrain bert --corpus CORPUS --out OUT --set learning_rate=fast", "learning_rate"),
    ("pretrain bert --corpus CORPUS --out OUT --tokenizer none", "wordpiece|tokenizer"),
    ("pretrain bert --corpus CORPUS --out OUT --device tpu", "tpu"),
    ("pretrain bert --corpus CORPUS", "--out"),
    ("pretrain bert --corpus CORPUS --out OUT --frobnicate", "frobnicate"),
    ("finetune clasify --model MODEL --train CORPUS --out OUT", "classify"),
    ("import tf MODEL --out OUT", "hf"),
    ("embed --model MODEL 눈 --pooling sum", "mean"),
    ("embed --model MODEL 눈 --out OUT.txt", r"\.npy"),
    ("embed --model MODEL 눈 --file CORPUS", "twice"),
    ("fill --model MODEL 눈이온다", r"\[MASK\]"),
    ("similar --model MODEL 눈 눈 눈", "two"),
    ("similar --model MODEL 눈이온다 눈이예쁘다 --word 비", "비"),
    ("fetch imdb", "nsmc"),
    ("--lang fr fetch", "ko"),
]


class TestARequest:
    @pytest.mark.parametrize(("words", "expected"), REQUESTS, ids=[words for words, _ in REQUESTS])
    def test_a_wrong_request(
        self, run: Run, tmp_path: Path, corpus: Path, model: Path, words: str, expected: str
    ) -> None:
        places = {"CORPUS": corpus, "MODEL": model, "OUT": tmp_path / "out", "OUT.txt": tmp_path / "out.txt"}
        run(*(places.get(word, word) for word in words.split())).complains(2, expected)
        assert list(tmp_path.iterdir()) == []

    def test_nothing_on_standard_input(self, run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", open(os.devnull, encoding="utf-8"))  # noqa: SIM115
        run("embed", "--model", model).complains(2, "standard input")

    def test_no_network(self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise urllib.error.URLError("no route to host")

        monkeypatch.setattr(urllib.request, "urlopen", refuse)
        monkeypatch.delenv("MUNMAEK_DATA", raising=False)
        run("fetch", "korsts", "--out", tmp_path / "data").complains(1, "no route to host", "--from", "MUNMAEK_DATA")
        assert tree(tmp_path) == {}

    def test_a_fault_of_ours_is_one_line_and_debug_shows_where(
        self, run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise KeyError("vanished")

        monkeypatch.setattr("munmaek.run.fill.fill", fail)
        answer = run("fill", "--model", model, "눈이 [MASK]")
        assert answer.code == 1
        assert answer.err.startswith("error: KeyError: 'vanished'")
        assert "--debug" in answer.err
        assert "Traceback" not in answer.err
        with pytest.raises(KeyError):
            main(["fill", "--debug", "--model", str(model), "눈이 [MASK]"])

    def test_debug_shows_the_traceback_of_a_users_mistake(self, run: Run, tmp_path: Path) -> None:
        answer = run("--debug", "embed", "--model", tmp_path / "none", "눈")
        assert answer.code == 2
        assert "Traceback" in answer.err
