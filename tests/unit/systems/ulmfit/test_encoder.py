from __future__ import annotations

import numpy as np
import pytest
import torch

from munmaek.core.contracts import Encoder
from munmaek.core.errors import RequestError

TEXTS = ["눈이 내렸다", "배가 강가에서 천천히 달렸다", "말을"]


@pytest.fixture
def encoder(card, small, tokenizer) -> Encoder:
    return card.encoder(small, tokenizer)


def forward_of(encoder: Encoder) -> bool:
    return encoder.module.config.direction == "forward"  # type: ignore[union-attr]


def test_the_border_is_read_first(encoder: Encoder, tokenizer) -> None:
    border = tokenizer.token_id("sep")
    for text, encoding in zip(TEXTS, encoder.tokenize(TEXTS), strict=True):
        ids = tokenizer.encode(text, special=False).ids
        assert encoding.ids == ([border, *ids] if forward_of(encoder) else [*ids, border])
        assert encoding.special == [token == border for token in encoding.ids]
        assert [text[a:b] for a, b in encoding.offsets if b] == [
            text[a:b] for a, b in tokenizer.encode(text, special=False).offsets
        ]


def test_pairs_have_a_border_before_each_text_as_it_is_read(encoder: Encoder, tokenizer) -> None:
    border = tokenizer.token_id("sep")
    first, second = (tokenizer.encode(text, special=False).ids for text in TEXTS[:2])
    (encoding,) = encoder.tokenize(TEXTS[:1], TEXTS[1:2])
    if forward_of(encoder):
        assert encoding.ids == [border, *first, border, *second]
    else:
        assert encoding.ids == [*first, border, *second, border]
    assert encoding.type_ids == [0] * (len(first) + 1) + [1] * (len(second) + 1)
    (cut,) = encoder.tokenize(TEXTS[:1], TEXTS[1:2], 6)
    assert len(cut.ids) == 6
    assert sum(cut.special) == 2
    with pytest.raises(RequestError, match="3 first texts came with 1"):
        encoder.tokenize(TEXTS, TEXTS[:1])


@pytest.mark.parametrize("pooling", ["mean", "max", "first", "last", "concat"])
def test_summaries_are_of_the_states_as_they_were_read(encoder: Encoder, pooling: str) -> None:
    encodings = encoder.tokenize(TEXTS)
    inputs = {name: torch.from_numpy(array) for name, array in encoder.collate(encodings).items()}
    states = encoder.forward(inputs)
    found = encoder.summary(states, inputs["attention_mask"], pooling)
    for row, encoding in enumerate(encodings):
        own = states[row, : len(encoding.ids)]
        read = own if forward_of(encoder) else own.flip(0)
        expected = {
            "mean": own.mean(0), "max": own.amax(0), "first": read[0], "last": read[-1],
            "concat": torch.cat([read[-1], own.amax(0), own.mean(0)]),
        }[pooling]  # fmt: skip
        torch.testing.assert_close(found[row], expected)


def test_groups_go_up_from_the_embeddings(encoder: Encoder) -> None:
    groups = encoder.layer_groups()
    assert len(groups) == encoder.num_layers == 4
    assert len(groups[0]) == 1
    listed = [parameter for group in groups for parameter in group]
    assert {id(p) for p in listed} == {id(p) for p in encoder.module.parameters()}
    assert len(listed) == len(set(listed))


def test_an_empty_text_is_a_border(encoder: Encoder) -> None:
    assert [len(e.ids) for e in encoder.tokenize(["", "눈"])] == [1, 1 + len(encoder.tokenize(["눈"])[0].ids) - 1]
    assert np.asarray(encoder.collate(encoder.tokenize([""]))["attention_mask"]).all()


def test_long_gradients_stop_at_the_window(card, tokenizer) -> None:
    """BPTT for classification: states of the whole text count, gradients stay within a window."""
    torch.manual_seed(0)
    shape = {"dim": 8, "hidden": 12, "num_layers": 2, "window": 10}
    model = card.build(card.config(vocab_size=tokenizer.vocab_size, **shape)).eval()
    ids = torch.arange(25)[None] + 5
    model.encoder(ids)[:, -1].sum().backward()
    reached = model.encoder.words.weight.grad.any(1).nonzero()[:, 0].tolist()
    assert reached == list(range(25, 30)), "tokens 20 to 24 are the last window"
    with torch.no_grad():
        whole = model.encoder.read(ids.T).layers[-1][:, 0]
    torch.testing.assert_close(model.encoder(ids)[0], whole, atol=1e-6, rtol=1e-6)
