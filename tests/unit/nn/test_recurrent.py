"""The LSTM core against a plain one that steps and differentiates by itself; reading orders; nothing leaks."""

from __future__ import annotations

import pytest
import torch

from munmaek.nn.recurrent import BiLstm, put_back, reading_orders, remember, scan, scan_simple

DIRS, SEQ, BATCH, INPUTS, SIZE = 2, 7, 5, 6, 8


def plain(inputs, weight_input, weight_state, bias, projection, start, cell_clip, state_clip):
    """One time after another, as the equations are written; autograd finds the gradients."""
    dirs, seq, batch, _ = inputs.shape
    size, width = weight_state.shape[1] // 4, weight_state.shape[2]
    state, cell = start or (inputs.new_zeros(dirs, batch, width), inputs.new_zeros(dirs, batch, size))
    states, cells = [], []
    for t in range(seq):
        gates = inputs[:, t] @ weight_input.transpose(1, 2) + state @ weight_state.transpose(1, 2) + bias[:, None]
        enter, forget, leave, new = gates.split(size, -1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
        if cell_clip:
            cell = cell.clamp(-cell_clip, cell_clip)
        state = leave.sigmoid() * cell.tanh()
        if projection is not None:
            state = state @ projection.transpose(1, 2)
            if state_clip:
                state = state.clamp(-state_clip, state_clip)
        states.append(state)
        cells.append(cell)
    return torch.stack(states, 1), torch.stack(cells, 1)


@pytest.fixture
def given():
    """Factory of (tensors with gradients, start)."""

    def make(projected: bool, started: bool):
        torch.manual_seed(3)
        width = 4 if projected else SIZE
        shapes = [(SEQ, BATCH, INPUTS), (4 * SIZE, INPUTS), (4 * SIZE, width), (4 * SIZE,)]
        shapes += [(width, SIZE)] if projected else []
        tensors = [(torch.randn(DIRS, *shape) * 0.6).requires_grad_() for shape in shapes]
        start = (torch.randn(DIRS, BATCH, width) * 0.1, torch.randn(DIRS, BATCH, SIZE) * 0.1) if started else None
        return tensors, start

    return make


@pytest.mark.parametrize("clips", [(0.0, 0.0), (0.3, 0.2)])
@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("projected", [False, True])
def test_states_cells_and_every_gradient_are_the_plain_ones(given, projected, started, clips) -> None:
    tensors, start = given(projected, started)
    rest = (tensors[4] if projected else None, start, *clips)
    ours, theirs = scan(*tensors[:4], *rest), plain(*tensors[:4], *rest)
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=1e-5)
    assert clips[0] == 0 or bool((ours[1].abs() == clips[0]).any()), "no cell reached its limit"
    assert not (projected and clips[1]) or bool((ours[0].abs() == clips[1]).any())
    asked = torch.randn_like(ours[0])
    gradients = [torch.autograd.grad((found[0] * asked).sum(), tensors) for found in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)


def test_it_is_torch_s_lstm_without_projection_and_clipping(given) -> None:
    tensors, _ = given(False, False)
    peer = torch.nn.LSTM(INPUTS, SIZE)
    order = torch.cat([torch.arange(SIZE) + part * SIZE for part in (0, 1, 3, 2)])  # torch: input, forget, new, output
    with torch.no_grad():
        for name, value in zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"), tensors[1:4], strict=True):
            getattr(peer, name).copy_(value[0][order])
        peer.bias_hh_l0.zero_()
        expected, _ = peer(tensors[0][0])
        found, _ = scan(*(tensor[:1] for tensor in tensors[:4]))
    torch.testing.assert_close(found[0], expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("started", [False, True])
def test_in_one_direction_torch_s_kernel_gives_what_the_plain_one_gives(given, started) -> None:
    tensors, start = given(False, started)
    before = (start[0][:1], start[1][:1]) if started else None
    states, ends = scan_simple(*(t[0] for t in tensors[:4]), None if before is None else (before[0][0], before[1][0]))
    theirs, cells = plain(*(t[:1] for t in tensors[:4]), None, before, 0.0, 0.0)
    torch.testing.assert_close(states, theirs[0], atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(ends, (theirs[0, -1], cells[0, -1]), atol=2e-6, rtol=1e-5)
    assert not any(end.requires_grad for end in ends)
    asked = torch.randn_like(states)
    gradients = [torch.autograd.grad((f * asked).sum(), tensors) for f in (states, theirs[0])]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("started", [False, True])
def test_in_one_direction_bfloat16_is_near_float32_and_gives_float32(given, started) -> None:
    tensors, start = given(False, started)
    before = (start[0][0], start[1][0]) if started else None
    exact, exact_ends = scan_simple(*(t[0] for t in tensors[:4]), before)
    with torch.autocast("cpu", torch.bfloat16):
        rough, rough_ends = scan_simple(*(t[0] for t in tensors[:4]), before)
    asked = torch.randn_like(exact)
    gradients = [torch.autograd.grad((f * asked).sum(), tensors[:4]) for f in (exact, rough)]
    for one, other in zip((exact, *exact_ends, *gradients[0]), (rough, *rough_ends, *gradients[1]), strict=True):
        assert other.dtype == torch.float32
        assert 0 < float((one - other).detach().norm() / one.detach().norm()) < 0.02


def test_bfloat16_products_are_near_float32_and_give_float32(given) -> None:
    tensors, _ = given(True, False)
    exact = scan(*tensors[:4], tensors[4], None, 3.0, 3.0)[0]
    with torch.autocast("cpu", torch.bfloat16):
        rough = scan(*tensors[:4], tensors[4], None, 3.0, 3.0)[0]
    assert rough.dtype == torch.float32
    assert 0 < float((rough - exact).detach().abs().max()) < 0.05
    asked = torch.randn_like(exact)
    for one, other in zip(*(torch.autograd.grad((f * asked).sum(), tensors) for f in (exact, rough)), strict=True):
        assert other.dtype == torch.float32
        assert float((one - other).norm() / one.norm()) < 0.05


MASKS = {
    "right": [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]],
    "left": [[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]],
    "holes": [[1, 0, 1, 0, 1], [0, 1, 1, 0, 0]],
}


@pytest.mark.parametrize("where", MASKS)
def test_orders_take_real_tokens_first_and_put_back_returns_them(where: str) -> None:
    mask = torch.tensor(MASKS[where], dtype=torch.bool)
    orders = reading_orders(mask)
    for row, flags in enumerate(MASKS[where]):
        real = [row * 5 + place for place, flag in enumerate(flags) if flag]
        assert orders[0, : len(real), row].tolist() == real
        assert orders[1, : len(real), row].tolist() == real[::-1]
    values = torch.arange(10.0).view(10, 1)[orders]
    assert put_back(values, orders)[..., 0].flatten().tolist() == list(range(10))
    assert put_back(values, orders)[..., 1].flatten().tolist() == list(range(10))


@pytest.mark.parametrize("where", MASKS)
def test_padding_anywhere_changes_no_state(where: str) -> None:
    torch.manual_seed(0)
    layer = BiLstm(4, 6, 3, 3.0, 3.0)
    mask = torch.tensor(MASKS[where], dtype=torch.bool)
    inputs = torch.randn(2, 5, 4)
    found = put_back(layer(inputs.flatten(0, 1)[reading_orders(mask)])[0], reading_orders(mask))
    for row in range(2):
        alone, whole = inputs[row][mask[row]][None], torch.ones(1, int(mask[row].sum()), dtype=torch.bool)
        orders = reading_orders(whole)
        expected = put_back(layer(alone.flatten(0, 1)[orders])[0], orders)[0]
        torch.testing.assert_close(found[row][mask[row]], expected)


def test_one_direction_alone_is_the_forward_one() -> None:
    torch.manual_seed(0)
    layer = BiLstm(4, 6, 3)
    inputs = torch.randn(2, 5, 3, 4)
    torch.testing.assert_close(layer(inputs[:1])[0][0], layer(inputs)[0][0])


def test_gates_that_remember_start_at_log_times_and_leave_the_others() -> None:
    torch.manual_seed(0)
    bias = torch.full((4 * 500,), 0.25)
    remember(bias, 32)
    enter, forget, leave, new = bias.chunk(4)
    assert torch.equal(enter, -forget)
    assert torch.equal(torch.cat([leave, new]), torch.full((1000,), 0.25))
    times = forget.exp()
    assert 1 <= float(times.min()) < 2
    assert 30 < float(times.max()) <= 31
    assert 14.5 < float(times.mean()) < 17.5  # uniform from 1 to 31, not log-uniform


@pytest.mark.parametrize("tokens", [0, 1])
def test_gates_that_need_not_remember_stay_as_they_are(tokens: int) -> None:
    bias = torch.randn(12)
    before = bias.clone()
    remember(bias, tokens)
    assert torch.equal(bias, before)


def test_memory_takes_the_place_of_the_forget_bias() -> None:
    torch.manual_seed(0)
    layer = BiLstm(4, 600, 3, forget_bias=1.0, memory=32)
    for bias in layer.biases:
        enter, forget, _, _ = bias.detach().chunk(4)
        torch.testing.assert_close(forget + layer.forget_bias, -enter)
        assert 0 <= float((forget + 1).min()) < 0.3
        assert 3.3 < float((forget + 1).max()) <= 3.44  # log 31
