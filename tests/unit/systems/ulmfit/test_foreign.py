from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from munmaek.core.errors import CheckpointError, FormatError
from munmaek.run.import_model import import_model
from munmaek.run.model import load
from munmaek.systems.ulmfit import foreign

WORDS = ["xxunk", "xxpad", "xxbos", "xxeos", "xxfld", "xxrep", "xxwrep", "xxup", "xxmaj", "눈이", "내렸다", "말을", "."]


def state_of_fastai(vocab: int = 13, dim: int = 6, hidden: int = 10, layers: int = 2) -> dict[str, torch.Tensor]:
    """A state as fastai's language model has it, its layers torch's own LSTMs."""
    torch.manual_seed(0)
    words = torch.randn(vocab, dim)
    state = dict.fromkeys(("0.encoder.weight", "0.encoder_dp.emb.weight", "1.decoder.weight"), words)
    state["1.decoder.bias"] = torch.randn(vocab)
    widths = [dim, *[hidden] * (layers - 1), dim]
    for place in range(layers):
        lstm = torch.nn.LSTM(widths[place], widths[place + 1])
        for name, tensor in lstm.state_dict().items():
            state[f"0.rnns.{place}.module.{name}"] = tensor
        state[f"0.rnns.{place}.weight_hh_l0_raw"] = lstm.weight_hh_l0.detach()
    return state


def logits_of_fastai(state: dict[str, torch.Tensor], ids: torch.Tensor) -> torch.Tensor:
    """What fastai's model says in evaluation mode, with torch's LSTM: (batch, seq, vocab)."""
    states, place = state["0.encoder.weight"][ids], 0
    while f"0.rnns.{place}.weight_hh_l0_raw" in state:
        start = f"0.rnns.{place}.module."
        weights = {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
        weights["weight_hh_l0"] = state[f"0.rnns.{place}.weight_hh_l0_raw"]
        lstm = torch.nn.LSTM(weights["weight_ih_l0"].shape[1], len(weights["bias_ih_l0"]) // 4, batch_first=True)
        lstm.load_state_dict(weights)
        states, place = lstm(states)[0], place + 1
    return states @ state["1.decoder.weight"].T + state["1.decoder.bias"]


@pytest.fixture
def folder(tmp_path):
    torch.save({"model": state_of_fastai(), "opt": {"lr": 0.1}}, tmp_path / "wiki.pth")
    (tmp_path / "vocab.json").write_text(json.dumps(WORDS, ensure_ascii=False), "utf-8")
    return tmp_path


def test_fastais_pth_gives_fastais_logits(folder) -> None:
    model, tokenizer = foreign.read_fastai(folder)
    ids = torch.randint(0, 13, (3, 8))
    expected = logits_of_fastai(state_of_fastai(), ids)
    torch.testing.assert_close(model.logits(model.encoder(ids)), expected, atol=1e-5, rtol=1e-5)
    assert (model.config.dim, model.config.hidden, model.config.num_layers) == (6, 10, 2)
    assert tokenizer.encode("눈이 내렸다 배를", special=False).ids == [9, 10, 0]
    assert tokenizer.token_id("sep") == 2
    assert model.untrained == ()


def test_what_we_write_is_the_layout_that_fastai_has(small, tokenizer, tmp_path) -> None:
    foreign.save(small, tokenizer, tmp_path)
    written = load_file(tmp_path / "model.safetensors")
    config = small.config
    expected = state_of_fastai(config.vocab_size, config.dim, config.hidden, config.num_layers)
    assert {name: tuple(t.shape) for name, t in written.items()} == {n: tuple(t.shape) for n, t in expected.items()}
    if config.direction == "forward":
        ids = torch.randint(0, config.vocab_size, (2, 7))
        found = small.logits(small.encoder(ids))
        torch.testing.assert_close(logits_of_fastai(written, ids), found, atol=1e-5, rtol=1e-5)


def test_the_table_is_reversible(small) -> None:
    weights = {name: value.numpy() for name, value in small.state_dict().items()}
    theirs = foreign.to_foreign(weights, 3)
    back = foreign.from_foreign(theirs, 3)
    assert set(back) == set(weights)
    assert all(np.array_equal(back[name], weights[name]) for name in weights)
    again = foreign.to_foreign(back, 3)
    assert all(np.array_equal(again[name], theirs[name]) for name in theirs)


def test_import_makes_a_folder_that_embeds(folder, tmp_path) -> None:
    imported = import_model("fastai", folder / "wiki.pth", out=tmp_path / "run")
    assert (imported.system, imported.vocab_size) == ("ulmfit", 13)
    assert load(tmp_path / "run").embed(["눈이 내렸다"]).shape == (1, 6)


def test_an_encoder_alone_and_a_backward_name(folder) -> None:
    state = {n.removeprefix("0."): t for n, t in state_of_fastai().items() if n.startswith("0.")}
    (folder / "wiki.pth").unlink()
    torch.save(state, folder / "ft_bwd_enc.pth")
    model, _ = foreign.read_fastai(folder)
    assert model.config.direction == "backward"
    assert model.untrained == ("bias of the softmax",)
    assert not model.word_bias.any()


def test_a_vocabulary_of_lines(folder) -> None:
    (folder / "vocab.json").unlink()
    (folder / "itos.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    assert foreign.read_fastai(folder)[1].encode("말을 .", special=False).ids == [11, 12]


class Nothing:
    """What no file of weights may hold."""


CHANGED: dict[str, dict[str, torch.Tensor | None]] = {
    "missing": {"0.rnns.1.module.bias_ih_l0": None},
    "shape": {"0.rnns.1.weight_hh_l0_raw": torch.zeros(24, 7)},
    "nan": {"1.decoder.bias": torch.full((13,), float("nan"))},
    "untied": {"1.decoder.weight": torch.zeros(13, 6)},
    "other": {"0.encoder.weight": None},
    "odd": {"0.rnns.0.module.weight_ih_l0": torch.zeros(6)},
}
"""What is wrong -> tensors that are something else, or gone."""
LISTS = {
    "words": json.dumps([*WORDS, "하나", "둘", "셋"]), "no list": '{"눈": 1}', "no specials": '["눈"]',
}  # fmt: skip


def broken(folder, how: str) -> None:
    path = folder / "wiki.pth"
    state = {n: t for n, t in (state_of_fastai() | CHANGED.get(how, {})).items() if t is not None}
    torch.save({"model": state, "opt": Nothing()} if how == "pickle" else state, path)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:700])
    elif how == "two":
        shutil.copy(path, folder / "second.pth")
    elif how in LISTS:
        (folder / "vocab.json").write_text(LISTS[how], "utf-8")
    elif how == "no vocabulary":
        (folder / "vocab.json").rename(folder / "vocab.pkl")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("pickle", "weights alone"), ("missing", "bias_ih_l0 is missing"), ("shape", "the shape"),
        ("nan", "not finite"), ("untied", "1.decoder.weight is not"), ("other", "not the weights"),
        ("odd", "odd shapes"), ("cut", "weights alone"), ("two", "2 files"), ("words", "another model's"),
        ("no list", "not a list"), ("no specials", "xxpad"), ("no vocabulary", "never read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_in_one_sentence(folder, how: str, words: str) -> None:
    broken(folder, how)
    with pytest.raises((CheckpointError, FormatError), match=words):
        foreign.read_fastai(folder)


def test_a_folder_of_ours_that_is_damaged(small, tokenizer, tmp_path) -> None:
    foreign.save(small, tokenizer, tmp_path)
    values = json.loads((tmp_path / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(values | {"speed": 3}), "utf-8")
    with pytest.raises(CheckpointError, match="unknown settings speed"):
        foreign.read(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(values), "utf-8")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no model\.safetensors"):
        foreign.read(tmp_path)
