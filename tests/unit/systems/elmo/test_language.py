"""The forward direction as a language model: what it scores is what it says word by word."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from munmaek.systems.elmo.language import ElmoLanguageModel

TEXTS = ["눈이 예쁘다", "", "처음보는 말을 천천히 걸었다 " * 9, "밤에"]


def by_hand(model: ElmoLanguageModel, text: str) -> tuple[float, int]:
    """Nats and predictions, one word after another through `begin` and `advance`, unknown words as [UNK]."""
    ids = model.tokenizer.encode(text, special=False).ids
    logits, state = model.begin("")
    nats = 0.0
    for token in [*ids, model.end]:
        nats -= float(torch.log_softmax(torch.from_numpy(logits), 0)[token])
        logits, state = model.advance(state, token)
    return nats, len(ids) + 1


@pytest.mark.parametrize("window", [1024, 5])
def test_likelihood_is_the_sum_of_its_steps(build, words, window: int) -> None:
    language = ElmoLanguageModel(build(max_positions=window).eval(), words)
    known = [text.replace("처음보는", "눈이") for text in TEXTS]
    found = language.likelihood(known, batch_tokens=40)
    expected = [by_hand(language, text) for text in known]
    assert found.nats == pytest.approx(sum(nats for nats, _ in expected), rel=1e-5)
    assert found.num_tokens == sum(count for _, count in expected)
    assert found.num_characters == sum(map(len, known))


def test_unknown_words_are_counted_and_read_by_their_characters(build, words) -> None:
    language = ElmoLanguageModel(build().eval(), words)
    assert language.likelihood(["처음보는 말"]).num_unknown == 2
    assert not np.allclose(language.begin("처음보는")[0], language.begin("다른것")[0])
    one, other = (language.likelihood([f"{word} 눈이"]).nats for word in ("처음보는", "다른것"))
    assert one != pytest.approx(other, rel=1e-7)


def test_a_state_can_be_gone_on_from_twice(build, words) -> None:
    language = ElmoLanguageModel(build().eval(), words)
    _, state = language.begin("눈이")
    first, _ = language.advance(state, 7)
    language.advance(state, 9)
    again, _ = language.advance(state, 7)
    assert np.array_equal(first, again)
    whole, _ = language.begin("눈이 " + words.decode([7]))
    np.testing.assert_allclose(first, whole, atol=1e-6)
