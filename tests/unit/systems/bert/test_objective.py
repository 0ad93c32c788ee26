from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from munmaek.core.errors import DataError, RequestError
from munmaek.core.positions import EPOCH
from munmaek.systems.bert.objective import OPTIONS, BertObjective, special_ids

LENGTH = 40


def tensors(batch) -> dict[str, torch.Tensor]:
    return {n: torch.from_numpy(np.ascontiguousarray(a)) for n, a in batch.arrays.items()}


def take(objective, data, number: int, **settings) -> list:
    settings = {"seed": 0, "batch_tokens": 512} | settings
    return list(islice(objective.batches(data, **settings), number))


def same(first, second) -> bool:
    return (
        first.position == second.position
        and first.counts == second.counts
        and set(first.arrays) == set(second.arrays)
        and all(np.array_equal(array, second.arrays[name]) for name, array in first.arrays.items())
    )


@pytest.fixture(params=["single", "paired", "sop", "whole_word"])
def case(request, tokenizer, single, paired):
    options = {"single": {}, "paired": {}, "sop": {"next_sentence": "sop"}, "whole_word": {"whole_word": True}}
    data = single if request.param == "single" else paired
    return BertObjective(tokenizer, LENGTH, **options[request.param]), data


def test_an_epoch_has_every_row_once(case) -> None:
    objective, data = case
    number = objective.epoch_batches(data, seed=0, epoch=0, batch_tokens=512)
    batches = take(objective, data, number + 1)
    ids = np.concatenate([batch.sample_ids for batch in batches[:number]])
    assert sorted(ids.tolist()) == list(range(len(objective.look_at(data).chunks)))
    assert [batch.position for batch in batches] == [*range(1, number), EPOCH, EPOCH + 1]


def test_any_position_can_be_gone_to(case) -> None:
    objective, data = case
    number = objective.epoch_batches(data, seed=3, epoch=0, batch_tokens=512)
    through = take(objective, data, 2 * number + 3, seed=3)
    for place in (0, 1, number - 1, number, number + 2):
        position = through[place - 1].position if place else 0
        there = take(objective, data, 3, seed=3, position=position)
        assert all(same(a, b) for a, b in zip(there, through[place : place + 3], strict=True))


def test_a_position_past_an_epochs_end_is_the_next_epoch(case) -> None:
    objective, data = case
    number = objective.epoch_batches(data, seed=0, epoch=0, batch_tokens=512)
    (past,) = take(objective, data, 1, position=number)
    (following,) = take(objective, data, 1, position=EPOCH)
    assert same(past, following)


def test_epochs_and_seeds_differ(case) -> None:
    objective, data = case
    (first,), (other_epoch,), (other_seed,) = (
        take(objective, data, 1), take(objective, data, 1, position=EPOCH), take(objective, data, 1, seed=9),
    )  # fmt: skip
    for other in (other_epoch, other_seed):
        assert not np.array_equal(other.arrays["input_ids"], first.arrays["input_ids"])
        assert other.sample_ids.tolist() != first.sample_ids.tolist()


def test_arrays_are_rows_of_the_right_types_and_counts(case) -> None:
    objective, data = case
    for batch in take(objective, data, 10):
        arrays = batch.arrays
        assert {len(array) for array in arrays.values()} == {batch.num_rows}
        assert arrays["attention_mask"].dtype == np.bool_
        assert arrays["masked_weights"].dtype == np.bool_
        for name in ("input_ids", "token_type_ids", "masked_positions", "masked_labels"):
            assert arrays[name].dtype == np.int64, name
        assert arrays["input_ids"].size <= 512
        assert batch.num_tokens == arrays["attention_mask"].sum()
        assert batch.counts["mlm"] == arrays["masked_weights"].sum()
        assert arrays["input_ids"].shape[1] <= LENGTH


def original(batch) -> np.ndarray:
    """The rows before anything was hidden."""
    arrays = batch.arrays
    ids = arrays["input_ids"].copy()
    rows, columns = np.nonzero(arrays["masked_weights"])
    ids[rows, arrays["masked_positions"][rows, columns]] = arrays["masked_labels"][rows, columns]
    return ids


def test_single_rows_are_cls_text_sep_pad(tokenizer, single) -> None:
    objective = BertObjective(tokenizer, LENGTH)
    chunks = objective.look_at(single).chunks
    special = special_ids(tokenizer)
    for batch in take(objective, single, 5):
        assert not batch.arrays["token_type_ids"].any()
        assert "next_sentence_labels" not in batch.arrays
        for row, mask, sample in zip(original(batch), batch.arrays["attention_mask"], batch.sample_ids, strict=True):
            text = single.ids[chunks.starts[sample] : chunks.stops[sample]]
            assert row[mask].tolist() == [special["cls"], *text.tolist(), special["sep"]]
            assert (row[~mask] == special["pad"]).all()


def test_pair_rows_are_two_segments(tokenizer, paired) -> None:
    objective = BertObjective(tokenizer, LENGTH)
    special = special_ids(tokenizer)
    for batch in take(objective, paired, 10):
        assert batch.counts["nsp"] == batch.num_rows
        for row, types, mask in zip(
            original(batch), batch.arrays["token_type_ids"], batch.arrays["attention_mask"], strict=True
        ):
            ends = np.flatnonzero(row == special["sep"])
            assert len(ends) == 2
            assert mask.sum() == ends[1] + 1
            assert types.tolist() == [0] * (ends[0] + 1) + [1] * (ends[1] - ends[0]) + [0] * (len(row) - ends[1] - 1)
            assert ends[0] > 1
            assert ends[1] > ends[0] + 1


def test_the_mask_rate_follows_progress(tokenizer, single) -> None:
    objective = BertObjective(tokenizer, LENGTH, mask_rate="0.60-0.10")
    batches = take(objective, single, 11, progress=lambda k: k / 10, batch_tokens=1024)
    shares = [batch.counts["mlm"] / (batch.num_tokens - 2 * batch.num_rows) for batch in batches]
    assert shares[0] == pytest.approx(0.6, abs=0.06)
    assert shares[-1] == pytest.approx(0.1, abs=0.06)
    assert shares[5] == pytest.approx(0.35, abs=0.08)
    moved = take(objective, single, 1, progress=lambda k: 0.5, batch_tokens=1024, position=batches[4].position)[0]
    assert same(moved, batches[5])


def test_whole_words_are_hidden_together(tokenizer, single) -> None:
    objective = BertObjective(tokenizer, LENGTH, whole_word=True)
    starts = tokenizer.is_word_start(np.arange(tokenizer.vocab_size))
    split = 0
    for batch in take(objective, single, 20):
        rows = original(batch)
        for row, places, weights in zip(
            rows, batch.arrays["masked_positions"], batch.arrays["masked_weights"], strict=True
        ):
            hidden = np.zeros(len(row), dtype=bool)
            hidden[places[weights]] = True
            inside = ~starts[row] & (np.arange(len(row)) > 1) & (row > 4)
            split += int((inside[1:] & (hidden[1:] != hidden[:-1])).sum())
    assert split == 0


def test_pairs_turn_themselves_off_with_a_note(tokenizer, single) -> None:
    objective = BertObjective(tokenizer, LENGTH)
    take(objective, single, 1)
    take(objective, single, 1)
    assert len(objective.notes) == 1
    assert "next sentence prediction is off: 0 of 400 documents" in objective.notes[0]


def test_pairs_say_what_they_leave_out(tokenizer, shards_of, documents) -> None:
    objective = BertObjective(tokenizer, LENGTH)
    data = shards_of([*documents, ["눈이 내렸다"], ["배가 좋았다"]])
    take(objective, data, 1)
    assert "is on: 120 of 122" in objective.notes[0]
    assert "2 documents of one sentence are left out" in objective.notes[0]


@pytest.mark.parametrize("mode", ["nsp", "sop"])
def test_pairs_asked_for_where_there_are_none_are_refused(tokenizer, single, mode: str) -> None:
    objective = BertObjective(tokenizer, LENGTH, next_sentence=mode)
    with pytest.raises(RequestError, match=r"needs documents of two sentences.*0 of 400") as caught:
        take(objective, single, 1)
    assert "next_sentence=off" in str(caught.value)


def test_a_small_part_of_a_paired_corpus_need_not_have_pairs(tokenizer, shards_of, documents) -> None:
    data = shards_of([*documents, ["눈이 내렸다"]])
    objective = BertObjective(tokenizer, LENGTH, next_sentence="nsp")
    (batch,) = take(objective, data.subset([120]), 1)
    assert batch.counts == {"mlm": 1}
    (pair,) = take(objective, data.subset([3]), 1)
    assert not pair.arrays["next_sentence_labels"].any()


def test_off_uses_every_sentence(tokenizer, paired) -> None:
    objective = BertObjective(tokenizer, LENGTH, next_sentence="off")
    number = objective.epoch_batches(paired, seed=0, epoch=0, batch_tokens=512)
    batches = take(objective, paired, number)
    assert sum(batch.num_tokens - 2 * batch.num_rows for batch in batches) == paired.num_tokens
    assert objective.notes == []


def test_no_text_is_an_error(tokenizer, paired) -> None:
    with pytest.raises(DataError, match="no text"):
        take(BertObjective(tokenizer, LENGTH), paired.subset([]), 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"next_sentence": "maybe"}, "maybe"), ({"mask_rate": 2.0}, "mask_rate"), ({"whole_word": "so"}, "whole_word")],
)
def test_other_options_are_refused(tokenizer, options, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        BertObjective(tokenizer, LENGTH, **options)
    assert set(options) <= set(OPTIONS)


def test_lengths_that_cannot_be_are_refused(card, small, tokenizer) -> None:
    with pytest.raises(RequestError, match="64 positions"):
        card.objective(small.config, tokenizer, 65, {})
    with pytest.raises(RequestError, match="max_length"):
        card.objective(small.config, tokenizer, 3)


# ---- the loss ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["nsp", "sop"])
def pair_case(request, card, small, tokenizer, paired):
    objective = card.objective(small.config, tokenizer, LENGTH, {"next_sentence": request.param})
    return small, objective, tensors(take(objective, paired, 1)[0]), request.param


def test_every_parameter_gets_a_gradient(pair_case) -> None:
    model, objective, inputs, _ = pair_case
    objective.loss(model.train(), inputs).total().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@torch.no_grad()
def test_each_part_reacts_to_every_value_of_its_labels(pair_case) -> None:
    """One ignored index for both losses would make label 0 of a pair, or word 0, count for nothing."""
    model, objective, inputs, mode = pair_case
    labels = inputs["next_sentence_labels"]
    for value in (0, 1):
        changed = labels.clone()
        changed[0] = value
        before = objective.loss(model, inputs | {"next_sentence_labels": changed})
        changed = changed.clone()
        changed[0] = 1 - value
        after = objective.loss(model, inputs | {"next_sentence_labels": changed})
        assert abs(float(before.sums[mode] - after.sums[mode])) > 1e-6
        assert float(before.sums["mlm"]) == pytest.approx(float(after.sums["mlm"]))
    losses = []
    place = tuple(int(x) for x in inputs["masked_weights"].nonzero()[0])
    for word in range(model.config.vocab_size):
        changed = inputs["masked_labels"].clone()
        changed[place] = word
        parts = objective.loss(model, inputs | {"masked_labels": changed})
        assert parts.counts["mlm"] == int(inputs["masked_weights"].sum())
        losses.append(float(parts.sums["mlm"]))
    logits = model(**{n: inputs[n] for n in ("input_ids", "attention_mask", "token_type_ids")}).word_logits
    expected = -logits[place[0], inputs["masked_positions"][place]].log_softmax(-1).numpy()
    np.testing.assert_allclose(np.array(losses) - losses[0], expected - expected[0], atol=2e-4)


@torch.no_grad()
def test_every_pair_label_counts_alone(pair_case) -> None:
    model, objective, inputs, mode = pair_case
    for value in (0, 1):
        labels = torch.full_like(inputs["next_sentence_labels"], value)
        total = objective.loss(model, inputs | {"next_sentence_labels": labels}).sums[mode]
        logits = model(**{n: inputs[n] for n in ("input_ids", "attention_mask", "token_type_ids")}).pair_logits
        torch.testing.assert_close(total, -logits.log_softmax(1)[:, value].sum())
        assert float(total) > 0.1


@torch.no_grad()
def test_parts_of_a_batch_add_up_to_the_whole(pair_case) -> None:
    model, objective, inputs, mode = pair_case
    whole = objective.loss(model, inputs)
    rows = len(inputs["input_ids"])
    parts = [objective.loss(model, {n: a[i::3] for n, a in inputs.items()}) for i in range(min(3, rows))]
    for name in ("mlm", mode):
        assert sum(part.counts[name] for part in parts) == whole.counts[name]
        total = sum(float(part.sums[name]) for part in parts)
        assert total == pytest.approx(float(whole.sums[name]), rel=1e-5)
    shared = sum(float(part.total(whole.counts)) for part in parts)
    assert shared == pytest.approx(float(whole.total()), rel=1e-5)


def test_hits_are_counted_in_evaluation(pair_case) -> None:
    model, objective, inputs, mode = pair_case
    with torch.no_grad():
        found = objective.loss(model, inputs)
        output = model(**{n: inputs[n] for n in ("input_ids", "attention_mask", "token_type_ids")})
    rows = torch.arange(len(inputs["input_ids"]))[:, None]
    guesses = output.word_logits[rows, inputs["masked_positions"]].argmax(-1)
    right = (guesses == inputs["masked_labels"]) & inputs["masked_weights"]
    assert int(found.correct["mlm"]) == int(right.sum())
    assert int(found.correct[mode]) == int((output.pair_logits.argmax(1) == inputs["next_sentence_labels"]).sum())


def test_one_batch_overfits(card, tokenizer, paired) -> None:
    torch.manual_seed(0)
    config = card.config(vocab_size=tokenizer.vocab_size, dim=32, num_layers=2, num_heads=2, dropout=0.0,
                         attention_dropout=0.0)  # fmt: skip
    model = card.build(config).train()
    objective = card.objective(config, tokenizer, LENGTH, {})
    inputs = tensors(take(objective, paired, 1, batch_tokens=300)[0])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        parts = objective.loss(model, inputs)
        parts.total().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert float(parts.sums["mlm"].detach()) / parts.counts["mlm"] < 0.1
    assert float(parts.sums["nsp"].detach()) / parts.counts["nsp"] < 0.1
