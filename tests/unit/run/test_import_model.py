from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from munmaek import systems
from munmaek.core.errors import CheckpointError, RequestError
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.tokenizers import train_tokenizer
from munmaek.formats import safetensors
from munmaek.run import folder as model_folder
from munmaek.run.import_model import import_model


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A published-looking checkpoint: an encoder alone."""
    card = systems.load("bert")
    tokenizer = train_tokenizer(MemoryCorpus([["눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다"]] * 9), vocab_size=60)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("hub")
    card.save(card.build(card.config(tokenizer.vocab_size, dim=16, num_layers=1, num_heads=2)), tokenizer, folder)
    tensors = {n: np.array(a) for n, a in safetensors.read(folder / "model.safetensors").items() if "cls." not in n}
    safetensors.write(folder / "model.safetensors", tensors)
    return folder


def test_an_imported_folder_is_a_model_folder(source, tmp_path) -> None:
    found = import_model("hf", source, out=tmp_path / "run")
    loaded = model_folder.read(tmp_path / "run")
    assert found.system == loaded.system.name == "bert"
    assert found.parameters == sum(p.numel() for p in loaded.module.parameters())
    assert found.vocab_size == loaded.tokenizer.vocab_size
    assert loaded.facts["imported"]["from"] == source.name
    assert str(source) not in json.dumps(loaded.facts)
    assert found.notes == [
        "the checkpoint has no masked word head: it starts untrained",
        "the checkpoint has no next sentence head: it starts untrained",
    ]
    original, _ = systems.load("bert").load(source)
    assert all(
        torch.equal(a, b)
        for a, b in zip(original.state_dict().values(), loaded.module.state_dict().values(), strict=True)
    )


def test_the_source_is_not_written_into(source) -> None:
    before = sorted(source.rglob("*"))
    with pytest.raises(RequestError, match="its own folder"):
        import_model("hf", source, out=source / "." / "")
    assert sorted(source.rglob("*")) == before


def test_a_model_of_no_known_system_is_named(source, tmp_path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match=r"'llama', which no system here reads.*bert"):
        import_model("hf", tmp_path, out=tmp_path / "run")


def test_a_broken_checkpoint_leaves_nothing_behind(source, tmp_path) -> None:
    (tmp_path / "config.json").write_bytes((source / "config.json").read_bytes())
    with pytest.raises(ValueError, match="tokenizer"):
        import_model("hf", tmp_path, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
