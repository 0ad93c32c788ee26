from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from munmaek.nn.softmax import CHUNK, ROW_STEP, linear_cross_entropy, rows_at, start_at_frequencies

ROWS = CHUNK["cpu"]


def make(rows: int, dim: int = 12, vocab: int = 40) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(rows)
    hidden, weight = torch.randn(rows, dim, requires_grad=True), torch.randn(vocab, dim, requires_grad=True)
    return hidden, weight, torch.randn(vocab, requires_grad=True), torch.randint(vocab, (rows,))


def test_a_softmax_starts_at_frequencies() -> None:
    bias = torch.nn.Parameter(torch.randn(4))
    start_at_frequencies(bias, np.array([0, 6, 2, 89], np.int64))
    torch.testing.assert_close(torch.softmax(bias.detach(), 0), torch.tensor([0.01, 0.07, 0.03, 0.9]) / 1.01)
    assert float(bias.detach().exp().mean()) == pytest.approx(1)


@pytest.mark.parametrize("rows", [1, 7, ROWS, ROWS + 1, 3 * ROWS - 5])
def test_loss_and_gradients_are_those_of_linear_and_cross_entropy(rows: int) -> None:
    hidden, weight, bias, targets = make(rows)
    loss, hits = linear_cross_entropy(hidden, weight, bias, targets)
    assert hits is None
    found = torch.autograd.grad(loss * 0.3, (hidden, weight, bias))
    expected = F.cross_entropy(F.linear(hidden, weight, bias), targets, reduction="sum")
    wanted = torch.autograd.grad(expected * 0.3, (hidden, weight, bias))
    torch.testing.assert_close(loss, expected)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spare", [1, 50])
def test_padding_rows_give_no_loss_and_no_gradient(spare: int) -> None:
    hidden, weight, bias, targets = make(ROWS + 30)
    wanted = torch.autograd.grad(linear_cross_entropy(hidden, weight, bias, targets)[0], (hidden, weight, bias))
    padded = torch.cat([hidden, torch.full((spare, hidden.shape[1]), 9.0)])
    loss, _ = linear_cross_entropy(padded, weight, bias, targets)
    torch.testing.assert_close(loss, linear_cross_entropy(hidden, weight, bias, targets)[0])
    for ours, theirs in zip(torch.autograd.grad(loss, (hidden, weight, bias)), wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
    with torch.no_grad():
        kept = [float(x) for x in linear_cross_entropy(padded, weight, bias, targets) if x is not None]
        plain = [float(x) for x in linear_cross_entropy(hidden, weight, bias, targets) if x is not None]
    assert kept == pytest.approx(plain)


def test_without_gradients_it_counts_the_hits() -> None:
    hidden, weight, bias, targets = make(2 * ROWS + 3)
    logits = F.linear(hidden, weight, bias)
    targets[::3] = logits.argmax(1)[::3]
    with torch.no_grad():
        loss, hits = linear_cross_entropy(hidden, weight, bias, targets)
    torch.testing.assert_close(loss, F.cross_entropy(logits, targets, reduction="sum").detach())
    assert hits is not None
    assert int(hits) == int((logits.argmax(1) == targets).sum())


def test_no_rows_give_a_loss_of_nothing() -> None:
    hidden, weight, bias, targets = make(0)
    loss, _ = linear_cross_entropy(hidden, weight, bias, targets)
    loss.backward()
    assert loss.item() == 0
    assert not weight.grad.any()


def test_under_autocast_it_is_near_fp32() -> None:
    hidden, weight, bias, targets = make(100)
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = linear_cross_entropy(hidden, weight, bias, targets)
    assert loss.dtype == torch.float32
    expected = F.cross_entropy(F.linear(hidden, weight, bias), targets, reduction="sum")
    assert abs(loss.item() / expected.item() - 1) < 0.02
    loss.backward()
    assert weight.grad.dtype == torch.float32


@pytest.mark.parametrize("chosen", [0, 1, ROW_STEP - 1, ROW_STEP, ROW_STEP + 1])
def test_chosen_states_come_first_and_fill_whole_steps(chosen: int) -> None:
    states = torch.randn(7, 11, 3)
    places = torch.randperm(77)[:chosen]
    rows = rows_at(states, places)
    assert torch.equal(rows[:chosen], states.reshape(77, 3)[places])
    assert len(rows) % ROW_STEP == 0
    assert len(rows) - chosen < ROW_STEP
