"""What a user gets for a model folder that is not whole: one clear sentence, the right exit code, nothing lost."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from munmaek.core.files import sha256_file

Run = Callable[..., Any]
NOT_NUMBERS = "NaN|not numbers|not finite"


def copied(model: Path, into: Path) -> Path:
    """A model folder of one's own, to be damaged."""
    return shutil.copytree(model, into, ignore=shutil.ignore_patterns("training"))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "munmaek.json"])
def test_a_missing_file(run: Run, tmp_path: Path, model: Path, name: str) -> None:
    folder = copied(model, tmp_path / "copy")
    (folder / name).unlink()
    before = sorted(tmp_path.rglob("*"))
    run("embed", "--model", folder, "눈이 온다", "--out", tmp_path / "x.npy").complains(2, re.escape(str(folder)))
    run("fill", "--model", folder, "눈이 [MASK]").complains(2, re.escape(str(folder)))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_damaged_file(run: Run, tmp_path: Path, model: Path, name: str) -> None:
    folder = copied(model, tmp_path / "copy")
    (folder / name).write_bytes((folder / name).read_bytes()[:-9])
    run("embed", "--model", folder, "눈이 온다").complains(2, re.escape(name), "changed|damaged")


def test_no_such_folder(run: Run, tmp_path: Path) -> None:
    run("embed", "--model", tmp_path / "none", "눈이 온다").complains(2, "none", "no such folder")


def test_weights_that_are_not_numbers(run: Run, tmp_path: Path, model: Path) -> None:
    folder = reweighed(model, tmp_path / "copy", lambda name, tensor: tensor.fill_(float("nan")))
    answer = run("embed", "--model", folder, "눈이 온다", "--out", tmp_path / "x.npy")
    answer.complains(2, NOT_NUMBERS)
    assert not (tmp_path / "x.npy").exists()
    run("similar", "--model", folder, "눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다", "--word", "눈").complains(
        2, NOT_NUMBERS
    )
    run("fill", "--model", folder, "눈이 [MASK]").complains(2, NOT_NUMBERS)


def test_one_weight_that_is_not_a_number(run: Run, tmp_path: Path, model: Path) -> None:
    def spoil(name: str, tensor: torch.Tensor) -> None:
        if "word_embeddings" in name:
            tensor[3, 5] = float("inf")

    folder = reweighed(model, tmp_path / "copy", spoil)
    run("embed", "--model", folder, "눈이 온다").complains(2, "word_embeddings|weights", NOT_NUMBERS)


def test_a_vocabulary_of_another_tokenizer(run: Run, tmp_path: Path, model: Path, corpus: Path) -> None:
    other = tmp_path / "other"
    words = ("pretrain", "bert", "--corpus", corpus, "--out", other, "--size", "tiny", "--budget", "1 steps")
    assert run(*words, "--vocab-size", 60, "--tokenizer", "jamo").code == 0
    folder = copied(model, tmp_path / "copy")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).write_bytes((other / name).read_bytes())
    resealed(folder)
    run("embed", "--model", folder, "눈이 온다").complains(2, "vocabulary|tokenizer")


def test_a_file_of_another_tool(run: Run, tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text(json.dumps({"model_type": "llama"}), "utf-8")
    run("embed", "--model", tmp_path / "foreign", "눈").complains(2, "another tool", "munmaek import hf")
    run("import", "hf", tmp_path / "foreign", "--out", tmp_path / "run").complains(2, "llama")
    assert not (tmp_path / "run").exists()


def test_a_path_out_of_the_folder(run: Run, tmp_path: Path, model: Path) -> None:
    folder = copied(model, tmp_path / "copy")
    facts = json.loads((folder / "munmaek.json").read_text("utf-8"))
    facts["files"]["../outside"] = {"size": 0, "sha256": ""}
    (folder / "munmaek.json").write_text(json.dumps(facts), "utf-8")
    run("embed", "--model", folder, "눈이 온다").complains(2, "outside the folder")


def reweighed(model: Path, into: Path, change: Callable[[str, torch.Tensor], object]) -> Path:
    """A copy of a model whose weights were changed and whose list of files was written anew."""
    folder = copied(model, into)
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in tensors.items():
        change(name, tensor)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    resealed(folder)
    return folder


def resealed(folder: Path) -> None:
    """Make munmaek.json agree with the files that are there."""
    facts = json.loads((folder / "munmaek.json").read_text("utf-8"))
    facts["files"] = {
        name: {"size": (folder / name).stat().st_size, "sha256": sha256_file(folder / name)} for name in facts["files"]
    }
    (folder / "munmaek.json").write_text(json.dumps(facts), "utf-8")
