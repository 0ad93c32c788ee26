"""Our folder and bilm-tf's two files: what is written is read back equal, and what is damaged is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek.core.errors import CheckpointError, FormatError, RequestError
from munmaek.formats import hdf5
from munmaek.systems.elmo import foreign
from munmaek.systems.elmo.encoder import ElmoEncoder

pytest.importorskip("h5py")


def weights(model) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in model.state_dict().items()}


@pytest.fixture
def trained(build):
    """A model none of whose biases is zero."""
    model = build(num_highway=2, skip=False, cell_clip=0.0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def states(model, tokenizer) -> torch.Tensor:
    encoder = ElmoEncoder(model.eval(), tokenizer)
    arrays = encoder.collate(encoder.tokenize(["눈이 처음보는 말을 먹었다"]))
    with torch.no_grad():
        return encoder.forward({n: torch.from_numpy(a) for n, a in arrays.items()}, all_layers=True)


def test_the_table_is_reversible_and_holds_every_weight_but_the_softmax(trained) -> None:
    own = weights(trained)
    there = foreign.to_bilm(own, trained.config)
    assert set(there) == set(foreign.table(trained.config))
    back = foreign.from_bilm(there, trained.config)
    assert set(own) - set(back) == {"softmax_weight", "softmax_bias"}
    for name, value in back.items():
        if name == "elmo.words.symbols.weight":
            value[0] = own[name][0]  # no symbol has no vector there
        assert np.array_equal(value, own[name]), name


def test_gates_stand_in_the_order_of_tensorflow(trained) -> None:
    there = foreign.to_bilm(weights(trained), trained.config)
    cell = "RNN_1/RNN/MultiRNNCell/Cell0/LSTMCell"
    layer = trained.elmo.layers[0]
    parts = np.split(layer.biases[1].detach().numpy(), 4)  # input, forget, output, new
    for found, place in zip(np.split(there[f"{cell}/B"], 4), (0, 3, 1, 2), strict=True):  # i, j, f, o
        assert np.array_equal(found, parts[place])
    assert there[f"{cell}/W_0"].shape == (8 + 8, 64)
    assert np.array_equal(there[f"{cell}/W_0"][:8, :16], layer.weight_input[1][:16].detach().numpy().T)
    assert np.array_equal(there[f"{cell}/W_0"][8:, 16:32], layer.weight_state[1][48:].detach().numpy().T)


def test_what_is_exported_gives_the_same_states(trained, words, tmp_path: Path) -> None:
    foreign.write_bilm(trained, words, tmp_path)
    again, tokenizer = foreign.read_bilm(tmp_path)
    assert again.config == trained.config
    assert tokenizer.vocab() == words.vocab()
    assert again.untrained == ("softmax",)
    assert torch.equal(states(trained, words), states(again, tokenizer))
    (tmp_path / "again").mkdir()
    foreign.write_bilm(again, tokenizer, tmp_path / "again")
    assert (tmp_path / "again" / "weights.hdf5").read_bytes() == (tmp_path / "weights.hdf5").read_bytes()


def test_cells_as_wide_as_states_have_no_projection_as_in_the_release(build, words, tmp_path: Path) -> None:
    model = build(cells=8, dim=8)
    assert not [name for name in weights(model) if "layers" in name and "projection" in name]
    assert not [name for name in foreign.table(model.config) if "W_P" in name]
    foreign.write_bilm(model, words, tmp_path)
    again, tokenizer = foreign.read_bilm(tmp_path)
    assert again.config.projected == 0
    found = states(model, words)
    assert found.shape[-1] == 16
    assert found[1:].abs().amax() > 0.01
    assert torch.equal(found, states(again, tokenizer))


def test_no_word_is_predicted_without_the_softmax(trained, words, elmo_card, tmp_path: Path) -> None:
    foreign.write_bilm(trained, words, tmp_path)
    model, tokenizer = foreign.read_bilm(tmp_path)
    with pytest.raises(CheckpointError, match="--init"):
        elmo_card.language_model(model, tokenizer)
    elmo_card.language_model(trained, words)


def test_syllables_are_not_for_other_tools(build, words, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="characters=bytes"):
        foreign.write_bilm(build(characters="syllable"), words, tmp_path)


@pytest.mark.parametrize("characters", ["bytes", "syllable"])
def test_our_folder_gives_the_same_weights(build, words, tmp_path: Path, characters: str) -> None:
    model = build(characters=characters)
    foreign.save(model, words, tmp_path)
    again, tokenizer = foreign.read(tmp_path)
    assert (again.config, tokenizer.hash) == (model.config, words.hash)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert all(parameter.requires_grad for parameter in again.parameters())
    assert (tmp_path / "options.json").is_file() == (characters == "bytes")


def test_damage_is_said(trained, words, tmp_path: Path) -> None:
    foreign.write_bilm(trained, words, tmp_path)
    options = json.loads((tmp_path / "options.json").read_text("utf-8"))
    arrays = hdf5.read(tmp_path / "weights.hdf5")

    def refused(match: str, **changed) -> None:
        hdf5.write(tmp_path / "weights.hdf5", {n: a for n, a in (arrays | changed).items() if a is not None})
        with pytest.raises(CheckpointError, match=match):
            foreign.read_bilm(tmp_path)

    refused("CNN/b_cnn_0 is missing", **{"CNN/b_cnn_0": None})
    refused("CNN/b_cnn_0 has the shape", **{"CNN/b_cnn_0": np.zeros(9, np.float32)})
    refused("char_embed holds 1,305 values", char_embed=np.full((261, 5), np.nan, np.float32))
    hdf5.write(tmp_path / "weights.hdf5", arrays)
    for part, name, value, match in (
        ("lstm", "dim", 10**9, "has the shape"),
        ("lstm", "dim", "many", "not the options"),
        ("lstm", "n_layers", 0, "not the options"),
        ("char_cnn", "n_characters", 300, "n_characters"),
        ("char_cnn", "activation", "gelu", "not the options"),
    ):
        changed = json.loads(json.dumps(options))
        changed[part][name] = value
        (tmp_path / "options.json").write_text(json.dumps(changed), "utf-8")
        with pytest.raises(CheckpointError, match=match):
            foreign.read_bilm(tmp_path)
    (tmp_path / "options.json").write_text(json.dumps(options), "utf-8")
    (tmp_path / "weights.hdf5").write_bytes(b"no")
    with pytest.raises(FormatError):
        foreign.read_bilm(tmp_path)
    (tmp_path / "weights.hdf5").unlink()
    with pytest.raises(CheckpointError, match="weights"):
        foreign.read_bilm(tmp_path)


def test_damage_to_our_folder_is_said(trained, words, tmp_path: Path) -> None:
    foreign.save(trained, words, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    for name, value, match in (
        ("cells", 10**8, "has the shape"), ("cells", "x", "cells"), ("model_type", "bert", "bert"), ("dim", -1, "size"),
        ("vocab_size", 99, "another model"), ("unheard_of", 1, "unheard_of"),
    ):  # fmt: skip
        (tmp_path / "config.json").write_text(json.dumps({**config, name: value}), "utf-8")
        with pytest.raises(CheckpointError, match=match):
            foreign.read(tmp_path)
