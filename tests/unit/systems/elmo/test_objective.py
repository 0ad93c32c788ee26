"""What a row asks in each direction, and what carrying cell states means."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
import torch

from munmaek.core.errors import DataError, RequestError
from munmaek.core.recipe import Budget, Recipe
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.shards import build_shards
from munmaek.train.distributed import to_tensors
from munmaek.train.trainer import Job, measure, train


@pytest.fixture
def shards(words, documents, tmp_path):
    return build_shards(MemoryCorpus(documents), words, tmp_path / "s", corpus_hash="x")


@pytest.fixture
def objective(elmo_card, build, words):
    """(max_length, options) -> an objective."""
    return lambda length=64, **options: elmo_card.objective(build().config, words, length, options)


def read(batch, row: int) -> tuple[list[int], ...]:
    size = int(batch.arrays["lengths"][row])
    names = ("input_ids", "forward_labels", "backward_ids", "backward_labels")
    return tuple(batch.arrays[name][row, :size].tolist() for name in names)


@pytest.mark.parametrize("length", [64, 12])
def test_each_direction_is_asked_for_the_word_that_it_has_not_read(objective, shards, words, length: int) -> None:
    begin, end = words.token_id("cls"), words.token_id("sep")
    subject, seen, marks = objective(length), [], []
    num = subject.epoch_batches(shards, seed=2, epoch=0, batch_tokens=200)
    for batch in islice(subject.batches(shards, seed=2, batch_tokens=200), num):
        assert batch.counts == {
            name: int((batch.arrays[f"{name}_labels"] >= 0).sum()) for name in ("forward", "backward")
        }
        for row in range(batch.num_rows):
            ahead, ahead_labels, back, back_labels = read(batch, row)
            assert ahead[0] == begin
            assert back[0] == end
            assert ahead[1:] == ahead_labels[:-1] == back[:0:-1] == back_labels[-2::-1]
            assert ahead_labels[-1] in (end, -1)
            assert back_labels[-1] in (begin, -1)
            assert len(ahead) <= length
            seen.append(ahead[1:])
            marks.append((back_labels[-1] == begin, ahead_labels[-1] == end))
            size = len(ahead)
            assert bool((batch.arrays["forward_labels"][row, size:] == -1).all())
            assert bool((batch.arrays["backward_labels"][row, size:] == -1).all())
    assert sum(map(len, seen)) == shards.num_tokens
    assert [sum(flags) for flags in zip(*marks, strict=True)] == [shards.num_documents] * 2
    if length == 64:
        documents = [np.concatenate(shards.document(i)).tolist() for i in range(shards.num_documents)]
        whole = [words for words, flags in zip(seen, marks, strict=True) if all(flags)]
        assert all(words in documents for words in whole)
        assert len(whole) > 60


def streams(subject, shards, epoch: int, tokens: int = 120):
    num = subject.epoch_batches(shards, seed=4, epoch=epoch, batch_tokens=tokens)
    return list(islice(subject.batches(shards, seed=4, position=epoch << 32, batch_tokens=tokens), num))


def test_carrying_reads_the_documents_as_streams(objective, shards, words) -> None:
    begin, end = words.token_id("cls"), words.token_id("sep")
    subject = objective(12, carry=True)
    batches = streams(subject, shards, 0)
    assert [int(batch.arrays["fresh"].sum()) for batch in batches[:3]] == [10, 0, 0]
    joined = {
        name: np.concatenate([batch.arrays[name] for batch in batches], axis=1).reshape(-1)
        for name in ("input_ids", "forward_labels", "backward_ids", "backward_labels")
    }
    documents = sorted(tuple(np.concatenate(shards.document(i)).tolist()) for i in range(shards.num_documents))
    text, labels = joined["input_ids"].tolist(), joined["forward_labels"].tolist()
    starts = [place for place, word in enumerate(text) if word == begin]
    whole = [tuple(text[a + 1 : b]) for a, b in pairwise(starts)]
    assert len(whole) == len(documents) - 1
    assert set(whole) <= set(documents)
    for a, b in pairwise(starts):
        assert labels[a:b] == [*text[a + 1 : b], end]
        assert joined["backward_ids"][a:b].tolist() == [end, *text[b - 1 : a : -1]]
        assert joined["backward_labels"][a:b].tolist() == [*text[b - 1 : a : -1], begin]
    assert streams(subject, shards, 1)[0].arrays["input_ids"].tolist() != batches[0].arrays["input_ids"].tolist()


def test_carried_states_are_those_of_one_long_reading(objective, shards, build, words) -> None:
    model, subject = build(dropout=0.0).train(), objective(12, carry=True)
    batches = streams(subject, shards, 0)[:4]
    with torch.no_grad():
        windows = [subject.loss(model, to_tensors(b.arrays, torch.device("cpu"))) for b in batches]
    assert set(subject.carried) == {"hidden", "cells"}
    assert subject.carried["cells"].shape == (10, 2, 2, 16)
    long = {n: np.concatenate([b.arrays[n] for b in batches], 1) for n in
            ("input_ids", "backward_ids", "forward_labels", "backward_labels")}  # fmt: skip
    whole = objective(64).loss(model, to_tensors(long | {"lengths": np.full(10, 48)}, torch.device("cpu")))
    for name in ("forward", "backward"):
        assert float(sum(w.sums[name] for w in windows)) == pytest.approx(float(whole.sums[name].detach()), rel=1e-5)
    afresh = objective(12).loss(model, to_tensors(batches[1].arrays, torch.device("cpu")))
    assert float(afresh.sums["forward"].detach()) != pytest.approx(float(windows[1].sums["forward"]), rel=1e-4)
    split = objective(12, carry=True)
    with torch.no_grad():
        for batch in batches:  # rows in two parts, as gradient accumulation has them
            for part in (slice(0, 6), slice(6, 10)):
                split.loss(model, to_tensors(batch.rows(part), torch.device("cpu")))
    torch.testing.assert_close(split.carried, subject.carried)


def test_measuring_leaves_the_training_s_states_alone(objective, shards, build) -> None:
    model, subject = build(), objective(12, carry=True)
    batch = streams(subject, shards, 0)[0]
    subject.loss(model.train(), to_tensors(batch.arrays, torch.device("cpu")))
    before = {name: value.clone() for name, value in subject.carried.items()}
    first = measure(model, subject, shards, seed=1, batch_tokens=120, most_targets=600)
    assert first == measure(model, subject, shards, seed=1, batch_tokens=120, most_targets=600)
    torch.testing.assert_close(subject.carried, before, atol=0, rtol=0)


def test_resumed_with_carried_states_equals_uninterrupted_to_the_bit(objective, shards, build, tmp_path) -> None:
    def job(folder, stop=None):
        def halt(event):
            if event.step == stop:
                raise KeyboardInterrupt

        recipe = Recipe(batch_tokens=120, max_length=12, precision="fp32")
        return Job(build(), objective(12, carry=True), shards, recipe, Budget(steps=24), seed=3,
                   folder=folder, device="cpu", progress=halt, save_every_steps=5)  # fmt: skip

    whole = job(None)
    train(whole)
    with pytest.raises(KeyboardInterrupt):
        train(job(tmp_path / "t", stop=13))
    second = job(tmp_path / "t")
    outcome = train(second)
    assert outcome.resumed
    for (name, one), other in zip(whole.model.named_parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other), name
    for name in ("hidden", "cells"):
        assert torch.equal(whole.objective.carried[name], second.objective.carried[name])


def test_requests_that_cannot_be_are_said(objective, words, tmp_path) -> None:
    with pytest.raises(RequestError, match="carry"):
        objective(carry="sometimes")
    with pytest.raises(RequestError, match="max_length"):
        objective(4)
    one = build_shards(MemoryCorpus([["눈이 내렸다"]]), words, tmp_path / "one", corpus_hash="y")
    with pytest.raises(DataError):
        objective().epoch_batches(one.subset([]), seed=0, epoch=0, batch_tokens=64)
