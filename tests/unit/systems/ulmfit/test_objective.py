from __future__ import annotations

import os
import signal
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
import torch

from munmaek.core.contracts import CarryingObjective
from munmaek.core.errors import DataError, Interrupted, RequestError
from munmaek.core.recipe import Budget
from munmaek.systems.ulmfit.objective import UlmfitObjective
from munmaek.systems.ulmfit.stream import Stream, window_cuts
from munmaek.train.distributed import to_tensors
from munmaek.train.trainer import Job, train


def text_of(documents, tokenizer, backward: bool) -> list[list[int]]:
    """Each document's ids as they are read: the slow plain twin."""
    found = [[i for sentence in tokenizer.encode_ids(document) for i in sentence] for document in documents]
    return [ids[::-1] if backward else ids for ids in found]


def epoch_of(objective, data, epoch: int = 0, tokens: int = 256):
    num = objective.epoch_batches(data, seed=3, epoch=epoch, batch_tokens=tokens)
    return list(islice(objective.batches(data, seed=3, position=epoch << 32, batch_tokens=tokens), num))


@pytest.mark.parametrize("backward", [False, True])
def test_the_stream_is_the_documents_with_borders(documents, tokenizer, shards, backward: bool) -> None:
    stream = Stream.of(shards, 3, backward)
    expected = [token for ids in text_of(documents, tokenizer, backward) for token in [3, *ids]]
    assert len(stream) == len(expected)
    assert stream.at(np.arange(len(expected) + 2)).tolist() == [*expected, 3, 3]


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("length", [8, 400])
def test_rows_are_whole_documents_or_pieces_of_one(documents, tokenizer, shards, length: int, direction: str) -> None:
    objective = UlmfitObjective(tokenizer, length, direction, rows="documents")
    border = tokenizer.token_id("sep")
    pieces = {}
    for batch in epoch_of(objective, shards, tokens=max(256, length)):
        arrays = batch.arrays
        assert arrays["input_ids"].shape[1] <= length
        assert batch.counts["lm"] == batch.num_tokens == int(arrays["attention_mask"].sum())
        for row, sample in enumerate(batch.sample_ids.tolist()):
            real = arrays["attention_mask"][row]
            pieces[sample] = arrays["input_ids"][row][real].tolist(), arrays["labels"][row][real].tolist()
    inputs = [token for sample in sorted(pieces) for token in pieces[sample][0]]
    labels = [token for sample in sorted(pieces) for token in pieces[sample][1]]
    read = text_of(documents, tokenizer, direction == "backward")
    assert inputs == [token for ids in read for token in [border, *ids]]
    assert labels == [token for ids in read for token in [*ids, border]]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_lanes_read_the_shuffled_stream_window_after_window(documents, tokenizer, shards, direction: str) -> None:
    objective = UlmfitObjective(tokenizer, 64, direction, rows="stream", window=20)
    epochs = []
    for epoch in (0, 1):
        batches = epoch_of(objective, shards, epoch)
        lanes = [np.concatenate([b.arrays["input_ids"][row] for b in batches]) for row in range(batches[0].num_rows)]
        assert len(lanes) == 256 // 30
        for row, lane in enumerate(lanes):
            labels = np.concatenate([b.arrays["labels"][row] for b in batches])
            assert labels[:-1].tolist() == lane[1:].tolist()
            assert row + 1 == len(lanes) or labels[-1] == lanes[row + 1][0]
        assert [bool(b.arrays["goes_on"].any()) for b in batches] == [False] + [True] * (len(batches) - 1)
        assert [b.rate for b in batches] == [b.arrays["input_ids"].shape[1] / 20 for b in batches]
        epochs.append(np.concatenate(lanes).tolist())
    assert epochs[0] != epochs[1]
    border = tokenizer.token_id("sep")
    known = {tuple(ids) for ids in text_of(documents, tokenizer, direction == "backward")}
    starts = [place for place, token in enumerate(epochs[0]) if token == border]
    whole = [tuple(epochs[0][a + 1 : b]) for a, b in pairwise(starts)]
    assert set(whole) <= known
    assert len(whole) > 0.9 * len(documents)


def test_windows_have_random_lengths_around_the_one_asked_for() -> None:
    cuts = window_cuts(100_000, 70, seed=1, epoch=0)
    lengths = np.diff(cuts)
    assert (cuts[0], cuts[-1]) == (0, 100_000)
    assert lengths[:-1].min() >= 5
    assert lengths.max() <= 80
    half = lengths[:-1] < 52
    assert 0.02 < half.mean() < 0.09
    assert lengths[:-1][half].mean() == pytest.approx(35, abs=3)
    assert lengths[:-1][~half].mean() == pytest.approx(70, abs=1)
    assert lengths[:-1][~half].std() == pytest.approx(5, abs=0.7)
    assert np.array_equal(cuts, window_cuts(100_000, 70, 1, 0))
    assert not np.array_equal(lengths[:9], np.diff(window_cuts(100_000, 70, 1, 1))[:9])


def test_short_documents_are_rows_and_long_ones_a_stream(tokenizer, shards) -> None:
    assert not UlmfitObjective(tokenizer, 400).is_stream(shards)
    objective = UlmfitObjective(tokenizer, 8)
    assert objective.is_stream(shards)
    assert "one stream" in objective.notes[0]
    assert objective.is_stream(shards.split()[1]), "judged by the whole corpus"


# ---- carried states -------------------------------------------------------------------------------------------------


def test_a_stream_in_windows_is_the_stream_at_once(small, tokenizer, shards) -> None:
    """States go on from window to window, also where a batch is cut into parts; an epoch begins anew."""
    objective = UlmfitObjective(tokenizer, 64, small.config.direction, rows="stream", window=20)
    assert isinstance(objective, CarryingObjective)
    batches = epoch_of(objective, shards)[:6]
    total = 0.0
    for number, batch in enumerate(batches):
        rows = to_tensors(batch.rows(slice(None)), torch.device("cpu"))
        parts = [rows] if number % 2 else [{n: a[k::2] for n, a in rows.items()} for k in range(2)]
        total += sum(float(objective.loss(small, part).sums["lm"].detach()) for part in parts)
    ids, labels = (torch.cat([torch.from_numpy(b.arrays[n]) for b in batches], 1) for n in ("input_ids", "labels"))
    whole = small(ids, torch.ones_like(ids, dtype=torch.bool), labels)
    assert total == pytest.approx(float(whole.loss.detach()), rel=1e-5)
    assert objective.carried == {}, "a validation leaves what the training carries alone"
    first = to_tensors(batches[0].rows(slice(None)), torch.device("cpu"))
    alone = UlmfitObjective(tokenizer, 64, small.config.direction, rows="stream", window=20)
    assert float(objective.loss(small, first).sums["lm"]) == float(alone.loss(small, first).sums["lm"])


def test_training_carries_under_names_of_its_own(small, tokenizer, shards) -> None:
    objective = UlmfitObjective(tokenizer, 64, small.config.direction, rows="stream", window=20)
    first, second = (to_tensors(b.rows(slice(None)), torch.device("cpu")) for b in epoch_of(objective, shards)[:2])
    small.train()
    objective.loss(small, first)
    lanes = len(first["lanes"])
    shapes = {name: tuple(tensor.shape) for name, tensor in objective.carried.items()}
    assert shapes == {f"{kind}.{n}": (lanes, (24, 24, 16)[n]) for n in range(3) for kind in ("state", "cell")}
    kept = dict(objective.carried)
    values = {name: tensor.clone() for name, tensor in kept.items()}
    objective.loss(small, second)
    assert all(not torch.equal(objective.carried[name], kept[name]) for name in kept)
    assert all(torch.equal(values[name], kept[name]) for name in kept), "old tensors stay as they were"
    assert not any(tensor.requires_grad for tensor in objective.carried.values())


@pytest.mark.parametrize("stop_at", [4, 11])
def test_resumed_equals_uninterrupted_within_and_after_an_epoch(small, card, tokenizer, shards, tmp_path, stop_at):
    def job(folder, stop=None) -> Job:
        torch.manual_seed(5)
        model = card.build(small.config)
        objective = UlmfitObjective(tokenizer, 64, small.config.direction, rows="stream", window=60)
        recipe = replace(card.recipes["tiny"], batch_tokens=512, micro_tokens=200, precision="fp32", dropout=-1.0)

        def look(event) -> None:
            if event.step == stop:
                os.kill(os.getpid(), signal.SIGTERM)

        return Job(model, objective, shards, recipe, Budget(steps=14), 5, folder, device="cpu", progress=look)

    whole = job(None)
    expected = train(whole)
    num = whole.objective.epoch_batches(shards, seed=5, epoch=0, batch_tokens=512)
    assert 4 < num < 11, "one stop within the first epoch, one within the second"
    with pytest.raises(Interrupted):
        train(job(tmp_path, stop_at))
    assert (next(tmp_path.glob("step-*")) / "carried.safetensors").is_file()
    second = job(tmp_path)
    outcome = train(second)
    assert [h["loss"] for h in outcome.history] == [h["loss"] for h in expected.history]
    for one, other in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)
    for name, tensor in whole.objective.carried.items():
        assert torch.equal(tensor, second.objective.carried[name])


def test_regularisers_can_be_left_out(small, tokenizer, shards) -> None:
    objective = UlmfitObjective(tokenizer, 400, activation=0.0, change=3.0)
    inputs = to_tensors(epoch_of(objective, shards, tokens=512)[0].rows(slice(None)), torch.device("cpu"))
    parts = objective.loss(small.train(), inputs)
    assert set(parts.sums) == {"lm", "change"}
    assert parts.weights["change"] == 3.0


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"rows": "columns"}, "columns"),
        ({"window": 3}, "3 tokens"),
        ({"activation": -1.0}, "activation is -1.0"),
        ({"change": "much"}, "change is 'much'"),
        ({"window": "wide"}, "window is 'wide'"),
    ],
)
def test_wrong_options_are_refused(tokenizer, options, word: str) -> None:
    with pytest.raises(RequestError, match=word):
        UlmfitObjective(tokenizer, 64, **options)


def test_several_processes_get_documents(tokenizer, shards, monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not UlmfitObjective(tokenizer, 8).is_stream(shards)
    with pytest.raises(RequestError, match="several processes"):
        UlmfitObjective(tokenizer, 64, rows="stream")


def test_no_text_is_an_error(tokenizer, shards) -> None:
    with pytest.raises(DataError, match="no text"):
        UlmfitObjective(tokenizer, 64, rows="documents").rows(shards.subset([]))
