from __future__ import annotations

import numpy as np
import pytest
import torch

from munmaek.core.errors import RequestError
from munmaek.systems.gpt.language import GptLanguageModel

TEXTS = ["눈이 내렸다", "배가 말을 밤에", "", "다리를 천천히 조용히 걸었다 좋았다"]


def plain(small, tokenizer, text: str) -> tuple[float, int]:
    """Negative log likelihood of one text that fits the context, token by token from whole logits."""
    ids = [tokenizer.token_id("cls"), *tokenizer.encode(text, special=False).ids, tokenizer.token_id("sep")]
    assert len(ids) <= small.config.max_positions
    with torch.no_grad():
        shares = torch.log_softmax(small(torch.tensor([ids[:-1]])).logits[0], -1)
    return -sum(float(shares[place, token]) for place, token in enumerate(ids[1:])), len(ids) - 1


def test_likelihood_is_the_sum_over_tokens(small, tokenizer) -> None:
    model = GptLanguageModel(small, tokenizer)
    expected = [plain(small, tokenizer, text) for text in TEXTS]
    for batch_tokens in (1, 64, 8192):
        found = model.likelihood(TEXTS, batch_tokens)
        assert found.nats == pytest.approx(sum(nats for nats, _ in expected), rel=1e-5)
        assert found.num_tokens == sum(count for _, count in expected)
        assert found.num_characters == sum(map(len, TEXTS))
        assert found.num_unknown == 0
    assert model.likelihood(["눈이 龘"]).num_unknown == 1


def test_a_long_text_is_predicted_whole_each_token_once(small, tokenizer) -> None:
    """Windows overlap by half: the plain twin reads each token from the window that the docstring promises."""
    text = "눈이 배가 말을 밤에 다리를 사과는 " * 12
    model, most = GptLanguageModel(small, tokenizer), small.config.max_positions
    ids = [tokenizer.token_id("cls"), *tokenizer.encode(text, special=False).ids, tokenizer.token_id("sep")]
    assert len(ids) > 3 * most
    nats, scored, begin = 0.0, 1, 0
    with torch.no_grad():
        while scored < len(ids):
            piece = ids[begin : begin + most]
            shares = torch.log_softmax(small(torch.tensor([piece])).logits[0], -1)
            for place in range(scored, min(begin + most + 1, len(ids))):
                nats -= float(shares[place - 1 - begin, ids[place]])
            scored = begin + most + 1
            begin = scored - most // 2
    found = model.likelihood([text])
    assert found.num_tokens == len(ids) - 1
    assert found.nats == pytest.approx(nats, rel=1e-5)


def test_one_token_after_another_equals_reading_all(small, tokenizer) -> None:
    model = GptLanguageModel(small, tokenizer)
    text = TEXTS[3]
    ids = tokenizer.encode(text, special=False).ids
    logits, state = model.begin("")
    with torch.no_grad():
        whole = small(torch.tensor([[tokenizer.token_id("cls"), *ids]])).logits[0].numpy()
    np.testing.assert_allclose(logits, whole[0], rtol=1e-4, atol=1e-5)
    for place, token in enumerate(ids, 1):
        logits, state = model.advance(state, token)
        np.testing.assert_allclose(logits, whole[place], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.begin(text)[0], whole[-1], rtol=1e-4, atol=1e-5)


def test_writing_goes_on_past_the_context(small, tokenizer) -> None:
    model, most = GptLanguageModel(small, tokenizer), small.config.max_positions
    logits, state = model.begin("눈이")
    for _ in range(3 * most):
        token = 5 + int(logits[5:].argmax())
        logits, state = model.advance(state, token)
        assert np.isfinite(logits).all()
        assert len(state.ids) <= most
    with torch.no_grad():
        whole = small(torch.tensor([state.ids])).logits[0, -1].numpy()
    np.testing.assert_allclose(logits, whole, rtol=1e-4, atol=1e-5)
    assert np.isfinite(model.begin("눈이 배가 " * 60)[0]).all()


def test_without_a_start_token_the_first_token_is_not_predicted(card, small, tokenizer) -> None:
    import dataclasses

    bare = card.build(dataclasses.replace(small.config, start=False)).eval()
    bare.load_state_dict(small.state_dict())
    model = GptLanguageModel(bare, tokenizer)
    ids = tokenizer.encode(TEXTS[0], special=False).ids
    found = model.likelihood([TEXTS[0]])
    with torch.no_grad():
        shares = torch.log_softmax(bare(torch.tensor([ids])).logits[0], -1)
    assert found.num_tokens == len(ids) - 1
    assert found.nats == pytest.approx(-sum(float(shares[i, t]) for i, t in enumerate(ids[1:])), rel=1e-4)
    with pytest.raises(RequestError, match="prompt is empty"):
        model.begin("")
