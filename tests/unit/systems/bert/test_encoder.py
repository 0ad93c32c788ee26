from __future__ import annotations

import numpy as np
import pytest
import torch

from munmaek.core.contracts import Encoder, Encoding
from munmaek.core.errors import RequestError
from munmaek.data.encodings import cut

TEXTS = ["눈이 내렸다", "배가 강가에서 천천히 달렸다", "말을"]


@pytest.fixture
def encoder(card, small, tokenizer) -> Encoder:
    return card.encoder(small, tokenizer)


def tensors(encoder, encodings) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in encoder.collate(encodings).items()}


def test_facts(encoder, small) -> None:
    assert (encoder.dim, encoder.num_layers, encoder.max_length) == (32, 3, 64)
    assert encoder.module is small.bert


def test_collate_pads_and_says_where(encoder, tokenizer) -> None:
    encodings = encoder.tokenize(TEXTS, TEXTS[::-1])
    arrays = encoder.collate(encodings)
    longest = max(len(encoding.ids) for encoding in encodings)
    for name, array in arrays.items():
        assert array.shape == (3, longest), name
    assert arrays["attention_mask"].dtype == np.bool_
    for row, encoding in enumerate(encodings):
        mask = arrays["attention_mask"][row]
        assert mask.tolist() == [True] * len(encoding.ids) + [False] * (longest - len(encoding.ids))
        assert arrays["input_ids"][row][mask].tolist() == encoding.ids
        assert arrays["token_type_ids"][row][mask].tolist() == encoding.type_ids
        assert (arrays["input_ids"][row][~mask] == tokenizer.token_id("pad")).all()
    assert max(arrays["token_type_ids"].max(1)) == 1


def test_states_of_one_and_all_layers(encoder) -> None:
    inputs = tensors(encoder, encoder.tokenize(TEXTS))
    last, layers = encoder.forward(inputs), encoder.forward(inputs, all_layers=True)
    assert layers.shape == (3, *last.shape)
    assert torch.equal(layers[-1], last)
    assert not torch.allclose(layers[0], layers[1])


def test_one_word_has_other_vectors_in_other_sentences_but_not_at_the_bottom(encoder) -> None:
    first, second = encoder.tokenize(["눈이 내렸다", "눈이 천천히 예쁘다"])
    inputs = tensors(encoder, [first, second])
    states = encoder.forward(inputs, all_layers=True)
    assert first.ids[1] == second.ids[1]
    torch.testing.assert_close(states[0, 0, 1], states[0, 1, 1])
    assert not torch.allclose(states[-1, 0, 1], states[-1, 1, 1])


@pytest.mark.parametrize("pooling", ["mean", "max", "first", "last", "pooler"])
def test_summaries_do_not_depend_on_padding(encoder, pooling: str) -> None:
    together = tensors(encoder, encoder.tokenize(TEXTS))
    whole = encoder.summary(encoder.forward(together), together["attention_mask"], pooling)
    assert whole.shape == (3, 32)
    for row, text in enumerate(TEXTS):
        alone = tensors(encoder, encoder.tokenize([text]))
        vector = encoder.summary(encoder.forward(alone), alone["attention_mask"], pooling)
        torch.testing.assert_close(vector[0], whole[row], rtol=1e-5, atol=1e-6)


def test_another_pooling_is_refused(encoder) -> None:
    inputs = tensors(encoder, encoder.tokenize(TEXTS))
    with pytest.raises(RequestError, match="middle"):
        encoder.summary(encoder.forward(inputs), inputs["attention_mask"], "middle")


def test_the_pooler_is_tanh_of_the_first_state(encoder, small) -> None:
    inputs = tensors(encoder, encoder.tokenize(TEXTS))
    states = encoder.forward(inputs)
    expected = torch.tanh(states[:, 0] @ small.bert.pooler.weight.T + small.bert.pooler.bias)
    torch.testing.assert_close(encoder.summary(states, inputs["attention_mask"], "pooler"), expected)


def test_layer_groups_are_all_parameters_once_from_the_bottom(encoder, small) -> None:
    groups = encoder.layer_groups()
    assert len(groups) == 1 + 2
    found = [id(parameter) for group in groups for parameter in group]
    assert len(found) == len(set(found))
    assert set(found) == {id(parameter) for parameter in small.bert.parameters()}
    assert groups[0][0] is small.bert.embeddings.words.weight
    assert {id(parameter) for parameter in small.bert.blocks[-1].parameters()} < {id(each) for each in groups[-1]}


@pytest.mark.parametrize("most", [4, 5, 6, 9, 64])
def test_long_texts_are_cut_and_keep_their_special_tokens(encoder, most: int) -> None:
    long = "눈이 배가 말을 밤에 다리를 사과는"
    (whole,), (found,) = encoder.tokenize([long * 9]), encoder.tokenize([long * 9], max_length=most)
    assert len(found.ids) == most
    assert [found.ids[0], found.ids[-1]] == [whole.ids[0], whole.ids[-1]]
    assert found.ids[1:-1] == whole.ids[1 : most - 1]
    assert found.offsets[1:-1] == whole.offsets[1 : most - 1]


def test_nothing_is_longer_than_the_model_reads(encoder) -> None:
    assert len(encoder.tokenize(["눈이 " * 500])[0].ids) == 64
    assert len(encoder.tokenize(["눈이 " * 500], ["배가 " * 500], max_length=1000)[0].ids) == 64
    with pytest.raises(RequestError, match="max_length"):
        encoder.tokenize(["눈이"], max_length=3)


def pair(first: int, second: int) -> Encoding:
    kinds = [0] * (first + 2) + [1] * (second + 1)
    special = [True, *[False] * first, True, *[False] * second, True]
    number = len(kinds)
    return Encoding(
        list(range(number)), [(i, i + 1) for i in range(number)], [str(i) for i in range(number)], special, kinds
    )


@pytest.mark.parametrize(
    ("first", "second", "most", "kept"),
    [
        (10, 4, 17, (10, 4)), (10, 4, 16, (9, 4)), (10, 4, 12, (5, 4)), (10, 4, 11, (4, 4)), (10, 4, 10, (4, 3)),
        (10, 4, 9, (3, 3)), (4, 10, 12, (4, 5)), (4, 10, 10, (3, 4)), (5, 5, 12, (4, 5)), (0, 9, 8, (0, 5)),
        (1, 1, 4, (0, 1)), (300, 1, 20, (16, 1)),
    ],
)  # fmt: skip
def test_the_longer_of_a_pair_is_cut_first(first: int, second: int, most: int, kept: tuple[int, int]) -> None:
    found = cut(pair(first, second), most)
    assert len(found.ids) == min(most, first + second + 3)
    texts = [
        [i for i, s, k in zip(found.ids, found.special, found.type_ids, strict=True) if not s and k == t]
        for t in (0, 1)
    ]
    assert tuple(map(len, texts)) == kept
    assert texts == [list(range(1, 1 + kept[0])), list(range(first + 2, first + 2 + kept[1]))]
    assert sum(found.special) == 3
    assert len({len(part) for part in (found.ids, found.offsets, found.tokens, found.special, found.type_ids)}) == 1
