from __future__ import annotations

import numpy as np
import pytest
import torch

from munmaek.core.errors import RequestError
from munmaek.systems.ulmfit import language

TEXTS = ["눈이 내렸다", "배가 강가에서 천천히 달렸다", "말을", ""]


def plain_nats(model, ids: list[int]) -> float:
    """Each token from all before it, one whole pass a token."""
    total = 0.0
    for place in range(1, len(ids)):
        states = model.encoder.read(torch.tensor(ids[:place])[:, None]).layers[-1][-1, 0]
        total -= float(torch.log_softmax(model.logits(states), 0)[ids[place]])
    return total


@pytest.mark.parametrize("piece", [512, 3])
def test_likelihood_is_the_plain_sum(card, small, tokenizer, piece: int, monkeypatch) -> None:
    monkeypatch.setattr(language, "PIECE", piece)
    end = tokenizer.token_id("sep")
    expected, count = 0.0, 0
    for text in TEXTS:
        ids = tokenizer.encode(text, special=False).ids
        ids = ids if small.config.direction == "forward" else ids[::-1]
        expected += plain_nats(small, [end, *ids, end])
        count += len(ids) + 1
    found = card.language_model(small, tokenizer).likelihood(TEXTS, batch_tokens=16)
    assert found.nats == pytest.approx(expected, rel=1e-5)
    assert (found.num_tokens, found.num_characters, found.num_unknown) == (count, sum(map(len, TEXTS)), 0)


def test_writing_on_is_reading_at_once(card, small, tokenizer) -> None:
    model = card.language_model(small, tokenizer)
    if small.config.direction == "backward":
        with pytest.raises(RequestError, match="backward model"):
            model.begin("눈이")
        return
    ids = tokenizer.encode(TEXTS[1], special=False).ids
    logits, state = model.begin("")
    for place, token in enumerate(ids):
        again, _ = model.advance(state, token)
        logits, state = model.advance(state, token)
        assert np.array_equal(again, logits), "the state before stays as it was"
        read = small.encoder.read(torch.tensor([model.end, *ids[: place + 1]])[:, None]).layers[-1][-1, 0]
        np.testing.assert_allclose(logits, small.logits(read).detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(model.begin(TEXTS[1])[0], logits, atol=1e-5)
