from __future__ import annotations

import pytest
import torch

from munmaek.core.errors import RequestError
from munmaek.systems.ulmfit.model import UlmfitConfig, UlmfitForPreTraining, WeightDropLstm


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("padding", ["none", "right", "left"])
def test_no_state_depends_on_what_is_read_after_it(small, training: bool, padding: str) -> None:
    """Every position and layer: forward on nothing to the right, backward on nothing to the left, on no padding."""
    torch.manual_seed(0)
    seq, pads = 9, 0 if padding == "none" else 3
    ids = torch.randint(5, 60, (2, seq + pads))
    mask = torch.ones_like(ids, dtype=torch.bool)
    if pads:
        mask[:, slice(-pads, None) if padding == "right" else slice(0, pads)] = False
    begin = pads if padding == "left" else 0
    small.train(training)
    forward = small.config.direction == "forward"

    def read(tokens: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(9)  # the same dropout masks
        return small.encoder(tokens, mask, all_layers=True)

    before = read(ids)
    for place in range(begin, begin + seq):
        changed = ids.clone()
        changed[:, place] = (changed[:, place] + 1) % 50 + 5
        changed[~mask] = 7
        after = read(changed)
        unread = slice(begin, place) if forward else slice(place + 1, begin + seq)
        read_after = slice(place, begin + seq) if forward else slice(begin, place + 1)
        assert torch.equal(before[:, :, unread], after[:, :, unread]), place
        if not training:  # a mask may hide the word
            assert ((before[1:, :, read_after] - after[1:, :, read_after]).abs().amax((1, 3)) > 0).all(), place


def test_padding_changes_no_state(small) -> None:
    torch.manual_seed(0)
    ids = torch.randint(5, 60, (1, 8))
    alone = small.encoder(ids, all_layers=True)
    for left, right in ((0, 5), (5, 0), (2, 3)):
        padded = torch.nn.functional.pad(ids, (left, right))
        mask = torch.nn.functional.pad(torch.ones_like(ids, dtype=torch.bool), (left, right))
        states = small.encoder(padded, mask, all_layers=True)[:, :, left : left + 8]
        torch.testing.assert_close(states, alone, atol=1e-6, rtol=0)


def test_a_window_cuts_gradients_and_nothing_else() -> None:
    torch.manual_seed(0)
    layer = WeightDropLstm(6, 8, 0.0)
    inputs = torch.randn(10, 2, 6, requires_grad=True)
    whole, end = layer(inputs)
    cut, cut_end = layer(inputs, None, 4)
    torch.testing.assert_close(whole, cut, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(end, cut_end, atol=1e-6, rtol=1e-6)
    (far,) = torch.autograd.grad(whole[-1].sum(), inputs)
    (near,) = torch.autograd.grad(cut[-1].sum(), inputs)
    assert far[0].any()
    assert not near[:8].any(), "the last window is the third: tokens 8 and 9"
    assert near[8:].any()


def test_reading_on_equals_reading_at_once(small) -> None:
    torch.manual_seed(0)
    ids = torch.randint(5, 60, (12, 3))
    whole = small.encoder.read(ids)
    first = small.encoder.read(ids[:5])
    second = small.encoder.read(ids[5:], first.ends)
    for place in range(4):
        joined = torch.cat([first.layers[place], second.layers[place]])
        torch.testing.assert_close(joined, whole.layers[place], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(second.ends, whole.ends, atol=1e-6, rtol=1e-6)


def test_narrow_layers_are_filled_up_with_zeros(small) -> None:
    states = small.encoder(torch.arange(5, 12)[None], all_layers=True)
    assert states.shape == (4, 1, 7, 24)
    assert not states[[0, 3], :, :, 16:].any()
    assert states[1:3, :, :, 16:].any()
    assert torch.equal(small.encoder(torch.arange(5, 12)[None]), states[3, :, :, :16])


def test_bf16_is_close() -> None:
    torch.manual_seed(0)
    model = UlmfitForPreTraining(UlmfitConfig(50, 32, 48, 2)).eval()
    ids = torch.randint(0, 50, (4, 20))
    exact = model(ids, ids > -1, ids.roll(1, 1)).loss
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(ids, ids > -1, ids.roll(1, 1)).loss
    assert float(rough.detach()) == pytest.approx(float(exact.detach()), rel=2e-3)


def test_base_is_the_papers_size(card) -> None:
    config = UlmfitConfig(vocab_size=10, **card.presets["base"])
    assert (config.dim, config.hidden, config.num_layers) == (400, 1152, 3)
    assert config.sizes() == [(400, 1152), (1152, 1152), (1152, 400)]
    rates = [config.rate(name) for name in ("input", "output", "weight", "embedding", "hidden")]
    assert rates == [0.25, 0.1, 0.2, 0.02, 0.15]


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"direction": "sideways"}, {"dropout_factor": 4.5}, {"window": 0}])
def test_settings_are_checked(wrong) -> None:
    with pytest.raises(RequestError, match="model settings"):
        UlmfitConfig(vocab_size=10, **wrong)


def test_memory_lets_a_state_know_the_first_token_after_thirty() -> None:
    def influence(memory: int) -> float:
        torch.manual_seed(0)
        layer = WeightDropLstm(16, 32, 0.0, memory)
        inputs = torch.randn(31, 4, 16, requires_grad=True)
        states, _ = layer(inputs)
        (grad,) = torch.autograd.grad(states[-1].square().sum(), inputs)
        return float(grad[0].norm() / grad[-1].norm())

    assert influence(0) < 1e-4
    assert influence(64) > 0.05


def test_a_negative_memory_is_refused() -> None:
    with pytest.raises(RequestError, match="memory"):
        UlmfitConfig(vocab_size=10, memory=-1)
