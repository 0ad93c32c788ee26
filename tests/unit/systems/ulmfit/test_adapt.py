"""The paper's fine-tuning, read off the optimiser: which group learns, when, and how fast."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek import tasks
from munmaek.core.errors import Interrupted, RequestError
from munmaek.core.recipe import Recipe
from munmaek.data.tables import read_table
from munmaek.run import folder as model_folder
from munmaek.run import tuned
from munmaek.run.evaluate import evaluate
from munmaek.run.finetune import finetune
from munmaek.run.model import load
from munmaek.run.networks import param_groups
from munmaek.run.predict import predict
from munmaek.run.pretrain import layer_groups, pretrain, sort_settings, usual_recipe
from munmaek.run.tuning import Tuner
from munmaek.systems.ulmfit.adapt import FACTOR, ConcatHead, head, settings
from munmaek.tasks.examples import from_table
from munmaek.train.optim import build_optimizer

TEXTS = ["눈이 내렸다", "배가 강가에서 천천히 달렸다", "말을 보았다", "밤에 조용히 걸었다"]


def run_of(card, tokenizer, folder: Path, direction: str = "forward") -> Path:
    torch.manual_seed(3)
    shape = {"dim": 16, "hidden": 24, "num_layers": 3, "max_positions": 64, "direction": direction}
    model = card.build(card.config(vocab_size=tokenizer.vocab_size, **shape))
    return model_folder.write(folder, card, model, tokenizer, {"size": "tiny", "recipe": {"max_length": 32}})


@pytest.fixture
def run(card, tokenizer, tmp_path) -> Path:
    return run_of(card, tokenizer, tmp_path / "forward")


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "rows.tsv"
    rows = [f"{TEXTS[n % 4]} {TEXTS[n // 4 % 4]}\t{'좋다' if n % 2 else '싫다'}" for n in range(48)]
    path.write_text("\n".join(["document\tlabel", *rows]) + "\n", "utf-8")
    return path


def tuner_of(run: Path, table: Path, **options) -> Tuner:
    return Tuner(load(run), tasks.load("classify"), from_table(read_table(table), training=True), **options)


def test_gradual_unfreezing_and_discriminative_rates(run, table) -> None:
    """Before the k-th moment exactly the k upper groups have a gradient; each has its own rate."""
    tuner = tuner_of(run, table)
    chosen = dataclasses.replace(tuner.settings(48), epochs=10, unfreeze=1.0)
    fitted = tuner.fit(0, 8)
    network = fitted.network
    groups = param_groups(network, chosen)
    assert [group.starts for group in groups] == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])
    assert [group.rate for group in groups[:-1]] == pytest.approx([FACTOR**-3, FACTOR**-2, 1 / FACTOR, 1.0])
    assert groups[-1].rate == chosen.head_rate == 1.0
    optimizer = build_optimizer(network, chosen.recipe(32), groups)
    optimizer.set_rate(0.02)
    rates = {p: g["lr"] for part in optimizer.parts for g in part.param_groups for p in g["params"]}
    layers = [network.body.words, *network.body.layers, network.head]
    for place, layer in enumerate(layers):
        assert [rates[p] for p in layer.parameters()] == pytest.approx(
            [0.02 * FACTOR ** min(0, place - 3)] * len(list(layer.parameters()))
        )
    inputs = {n: torch.from_numpy(a) for n, a in network.encoder.collate(network.encoder.tokenize(TEXTS)).items()}
    network.train()
    for progress, learning in ((0.0, 1), (0.05, 1), (0.15, 2), (0.25, 3), (0.35, 4), (0.45, 5), (1.0, 5)):
        before = [p.detach().clone() for p in network.parameters()]
        with optimizer.frozen(progress):
            torch.nn.functional.cross_entropy(network(inputs), torch.tensor([0, 1, 0, 1])).backward()
        optimizer.step()
        optimizer.zero_grad()
        after = dict(zip(network.parameters(), before, strict=True))
        moved = [any(not torch.equal(p, after[p]) for p in layer.parameters()) for layer in layers]
        assert moved == [False] * (5 - learning) + [True] * learning, progress
        assert all(p.requires_grad for p in network.parameters()), "nothing stays frozen"


def test_with_few_epochs_layers_come_sooner_so_that_all_learn_in_the_second_half(run, table) -> None:
    tuner = tuner_of(run, table)
    network = tuner.fit(0, 8).network
    chosen = dataclasses.replace(tuner.settings(48), epochs=4, unfreeze=1.0)
    assert [group.starts for group in param_groups(network, chosen)] == pytest.approx([0.5, 0.375, 0.25, 0.125, 0.0])
    at_once = dataclasses.replace(chosen, unfreeze=0.0)
    assert [group.starts for group in param_groups(network, at_once)] == [0.0] * 5


def test_a_resumed_fine_tuning_is_the_uninterrupted_one(run, table, tmp_path) -> None:
    tuner = tuner_of(run, table, changes={"epochs": 4})

    def stop(event) -> None:
        if event.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    expected = [p.detach().clone() for p in tuner.fit(0).network.parameters()]
    with pytest.raises(Interrupted):
        tuner.fit(0, folder=tmp_path / "training", progress=stop)
    again = tuner.fit(0, folder=tmp_path / "training")
    assert again.outcome.resumed
    for one, other in zip(expected, again.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_random_weights_learn_all_at_once_and_alike(run, table) -> None:
    found = tuner_of(run, table, from_scratch=True).settings(48)
    assert (found.unfreeze, found.layer_decay) == (0.0, 1.0)
    assert (found.pooling, found.decay) == ("concat", "slanted")
    asked = tuner_of(run, table, from_scratch=True, changes={"layer_decay": 0.5}).settings(48)
    assert asked.layer_decay == 0.5


def test_the_head_is_the_papers() -> None:
    made = head(48, 3, 0.4, 7)
    assert isinstance(made, ConcatHead)
    assert (made.norm.num_features, made.hidden.out_features, made.output.out_features) == (48, 50, 3)
    assert (made.dropout.rate, made.hidden_dropout.rate) == (0.4, 0.1)
    assert torch.equal(made.output.weight, head(48, 3, 0.4, 7).output.weight)
    assert not torch.equal(made.output.weight, head(48, 3, 0.4, 8).output.weight)
    made.eval()
    vectors = torch.randn(5, 48)
    scaled = vectors / (1 + 1e-5) ** 0.5  # running mean 0 and variance 1
    hidden = torch.relu(scaled @ made.hidden.weight.T + made.hidden.bias) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(made(vectors), hidden @ made.output.weight.T + made.output.bias)
    made.train()
    assert torch.isfinite(made(vectors[:1])).all(), "a row on its own is no error"


@pytest.mark.parametrize("labels", [100, 100_000])
def test_the_settings_are_the_papers(labels: int) -> None:
    found = settings(labels)
    assert found["layer_decay"] == pytest.approx(1 / 2.6)
    assert (found["decay"], found["warmup"], found["unfreeze"], found["pooling"]) == ("slanted", 0.1, 1.0, "concat")


def test_fine_tuned_folders_answer_alone_and_together(card, tokenizer, run, table, tmp_path) -> None:
    backward = run_of(card, tokenizer, tmp_path / "backward", "backward")
    folders = []
    for number, model in enumerate((run, backward)):
        out = tmp_path / f"tuned-{number}"
        finetune("classify", model=model, train=table, out=out, epochs=3)
        folders.append(out)
    single = [tuned.read(folder).answer(TEXTS) for folder in folders]
    assert not np.allclose(single[0], single[1])
    both = tuned.read(folders)
    np.testing.assert_allclose(both.answer(TEXTS), (single[0] + single[1]) / 2, atol=1e-6)
    assert np.array_equal(tuned.read(folders[:1]).answer(TEXTS), single[0])
    assert predict(folders, TEXTS[0])[0].probability == pytest.approx(both.answer(TEXTS)[0].max(), abs=1e-6)
    assert evaluate(folders, table).num_rows == 48
    other = tmp_path / "other.tsv"
    other.write_text(table.read_text("utf-8").replace("좋다", "나쁘다"), "utf-8")
    finetune("classify", model=run, train=other, out=tmp_path / "tuned-other", epochs=1)
    with pytest.raises(RequestError, match="different tasks or classes"):
        tuned.read([folders[0], tmp_path / "tuned-other"])


# ---- the target corpus ----------------------------------------------------------------------------------------------


def test_going_on_from_a_model_has_rates_by_layer_and_a_slanted_triangle(card, run, tokenizer) -> None:
    going_on = usual_recipe(card, "tiny", going_on=True)
    recipe, _, _ = sort_settings(card, going_on, {"dropout": 0.1})
    assert (recipe.decay, recipe.warmup, recipe.layer_decay) == ("slanted", 0.1, pytest.approx(1 / 2.6))
    assert recipe.dropout == 0.1
    assert sort_settings(card, going_on, {"layer_decay": 1.0, "decay": "linear"})[0].decay == "linear"
    assert usual_recipe(card, "tiny") == card.recipes["tiny"]
    model = load(run).module
    groups = layer_groups(card, model, tokenizer, recipe.layer_decay)
    assert groups is not None
    assert [group.rate for group in groups] == pytest.approx([FACTOR**-3, FACTOR**-2, 1 / FACTOR, 1.0, 1.0])
    listed = [p for group in groups for p in group.params]
    assert len(listed) == len(set(listed)) == len(list(model.parameters()))
    assert groups[-1].params == [model.word_bias]
    assert layer_groups(card, model, tokenizer, 1.0) is None


def test_three_stages_through_the_commands(run, table, documents, tmp_path) -> None:
    result = pretrain(
        "ulmfit", corpus=[[sentence] for sentence in TEXTS * 20], out=tmp_path / "target", size="tiny", init=run,
        budget="4 steps", settings={"batch_tokens": 256, "max_length": 32}, device="cpu",
    )  # fmt: skip
    facts = load(result.folder).facts
    assert facts["recipe"]["decay"] == "slanted"
    assert facts["config"]["hidden"] == 24, "the size is the model's"
    moved = [
        float((one - other).detach().abs().max())
        for one, other in zip(load(run).module.parameters(), load(result.folder).module.parameters(), strict=True)
    ]
    assert all(moved)
    tuned_run = finetune("classify", model=result.folder, train=table, dev=table, out=tmp_path / "tuned", epochs=2)
    assert tuned_run.settings["pooling"] == "concat"
    assert 0 <= tuned_run.mean["accuracy"] <= 1


@pytest.mark.parametrize(
    ("progress", "share"), [(0.0, 1 / 32), (0.05, 33 / 64), (0.1, 1.0), (0.55, 33 / 64), (1.0, 1 / 32)]
)
def test_the_slanted_triangle(progress: float, share: float) -> None:
    """Howard 2018 §3.2: cut_frac 0.1, ratio 32."""
    recipe = Recipe(learning_rate=0.01, decay="slanted", warmup=0.1)
    assert recipe.rate(progress) == pytest.approx(0.01 * share)
