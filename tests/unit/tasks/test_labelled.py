from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek import tasks
from munmaek.core.contracts import Encoding
from munmaek.tasks.labelled import Labelled, LabelledObjective, by_length, tokenise
from munmaek.tasks.network import TaskModel, make_head, outputs

CLASSIFY = tasks.load("classify")


class Characters(torch.nn.Module):
    """A full Encoder over characters: one state a character, the mean of them a text's vector."""

    dim, num_layers, max_length = 8, 1, 12

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = torch.nn.Embedding(128, 8)
        self.module = torch.nn.Module()
        self.module.table = self.table

    def tokenize(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> list[Encoding]:
        found: list[Encoding] = []
        for text, pair in zip(texts, pairs or [""] * len(texts), strict=True):
            ids = [ord(c) for c in text + pair][: max_length or self.max_length] or [0]
            types = ([0] * len(text) + [1] * len(pair))[: len(ids)] or [0]
            found.append(Encoding(ids, [], [], [], types))
        return found

    def collate(self, encodings: Sequence[Encoding]) -> dict[str, np.ndarray]:
        width = max(len(e.ids) for e in encodings)
        ids = np.array([e.ids + [0] * (width - len(e.ids)) for e in encodings])
        types = np.array([e.type_ids + [0] * (width - len(e.ids)) for e in encodings])
        mask = np.array([[True] * len(e.ids) + [False] * (width - len(e.ids)) for e in encodings])
        return {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}

    def forward(self, inputs: Mapping[str, torch.Tensor], all_layers: bool = False) -> torch.Tensor:
        return self.table(inputs["input_ids"])

    def summary(self, states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
        return (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)


def dataset(lengths: Sequence[int]) -> Labelled:
    return tokenise(Characters(), ["x" * n for n in lengths], None, np.arange(len(lengths)) % 2)


def objective(batch_rows: int = 4) -> LabelledObjective:
    return LabelledObjective(CLASSIFY, Characters(), batch_rows)


def test_rows_come_back_as_they_were_tokenised() -> None:
    texts, pairs = ["ab", "", "cde"], ["x", "yz", ""]
    data = tokenise(Characters(), texts, pairs)
    expected = Characters().tokenize(texts, pairs)
    for row in range(3):
        assert data.encodings(np.array([row]))[0].ids == expected[row].ids
        assert data.encodings(np.array([row]))[0].type_ids == expected[row].type_ids
    assert tokenise(Characters(), ["x" * 50, "y"]).num_cut == 1
    assert tokenise(Characters(), ["x" * 9], max_length=5).lengths.tolist() == [5]


def test_pairs_read_in_both_orders() -> None:
    texts, pairs = ["ab", "", "cde"], ["x", "yz", "uvwxyz"]
    data = tokenise(Characters(), texts, pairs, np.arange(3), both_orders=True)
    straight, turned = Characters().tokenize(texts, pairs), Characters().tokenize(pairs, texts)
    assert (len(data), data.readings) == (3, 2)
    for row in range(3):
        assert [e.ids for e in data.encodings(np.array([row]))] == [straight[row].ids, turned[row].ids]
    part = data.take(np.array([2, 0]))
    assert [e.ids for e in part.encodings(np.array([1]))] == [straight[0].ids, turned[0].ids]
    assert part.targets.tolist() == [2, 0]
    assert data.lengths.tolist() == [2 * len(straight[row].ids) for row in range(3)]
    arrays = data.arrays(Characters(), np.array([0, 2]))
    assert arrays["attention_mask"].shape[:2] == (2, 2)
    assert arrays["attention_mask"].sum() == data.num_tokens(np.array([0, 2]))
    assert tokenise(Characters(), texts, None, both_orders=True).readings == 1


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=30), st.data())
def test_taken_rows_are_those_rows(lengths: list[int], data: st.DataObject) -> None:
    whole = dataset(lengths)
    rows = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=20)))
    part = whole.take(rows)
    assert [found.ids for found in part.encodings(np.arange(len(part)))] == [e.ids for e in whole.encodings(rows)]
    assert part.targets.tolist() == whole.targets[rows].tolist()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=80), st.integers(1, 9), st.integers(12, 60), st.integers(0, 3))
def test_an_epoch_has_every_row_once(lengths: list[int], rows: int, tokens: int, epoch: int) -> None:
    data = dataset(lengths)
    plan = objective(rows).plan(data, 5, epoch, tokens)
    assert sorted(np.concatenate(plan).tolist()) == list(range(len(lengths)))
    for part in plan:
        assert len(part) <= rows
        assert len(part) == 1 or len(part) * data.lengths[part].max() <= tokens


def test_batches_are_a_pure_function_of_seed_and_position() -> None:
    data, subject = dataset([3, 5, 2, 7, 1, 4, 6, 2, 9]), objective()
    whole = list(islice(subject.batches(data, seed=1, batch_tokens=64), 9))
    assert subject.epoch_batches(data, seed=1, epoch=0, batch_tokens=64) == 3
    assert whole[2].position == 1 << 32
    for number in range(8):
        again = next(objective().batches(data, seed=1, position=whole[number].position, batch_tokens=64))
        assert again.sample_ids.tolist() == whole[number + 1].sample_ids.tolist()
        assert again.position == whole[number + 1].position
    epochs = [np.concatenate([b.sample_ids for b in whole[n : n + 3]]).tolist() for n in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(9)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    other = next(subject.batches(data, seed=2, batch_tokens=64)).sample_ids.tolist()
    assert other != whole[0].sample_ids.tolist()


def test_a_batch_holds_its_rows_inputs_targets_and_counts() -> None:
    data = dataset([3, 5, 2])
    batch = next(objective(8).batches(data, seed=0, batch_tokens=64))
    assert batch.arrays["target"].tolist() == (batch.sample_ids % 2).tolist()
    assert batch.arrays["attention_mask"].sum(axis=1).tolist() == data.lengths[batch.sample_ids].tolist()
    assert batch.num_tokens == 10
    assert batch.counts == {"label": 3}


def test_many_rows_are_bucketed_by_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 13, 5000)
    data = dataset(lengths.tolist())
    plan = objective(16).plan(data, 0, 0, 10**6)
    padded = sum(len(rows) * int(lengths[rows].max()) for rows in plan)
    assert padded / lengths.sum() < 1.05
    assert len({len(rows) for rows in plan}) <= 2


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(1, 100))
def test_inference_batches_hold_every_row_and_fit(lengths: list[int], tokens: int) -> None:
    found = list(by_length(np.array(lengths), tokens))
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    for rows in found:
        assert len(rows) == 1 or len(rows) * max(lengths[row] for row in rows) <= tokens


def test_the_loss_is_the_tasks_and_halves_add_up() -> None:
    subject, data = objective(8), dataset([3, 5, 2, 4])
    model = TaskModel(subject.encoder, make_head(8, 2, dropout=0.0), "mean")
    batch = next(subject.batches(data, seed=0, batch_tokens=64))

    def parts(rows: slice) -> Any:
        return subject.loss(model, {name: torch.from_numpy(array) for name, array in batch.rows(rows).items()})

    with torch.no_grad():
        whole, first, second = parts(slice(None)), parts(slice(0, 2)), parts(slice(2, 4))
    assert float(whole.sums["label"]) == pytest.approx(float(first.sums["label"] + second.sums["label"]), rel=1e-6)
    assert float(whole.total()) == pytest.approx(float(whole.sums["label"]) / 4)
    assert int(whole.correct["label"]) == int(first.correct["label"] + second.correct["label"])


def test_outputs_do_not_depend_on_the_batch_or_the_order() -> None:
    subject = objective()
    model = TaskModel(subject.encoder, make_head(8, 3), "mean").eval()
    data = dataset([5, 1, 9, 3, 3, 12, 2])
    together, alone = outputs(model, data), outputs(model, data, batch_tokens=1)
    assert together.shape == (7, 3)
    assert together == pytest.approx(alone, abs=1e-6)
    order = np.array([6, 2, 0])
    assert outputs(model, data.take(order)) == pytest.approx(together[order], abs=1e-6)


def test_a_head_is_a_pure_function_of_its_seed() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, again, other = make_head(8, 2, seed=3), make_head(8, 2, seed=3), make_head(8, 2, seed=4)
    assert torch.equal(first.output.weight, again.output.weight)
    assert not torch.equal(first.output.weight, other.output.weight)
    assert torch.equal(before, torch.random.get_rng_state())
