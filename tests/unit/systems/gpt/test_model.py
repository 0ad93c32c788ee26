from __future__ import annotations

import pytest
import torch

from munmaek.core.errors import RequestError
from munmaek.nn.transformer import Dropout
from munmaek.systems.gpt.model import GptConfig, GptForPreTraining

SEQ = 16


def ids_of(vocab: int, rows: int = 3) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randint(5, vocab, (rows, SEQ))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("side", ["none", "left", "right"])
def test_no_position_of_any_layer_sees_what_comes_after(small, training: bool, side: str) -> None:
    """Every later token is exchanged: states up to a position stay as they are, with dropout, too, where it trains."""
    small.train(training)
    for module in small.modules():
        if isinstance(module, Dropout):
            module.rate = 0.2
    ids = ids_of(small.config.vocab_size)
    mask = torch.ones_like(ids, dtype=torch.bool)
    if side == "left":
        mask[1, :4] = mask[2, :9] = False
    if side == "right":
        mask[1, -4:] = mask[2, -9:] = False

    def states(ids: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(2)  # the same places are dropped every time
        return small.gpt(ids, mask, all_layers=True)

    with torch.no_grad():
        before = states(ids)
        assert not torch.allclose(before[-1, :, 0], before[-1, :, -1])
        for place in range(SEQ - 1):
            changed = ids.clone()
            changed[:, place + 1 :] = (changed[:, place + 1 :] + 7) % small.config.vocab_size
            after = states(changed)
            torch.testing.assert_close(after[:, :, : place + 1], before[:, :, : place + 1], rtol=0, atol=1e-6)
            assert not torch.allclose(after[:, 0, place + 1], before[:, 0, place + 1]), "the exchange was seen at all"


def test_every_position_sees_all_that_came_before(small) -> None:
    ids = ids_of(small.config.vocab_size, 1)
    with torch.no_grad():
        before = small.gpt(ids)
        for place in range(SEQ):
            changed = ids.clone()
            changed[:, place] = (changed[:, place] + 7) % small.config.vocab_size
            moved = (small.gpt(changed) - before).abs().amax(2)[0]
            assert bool((moved[place:] > 1e-5).all())
            assert bool((moved[:place] < 1e-6).all())


@pytest.mark.parametrize("pieces", [[SEQ], [1] * SEQ, [5, 1, 1, 9], [3, 13]])
def test_with_a_cache_and_without_the_states_are_the_same(small, pieces: list[int]) -> None:
    ids = ids_of(small.config.vocab_size)
    found, past, begin = [], (), 0
    with torch.no_grad():
        whole = small.gpt(ids)
        for size in pieces:
            states, past = small.gpt.read_on(ids[:, begin : begin + size], past)
            found.append(states)
            begin += size
    torch.testing.assert_close(torch.cat(found, 1), whole, rtol=1e-5, atol=1e-5)
    assert [pair[0].shape[2] for pair in past] == [SEQ] * small.config.num_layers


def test_a_past_can_be_gone_on_from_twice(small) -> None:
    ids = ids_of(small.config.vocab_size, 1)
    with torch.no_grad():
        _, past = small.gpt.read_on(ids[:, :8], ())
        first, _ = small.gpt.read_on(ids[:, 8:9], past)
        small.gpt.read_on(ids[:, 9:12], past)
        again, _ = small.gpt.read_on(ids[:, 8:9], past)
    assert torch.equal(first, again)


def test_padding_changes_nothing(small) -> None:
    ids = ids_of(small.config.vocab_size, 1)
    with torch.no_grad():
        alone = small.gpt(ids)
        for left, right in ((0, 5), (5, 0), (3, 2)):
            padded = torch.nn.functional.pad(ids, (left, right))
            mask = torch.nn.functional.pad(torch.ones_like(ids, dtype=torch.bool), (left, right))
            found = small.gpt(padded, mask)[:, left : left + SEQ]
            torch.testing.assert_close(found, alone, rtol=1e-5, atol=1e-5)


def test_loss_is_the_plain_one(small) -> None:
    ids = ids_of(small.config.vocab_size)
    mask = torch.rand(ids.shape) < 0.7
    mask = mask.cummin(1).values | (torch.arange(SEQ) < 3)
    logits = small(ids, mask).logits
    wanted = torch.nn.functional.cross_entropy(logits[mask], ids.roll(1, 1)[mask], reduction="sum")
    found = small(ids, mask, labels=ids.roll(1, 1))
    torch.testing.assert_close(found.loss, wanted, rtol=1e-5, atol=1e-4)
    with torch.no_grad():
        hits = small(ids, mask, labels=ids.roll(1, 1)).hits
    assert int(hits) == int((logits[mask].argmax(1) == ids.roll(1, 1)[mask]).sum())


def test_initial_weights_are_the_papers() -> None:
    torch.manual_seed(0)
    model = GptForPreTraining(GptConfig(vocab_size=2000, dim=64))
    assert float(model.gpt.words.weight.detach().std()) == pytest.approx(0.02, rel=0.02)
    assert float(model.gpt.blocks[0].attention.inner.qkv.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert not model.gpt.blocks[0].attention.inner.qkv.bias.any()


@pytest.mark.parametrize(
    "wrong", [{"dim": 30}, {"dropout": 1.0}, {"norm": "middle"}, {"feed_forward": 100}, {"vocab_size": 0}]
)
def test_a_wrong_shape_is_refused(wrong: dict) -> None:
    with pytest.raises(RequestError, match="model settings"):
        GptConfig(**{"vocab_size": 100, **wrong})
