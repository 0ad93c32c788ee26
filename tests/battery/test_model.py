"""Every model: gradients everywhere, one batch learnt by heart, the same after saving, no dependence on neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from bench import Bench

from munmaek.core.files import read_json
from munmaek.run import folder as model_folder
from munmaek.run.model import Model

TEXTS = [
    "눈이 와서 너무 좋다",
    "너의 눈이 너무 예쁘다",
    "배",
    "배를 타고 강을 건너다가 배가 고파서 배를 하나 깎아 먹었다ㅋㅋ ㅠㅠ",
]


def test_every_parameter_gets_a_gradient(bench: Bench) -> None:
    model = bench.model()
    objective = bench.objective(model)
    batch = bench.batch(objective)
    objective.loss(model, bench.inputs(batch)).total(batch.counts).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert without == []


def test_one_batch_is_learnt_by_heart(bench: Bench) -> None:
    model = bench.model()
    objective = bench.objective(model)
    batch = bench.batch(objective)
    inputs = {name: array[:8] for name, array in bench.inputs(batch).items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.eval()
    first = float(objective.loss(model, inputs).total().detach())
    for _ in range(150):
        loss = objective.loss(model, inputs).total()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert float(loss.detach()) < 0.05 * first


def test_saved_and_loaded_is_the_same(bench: Bench, tmp_path: Path) -> None:
    module = bench.model().eval()
    model_folder.write(tmp_path / "run", bench.card, module, bench.prepared.tokenizer, {})
    loaded = Model(model_folder.read(tmp_path / "run"))
    before = Model(model_folder.Loaded(bench.card, module, bench.prepared.tokenizer, {}, tmp_path))
    assert np.array_equal(before.embed(TEXTS), loaded.embed(TEXTS))
    assert loaded.tokenizer.hash == bench.prepared.tokenizer.hash
    for name, value in module.state_dict().items():
        assert torch.equal(value, loaded.module.state_dict()[name]), name
    model_folder.write(tmp_path / "again", bench.card, loaded.module, loaded.tokenizer, {})
    files, again = (read_json(tmp_path / name / model_folder.CARD)["files"] for name in ("run", "again"))
    assert files == again
    assert {"model.safetensors", "tokenizer.json", "config.json"} <= set(files)


@pytest.fixture
def model(bench: Bench, tmp_path: Path) -> Model:
    return Model(model_folder.Loaded(bench.card, bench.model().eval(), bench.prepared.tokenizer, {}, tmp_path))


@pytest.mark.parametrize("pooling", ["mean", "first", "last", "max"])
def test_vectors_do_not_depend_on_neighbours_or_padding(model: Model, pooling: str) -> None:
    together = model.embed(TEXTS, pooling)
    alone = np.concatenate([model.embed([text], pooling) for text in TEXTS])
    assert together.dtype == np.float32
    assert together.shape == (len(TEXTS), model.dim)
    np.testing.assert_allclose(together, alone, atol=2e-6)
    np.testing.assert_allclose(model.embed(TEXTS[::-1], pooling)[::-1], together, atol=2e-6)


def test_shapes_and_offsets(model: Model) -> None:
    for text in TEXTS:
        tokens, states = model.tokens(text), model.states(text)
        assert states.shape[:2] == (model.num_layers, len(tokens))
        assert states.shape[2] >= model.dim, "as wide as the widest layer"
        assert not states[-1, :, model.dim :].any(), "narrower layers are filled up with zeros"
        assert [t.start for t in tokens] == sorted(t.start for t in tokens)
        words = [
            t for t in tokens if t.text != "▁"
        ]  # a space that is a token of its own has the next character's place
        assert "".join(text[t.start : t.end] for t in words) == text.replace(" ", "")


def test_what_a_position_sees(model: Model, bench: Bench) -> None:
    """Change the last word: what stood before it changes where the system reads both sides, and only there."""
    first, second = model.states("눈이 와서 너무 좋다"), model.states("눈이 와서 너무 예쁘다")
    same = 2  # tokens of "눈이 와서" or more are shared
    assert np.array_equal(first[0, :same], second[0, :same]), "the lowest layer sees the token alone"
    if bench.facts.sees == "both":
        assert all(not np.allclose(first[layer, :same], second[layer, :same]) for layer in range(1, len(first)))
    else:
        np.testing.assert_allclose(first[:, :same], second[:, :same], atol=1e-6)


def test_long_texts_are_cut_not_refused(model: Model) -> None:
    assert np.isfinite(model.embed("눈이 와서 너무 좋다 " * 400)).all()
    assert model.embed([""]).shape == (1, model.dim)
