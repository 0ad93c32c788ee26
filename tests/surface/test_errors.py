"""What a user gets for bad input: one clear sentence, the right exit code, no traceback, nothing half-written."""

from __future__ import annotations

import json
import lzma
import os
import re
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

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
        return Answer(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text(CORPUS, "utf-8")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A pre-trained model, small enough to make in a moment."""
    out = tmp_path_factory.mktemp("model") / "run"
    small = ("--size", "tiny", "--budget", "2 steps", "--vocab-size", 120, "--tokenizer", "syllable")
    assert main([str(word) for word in ("pretrain", "bert", "--corpus", corpus, "--out", out, *small)]) == 0
    return out


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """The same, fine-tuned."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "train.tsv").write_text(ROWS, "utf-8")
    words = ("finetune", "classify", "--model", model, "--train", folder / "train.tsv", "--out", folder / "run")
    assert main([str(word) for word in (*words, "--epochs", 1)]) == 0
    return folder / "run"


def copied(model: Path, into: Path) -> Path:
    """A model folder of one's own, to be damaged."""
    into.mkdir(parents=True)
    for path in model.iterdir():
        if path.is_file():
            (into / path.name).write_bytes(path.read_bytes())
    return into


def tree(folder: Path) -> dict[str, int]:
    """Every file under a folder with a checksum of its bytes."""
    return {
        str(path.relative_to(folder)): zlib.crc32(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def png(width: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + head
        + struct.pack(">I", zlib.crc32(head))
        + bytes(range(256)) * 40
    )


# ---- corpora --------------------------------------------------------------------------------------------------------

VERBS = {
    "prepare": lambda path, out: ("prepare", path),
    "pretrain": lambda path, out: (
        "pretrain",
        "bert",
        "--corpus",
        path,
        "--out",
        out,
        "--size",
        "tiny",
        "--budget",
        "1 steps",
    ),
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
        for width in range(1, 4):
            (tmp_path / "images" / f"{width}.png").write_bytes(png(width))
        self.refused(run, tmp_path, verb, tmp_path / "images", "images", r"\.png", r"\.txt")

    def test_an_image_named_txt(self, run: Run, tmp_path: Path, verb: str) -> None:
        (tmp_path / "image.txt").write_bytes(png(7))
        self.refused(run, tmp_path, verb, tmp_path / "image.txt", "image.txt", "binary|not text")

    def test_no_such_path(self, run: Run, tmp_path: Path, verb: str) -> None:
        self.refused(run, tmp_path, verb, tmp_path / "missing.txt", "missing.txt", "no such")

    def test_a_truncated_xz(self, run: Run, tmp_path: Path, verb: str) -> None:
        whole = lzma.compress(os.urandom(60_000).hex().encode() + CORPUS.encode())
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
    def finetune(self, run: Run, model: Path, table: Path, *more: object) -> Answer:
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


# ---- model folders --------------------------------------------------------------------------------------------------


class TestAModelFolder:
    @pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "munmaek.json"])
    def test_a_missing_file(self, run: Run, tmp_path: Path, model: Path, name: str) -> None:
        folder = copied(model, tmp_path / "copy")
        (folder / name).unlink()
        before = tree(tmp_path)
        run("embed", "--model", folder, "눈이 온다", "--out", tmp_path / "x.npy").complains(2, re.escape(str(folder)))
        run("fill", "--model", folder, "눈이 [MASK]").complains(2, re.escape(str(folder)))
        assert tree(tmp_path) == before

    @pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
    def test_a_damaged_file(self, run: Run, tmp_path: Path, model: Path, name: str) -> None:
        folder = copied(model, tmp_path / "copy")
        (folder / name).write_bytes((folder / name).read_bytes()[:-9])
        run("embed", "--model", folder, "눈이 온다").complains(2, re.escape(name), "changed|damaged")

    def test_no_such_folder(self, run: Run, tmp_path: Path) -> None:
        run("embed", "--model", tmp_path / "none", "눈이 온다").complains(2, "none", "no such folder")

    def test_weights_that_are_not_numbers(self, run: Run, tmp_path: Path, model: Path) -> None:
        folder = reweighed(model, tmp_path / "copy", lambda name, tensor: tensor.fill_(float("nan")))
        answer = run("embed", "--model", folder, "눈이 온다", "--out", tmp_path / "x.npy")
        answer.complains(2, "NaN|not numbers|not finite")
        assert not (tmp_path / "x.npy").exists()
        run("similar", "--model", folder, *SENTENCES[:2], "--word", "눈").complains(2, "NaN|not numbers|not finite")
        run("fill", "--model", folder, "눈이 [MASK]").complains(2, "NaN|not numbers|not finite")

    def test_one_weight_that_is_not_a_number(self, run: Run, tmp_path: Path, model: Path) -> None:
        def spoil(name: str, tensor: torch.Tensor) -> None:
            if "word_embeddings" in name:
                tensor[3, 5] = float("inf")

        folder = reweighed(model, tmp_path / "copy", spoil)
        run("embed", "--model", folder, "눈이 온다").complains(
            2, "word_embeddings|weights", "NaN|not numbers|not finite"
        )

    def test_a_vocabulary_of_another_tokenizer(self, run: Run, tmp_path: Path, model: Path, corpus: Path) -> None:
        other = tmp_path / "other"
        words = ("pretrain", "bert", "--corpus", corpus, "--out", other, "--size", "tiny", "--budget", "1 steps")
        assert run(*words, "--vocab-size", 60, "--tokenizer", "jamo").code == 0
        folder = copied(model, tmp_path / "copy")
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            (folder / name).write_bytes((other / name).read_bytes())
        resealed(folder)
        run("embed", "--model", folder, "눈이 온다").complains(2, "vocabulary|tokenizer")

    def test_a_file_of_another_tool(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "foreign").mkdir()
        (tmp_path / "foreign" / "config.json").write_text(json.dumps({"model_type": "llama"}), "utf-8")
        run("embed", "--model", tmp_path / "foreign", "눈").complains(2, "another tool", "munmaek import hf")
        run("import", "hf", tmp_path / "foreign", "--out", tmp_path / "run").complains(2, "llama")
        assert not (tmp_path / "run").exists()

    def test_a_path_out_of_the_folder(self, run: Run, tmp_path: Path, model: Path) -> None:
        folder = copied(model, tmp_path / "copy")
        facts = json.loads((folder / "munmaek.json").read_text("utf-8"))
        facts["files"]["../outside"] = {"size": 0, "sha256": ""}
        (folder / "munmaek.json").write_text(json.dumps(facts), "utf-8")
        run("embed", "--model", folder, "눈이 온다").complains(2, "outside the folder")


def reweighed(model: Path, into: Path, change: Callable[[str, torch.Tensor], object]) -> Path:
    """A copy of a model whose weights were changed and whose list of files was written anew."""
    from safetensors.torch import load_file, save_file

    folder = copied(model, into)
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in tensors.items():
        change(name, tensor)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    resealed(folder)
    return folder


def resealed(folder: Path) -> None:
    """Make munmaek.json agree with the files that are there."""
    from munmaek.core.files import sha256_file

    facts = json.loads((folder / "munmaek.json").read_text("utf-8"))
    facts["files"] = {
        name: {"size": (folder / name).stat().st_size, "sha256": sha256_file(folder / name)} for name in facts["files"]
    }
    (folder / "munmaek.json").write_text(json.dumps(facts), "utf-8")


# ---- requests -------------------------------------------------------------------------------------------------------


class TestARequest:
    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (("pretrain", "brt", "--corpus", "CORPUS", "--out", "OUT"), "bert"),
            (("pretrain", "bert", "--corpus", "CORPUS", "--out", "OUT", "--size", "huge"), "tiny"),
            (("pretrain", "bert", "--corpus", "CORPUS", "--out", "OUT", "--budget", "soon"), "--budget"),
            (("pretrain", "bert", "--corpus", "CORPUS", "--out", "OUT", "--set", "learning_rate"), "NAME=VALUE"),
            (("pretrain", "bert", "--corpus", "CORPUS", "--out", "OUT", "--set", "lerning_rate=1"), "learning_rate"),
            (
                ("pretrain", "bert", "--corpus", "CORPUS", "--out", "OUT", "--set", "learning_rate=fast"),
                "learning_rate",
            ),
            (("pretrain", "bert", "--corpus", "CORPUS", "--out", "OUT", "--tokenizer", "none"), "wordpiece|tokenizer"),
            (("pretrain", "bert", "--corpus", "CORPUS", "--out", "OUT", "--device", "tpu"), "tpu"),
            (("pretrain", "bert", "--corpus", "CORPUS"), "--out"),
            (("pretrain", "bert", "--corpus", "CORPUS", "--out", "OUT", "--frobnicate"), "frobnicate"),
            (("finetune", "clasify", "--model", "MODEL", "--train", "CORPUS", "--out", "OUT"), "classify"),
            (("import", "tf", "MODEL", "--out", "OUT"), "hf"),
            (("embed", "--model", "MODEL", "눈", "--pooling", "sum"), "mean"),
            (("embed", "--model", "MODEL", "눈", "--out", "OUT.txt"), r"\.npy"),
            (("embed", "--model", "MODEL", "눈", "--file", "CORPUS"), "twice"),
            (("fill", "--model", "MODEL", "눈이 온다"), r"\[MASK\]"),
            (("similar", "--model", "MODEL", "눈", "눈", "눈"), "two"),
            (("similar", "--model", "MODEL", "눈이 온다", "눈이 예쁘다", "--word", "비"), "비"),
            (("fetch", "imdb"), "nsmc"),
            (("--lang", "fr", "fetch"), "ko"),
        ],
        ids=lambda value: " ".join(value)[:50] if isinstance(value, tuple) else "",
    )
    def test_a_wrong_request(
        self, run: Run, tmp_path: Path, corpus: Path, model: Path, words: tuple[str, ...], expected: str
    ) -> None:
        places = {"CORPUS": corpus, "MODEL": model, "OUT": tmp_path / "out", "OUT.txt": tmp_path / "out.txt"}
        run(*(places.get(word, word) for word in words)).complains(2, expected)
        assert list(tmp_path.iterdir()) == []

    def test_nothing_on_standard_input(self, run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", open(os.devnull, encoding="utf-8"))  # noqa: SIM115
        run("embed", "--model", model).complains(2, "standard input")

    def test_no_network(self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import urllib.error
        import urllib.request

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


# ---- signals --------------------------------------------------------------------------------------------------------


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
