from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from munmaek.core.errors import RequestError
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.shards import build_shards
from munmaek.systems.gpt.objective import GptObjective


@pytest.fixture(scope="module")
def shards(documents, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return build_shards(MemoryCorpus(documents), tokenizer, folder / "s", corpus_hash="x")


def epoch_of(objective: GptObjective, data, epoch: int = 0, tokens: int = 256):
    num = objective.epoch_batches(data, seed=3, epoch=epoch, batch_tokens=tokens)
    return list(islice(objective.batches(data, seed=3, position=epoch << 32, batch_tokens=tokens), num))


@pytest.mark.parametrize("length", [8, 16, 400])
def test_every_token_and_every_end_is_predicted_once_and_from_its_own_document(
    documents, tokenizer, shards, length: int
) -> None:
    """The rows, put together again, are the documents: the slow plain twin of the vectorised windows."""
    objective = GptObjective(tokenizer, length)
    windows = objective.windows(shards)
    cls, sep = tokenizer.token_id("cls"), tokenizer.token_id("sep")
    pieces = {}
    for batch in epoch_of(objective, shards, tokens=max(256, length)):
        arrays = batch.arrays
        assert arrays["input_ids"].shape[1] <= length
        assert batch.counts == {"lm": batch.num_tokens} == {"lm": int(arrays["attention_mask"].sum())}
        for row, sample in enumerate(batch.sample_ids.tolist()):
            real = arrays["attention_mask"][row]
            key = (int(windows.firsts[sample]), int(windows.begins[sample]))
            pieces[key] = arrays["input_ids"][row][real].tolist(), arrays["labels"][row][real].tolist()
    first = 0
    for document in documents:
        ids = [token for sentence in document for token in tokenizer.encode_ids([sentence])[0]]
        sequence = [cls, *ids, sep]
        for begin in range(0, len(ids) + 1, length):
            inputs, labels = pieces.pop((first, begin))
            assert inputs == sequence[begin : begin + length][: len(ids) + 1 - begin]
            assert labels == sequence[begin + 1 : begin + 1 + length]
        first += len(ids)
    assert pieces == {}


def test_a_part_of_a_corpus_holds_only_its_documents(tokenizer, shards) -> None:
    objective = GptObjective(tokenizer, 32)
    training, held = shards.split(share=0.2)
    assert len(objective.windows(training).begins) + len(objective.windows(held).begins) == len(
        objective.windows(shards).begins
    )
    assert set(objective.windows(training).firsts.tolist()).isdisjoint(objective.windows(held).firsts.tolist())


def test_epochs_differ_in_order_alone(tokenizer, shards) -> None:
    objective = GptObjective(tokenizer, 16)
    first, second = epoch_of(objective, shards), epoch_of(objective, shards, 1)
    orders = [np.concatenate([batch.sample_ids for batch in epoch]) for epoch in (first, second)]
    assert not np.array_equal(*orders)
    assert np.array_equal(np.sort(orders[0]), np.sort(orders[1]))


def test_too_short_rows_are_refused(tokenizer) -> None:
    with pytest.raises(RequestError, match="8 tokens"):
        GptObjective(tokenizer, 4)
