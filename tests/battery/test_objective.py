"""Every objective: samples are pure, seeking is free, every label counts, and the first loss is what theory says."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import torch
from bench import BATCH_TOKENS, Bench

from munmaek.core.contracts import StartingObjective


def test_seeking_equals_replaying(bench: Bench) -> None:
    objective = bench.objective(bench.model())
    num = objective.epoch_batches(bench.prepared.shards, seed=1, epoch=0, batch_tokens=BATCH_TOKENS)
    replayed = list(islice(objective.batches(bench.prepared.shards, seed=1, batch_tokens=BATCH_TOKENS), num + 3))
    assert replayed[num - 1].position == 1 << 32, "an epoch's last batch is followed by the next epoch's first"
    for place in (1, num - 1, num, num + 2):
        fresh = bench.objective(bench.model())
        sought = bench.batch(fresh, replayed[place - 1].position)
        assert np.array_equal(sought.sample_ids, replayed[place].sample_ids)
        for name, array in sought.arrays.items():
            assert np.array_equal(array, replayed[place].arrays[name]), name


def test_an_epoch_has_every_sample_once_and_little_padding(bench: Bench) -> None:
    objective = bench.objective(bench.model())
    num = objective.epoch_batches(bench.prepared.shards, seed=1, epoch=0, batch_tokens=BATCH_TOKENS)
    batches = list(islice(objective.batches(bench.prepared.shards, seed=1, batch_tokens=BATCH_TOKENS), num))
    samples = np.concatenate([batch.sample_ids for batch in batches])
    assert len(samples) == len(set(samples.tolist()))
    assert sorted(samples.tolist()) == list(range(len(samples)))
    assert all(batch.arrays["input_ids"].size <= BATCH_TOKENS for batch in batches)
    real = sum(batch.num_tokens for batch in batches)
    padded = sum(batch.arrays["input_ids"].size for batch in batches)
    assert real / padded > 0.95


def test_epochs_differ(bench: Bench) -> None:
    objective = bench.objective(bench.model())
    first, second = bench.batch(objective), bench.batch(objective, 1 << 32)
    assert first.sample_ids.tolist() != second.sample_ids.tolist()


def test_the_first_loss_is_near_theory(bench: Bench) -> None:
    model = bench.model()
    objective = bench.objective(model)
    parts = objective.loss(model.eval(), bench.inputs(bench.batch(objective)))
    values = {"ln V": math.log(bench.prepared.tokenizer.vocab_size), "ln 2": math.log(2), "6 ln 2": 6 * math.log(2)}
    assert set(parts.sums) == set(bench.facts.theory)
    for name, expected in bench.facts.theory.items():
        assert float(parts.sums[name].detach()) / parts.counts[name] == pytest.approx(values[expected], rel=0.06)


def test_a_start_at_frequencies_has_the_entropy_of_single_words(bench: Bench) -> None:
    model, data = bench.model().eval(), bench.prepared.shards
    objective = bench.objective(model)
    if not isinstance(objective, StartingObjective):
        pytest.skip("its softmax has no bias for a word, or it has no softmax")
    objective.start_softmax(model, data)
    shares = data.counts() / data.num_tokens
    entropy = -float((shares[shares > 0] * np.log(shares[shares > 0])).sum())
    assert entropy < 0.95 * math.log(bench.prepared.tokenizer.vocab_size), "there is something to know"
    parts = objective.loss(model, bench.inputs(bench.batch(objective)))
    words = [name for name, theory in bench.facts.theory.items() if theory == "ln V"]
    for name in words:
        assert float(parts.sums[name].detach()) / parts.counts[name] == pytest.approx(entropy, rel=0.08)


def test_every_part_reacts_to_every_label_value(bench: Bench) -> None:
    """The error of one ignore_index for two losses: a label value that no longer counts."""
    model = bench.model().eval()
    objective = bench.objective(model)
    inputs = bench.inputs(bench.batch(objective))
    most = bench.prepared.tokenizer.vocab_size - 1
    labels = {name: value for name, value in inputs.items() if name.endswith("labels")}
    assert len(labels) == len(bench.facts.theory)
    with torch.no_grad():
        for name, value in labels.items():
            sums = []
            for label in (0, 1) if int(value.max()) <= 1 else (0, 1, 2, 5, most // 2, most):
                parts = objective.loss(model, inputs | {name: torch.full_like(value, label)})
                sums.append(tuple(round(float(s), 4) for s in parts.sums.values()))
            changed = [i for i in range(len(sums[0])) if len({row[i] for row in sums}) == len(sums)]
            still = [i for i in range(len(sums[0])) if len({row[i] for row in sums}) == 1]
            assert (len(changed), len(still)) == (1, len(sums[0]) - 1), (name, sums)


def test_rows_in_parts_equal_rows_together(bench: Bench) -> None:
    model = bench.model().eval()
    objective = bench.objective(model)
    batch = bench.batch(objective)
    with torch.no_grad():
        whole = objective.loss(model, bench.inputs(batch)).total(batch.counts)
        parts = [
            objective.loss(model, {n: a[start::3] for n, a in bench.inputs(batch).items()}).total(batch.counts)
            for start in range(3)
        ]
    assert float(sum(parts)) == pytest.approx(float(whole), rel=1e-5)
