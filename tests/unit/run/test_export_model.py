"""export: what goes out comes in again the same; what cannot go out is said before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek import systems
from munmaek.core.errors import RequestError
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run import folder as model_folder
from munmaek.run.export_model import export_model
from munmaek.run.import_model import import_model
from munmaek.run.model import load

TEXT = "눈이 와서 좋다 강아지도"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    card = systems.load("elmo")
    tokenizer = train_tokenizer(MemoryCorpus([["눈이 와서 너무 좋다", "너의 눈이 좋다"]] * 9), "word", 60)
    torch.manual_seed(0)
    settings = {"cells": 12, "dim": 6, "filters": ((1, 4), (3, 8))}
    module = card.build(card.config(vocab_size=tokenizer.vocab_size, **settings))
    return model_folder.write(tmp_path_factory.mktemp("elmo") / "run", card, module, tokenizer, {})


def test_an_elmo_goes_out_and_comes_in_with_the_same_states(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    found = export_model("elmo", run, out=tmp_path / "bilm")
    assert [path.name for path in found] == ["options.json", "vocab.txt", "weights.hdf5"]
    assert json.loads(found[0].read_text("utf-8"))["char_cnn"]["n_characters"] == 262
    import_model("elmo", tmp_path / "bilm", out=tmp_path / "again")
    assert np.array_equal(load(run, "cpu").states(TEXT), load(tmp_path / "again", "cpu").states(TEXT))


def test_what_cannot_be_written_is_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"ELMo has no format 'onnx'.*elmo"):
        export_model("onnx", run, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").write_text("x")
    with pytest.raises(RequestError, match="in use"):
        export_model("elmo", run, out=tmp_path / "used")
