from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from munmaek import systems
from munmaek.core.errors import RequestError
from munmaek.systems.glove import objective as glove_objective
from munmaek.systems.glove.model import Glove, GloveConfig
from munmaek.systems.glove.objective import GloveObjective, Order


@pytest.fixture(scope="module")
def shards(shards_of: Callable[..., Any], documents: list[list[str]]) -> Any:
    return shards_of(documents)


def made(tokenizer: Any, seed: int = 3, dim: int = 7, **options: Any) -> tuple[Glove, GloveObjective]:
    torch.manual_seed(seed)
    card = systems.load("glove")
    config = GloveConfig(tokenizer.vocab_size, dim=dim)
    model = card.build(config)
    assert isinstance(model, Glove)
    return model, card.objective(config, tokenizer, 64, options)


def slowly(model: Glove, rows: Any, columns: Any, counts: Any, rate: float) -> float:
    """AdaGrad in float64, one number at a time, as the released program writes it down; returns the summed cost."""
    config = model.config
    with torch.no_grad():
        tables = [model.words, model.contexts, model.word_squares, model.context_squares]
        w, c, gw, gc = (table.double().tolist() for table in tables)
        cost, dim = 0.0, config.dim
        for i, j, x in zip(rows.tolist(), columns.tolist(), counts.tolist(), strict=True):
            difference = sum(w[i][k] * c[j][k] for k in range(dim)) + w[i][dim] + c[j][dim] - math.log(x)
            weight = min(1.0, (x / config.x_max) ** config.alpha)
            cost += 0.5 * weight * difference**2
            slope = rate * weight * difference
            of_word = [slope * v for v in [*c[j][:dim], 1.0]]
            of_context = [slope * v for v in [*w[i][:dim], 1.0]]
            for k in range(dim + 1):
                w[i][k] -= of_word[k] / math.sqrt(gw[i][k])
                c[j][k] -= of_context[k] / math.sqrt(gc[j][k])
                gw[i][k] += of_word[k] ** 2
                gc[j][k] += of_context[k] ** 2
        for table, values in zip(tables, (w, c, gw, gc), strict=True):
            table.copy_(torch.tensor(values, dtype=torch.float64))
    return cost


def test_every_epoch_costs_what_a_float64_reference_says(tokenizer: Any, shards: Any) -> None:
    model, objective = made(tokenizer)
    twin, _ = made(tokenizer)
    twin.double()
    total = len(objective.look_at(shards).entries)
    batches = objective.batches(shards, seed=5, batch_tokens=300)
    num = objective.epoch_batches(shards, seed=5, epoch=0, batch_tokens=300)
    costs: list[float] = []
    for _ in range(4):
        found = expected = 0.0
        for batch in islice(batches, num):
            found += float(objective.update(model, batch, 0.05, 5).total({"glove": 1}))
            expected += slowly(twin, *(batch.arrays[name] for name in ("rows", "columns", "counts")), 0.05)
        assert found / total == pytest.approx(expected / total, rel=2e-5)
        costs.append(found / total)
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.5 * costs[0]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value.double(), twin.state_dict()[name], atol=2e-4, rtol=1e-3)


def test_the_loss_is_the_cost_before_the_update(tokenizer: Any, shards: Any) -> None:
    model, objective = made(tokenizer)
    batch = next(objective.batches(shards, seed=1, batch_tokens=1))
    inputs = {name: torch.from_numpy(array) for name, array in batch.arrays.items()}
    before = float(objective.loss(model, inputs).total().detach())
    assert float(objective.update(model, batch, 0.05, 1).total()) == pytest.approx(before, rel=1e-5)
    assert float(objective.loss(model, inputs).total().detach()) < before


def test_an_untrained_model_costs_the_weighted_square_of_the_logarithm(tokenizer: Any, shards: Any) -> None:
    """What theory says of the first loss: all products and biases are near 0."""
    model, objective = made(tokenizer, dim=50)
    batch = next(objective.batches(shards, seed=1, batch_tokens=10**6))
    counts = batch.arrays["counts"].astype(np.float64)
    theory = (0.5 * np.minimum(1, (counts / 10) ** 0.75) * np.log(counts) ** 2).mean()
    inputs = {name: torch.from_numpy(array) for name, array in batch.arrays.items()}
    assert float(objective.loss(model, inputs).total().detach()) == pytest.approx(theory, rel=0.02)


def test_the_loss_reacts_to_every_count(tokenizer: Any, shards: Any) -> None:
    model, objective = made(tokenizer)
    batch = next(objective.batches(shards, seed=1, batch_tokens=40))
    inputs = {name: torch.from_numpy(array.copy()) for name, array in batch.arrays.items()}
    before = float(objective.loss(model, inputs).total().detach())
    for place in range(40):
        counts = inputs["counts"].clone()
        counts[place] *= 3
        changed = float(objective.loss(model, inputs | {"counts": counts}).total().detach())
        assert abs(changed - before) > 1e-7, place


@pytest.mark.parametrize("num", [1, 5, 1023, 1024, 2049, 5000])
def test_an_epoch_is_every_entry_once_in_an_order_of_its_own(num: int) -> None:
    records = np.arange(3 * num, dtype=np.uint32).reshape(num, 3)
    records[:, 2] = records[:, 0].astype(np.float32).view(np.uint32)

    def placed(seed: int, epoch: int, start: int = 0, stop: int = num) -> Any:
        batch = Order(num, seed, epoch).batch(records, start, stop, 7)
        for place, name in enumerate(("rows", "columns")):
            assert np.array_equal(batch.arrays[name], records[batch.sample_ids, place])
        assert np.array_equal(batch.arrays["counts"], records[batch.sample_ids, 0].astype(np.float32))
        return batch.sample_ids

    orders = [placed(seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    for order in orders:
        assert sorted(order.tolist()) == list(range(num))
    for start in range(0, num, 700):
        assert np.array_equal(placed(0, 1, start, start + 700), orders[1][start : start + 700])
    if num > 5:
        assert not any(np.array_equal(a, b) for a, b in zip(orders, [*orders[1:], orders[0]], strict=True))


def test_batches_cover_an_epoch(tokenizer: Any, shards: Any) -> None:
    _, objective = made(tokenizer)
    total = len(objective.look_at(shards).entries)
    num = objective.epoch_batches(shards, seed=2, epoch=0, batch_tokens=333)
    batches = list(islice(objective.batches(shards, seed=2, batch_tokens=333), num))
    samples = np.concatenate([batch.sample_ids for batch in batches])
    assert sorted(samples.tolist()) == list(range(total))
    assert sum(batch.num_tokens for batch in batches) == total
    assert all(batch.num_rows == 333 for batch in batches[:-1])


def test_two_threads_learn_what_one_does(tokenizer: Any, shards: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glove_objective, "FEW", 64)
    costs: dict[int, list[float]] = {}
    for threads in (1, 2):
        monkeypatch.setattr(glove_objective, "num_threads", lambda threads=threads: threads)
        model, objective = made(tokenizer)
        batches = objective.batches(shards, seed=5, batch_tokens=1000)
        costs[threads] = [float(objective.update(model, batch, 0.05, 5).total()) for batch in islice(batches, 60)]
    assert costs[2] == pytest.approx(costs[1], rel=0.1)
    assert costs[2][-1] < 0.5 * costs[2][0]


def test_a_tiny_corpus_gives_numbers(tokenizer: Any, shards_of: Callable[..., Any]) -> None:
    """The released program prints NaN for a corpus of a few words (GloVe#183)."""
    data = shards_of([["눈이 내렸다"]])
    model, objective = made(tokenizer)
    batches = objective.batches(data, seed=0, batch_tokens=1 << 18)
    costs = [float(objective.update(model, batch, 0.05, 0).total()) for batch in islice(batches, 500)]
    assert np.isfinite(costs).all()
    assert costs[-1] < 1e-6
    assert all(bool(torch.isfinite(value).all()) for value in model.state_dict().values())


@pytest.mark.parametrize(
    ("name", "value"),
    [("window", 0), ("window", "five"), ("symmetric", "perhaps"), ("weighting", "quadratic"), ("context", "line"),
     ("min_count", 0), ("memory", "much"), ("memory", "1MB")],
)  # fmt: skip
def test_a_wrong_option_is_named(tokenizer: Any, name: str, value: Any) -> None:
    with pytest.raises(RequestError, match=name):
        made(tokenizer, **{name: value})
