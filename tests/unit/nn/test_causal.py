from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from munmaek.nn.causal import CausalSelfAttention, Sight, attend_before, sight_of


def heads(queries: int, keys: int) -> list[torch.Tensor]:
    torch.manual_seed(queries * keys)
    return [torch.randn(2, 3, size, 8, requires_grad=True) for size in (queries, keys, keys)]


def by_hand(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """One query after another, over the keys that it sees: the slow plain twin."""
    found = torch.zeros_like(query)
    for row in range(query.shape[0]):
        for head in range(query.shape[1]):
            for place in range(query.shape[2]):
                keys = seen[min(row, len(seen) - 1), place].nonzero()[:, 0]
                scores = key[row, head, keys] @ query[row, head, place] / math.sqrt(query.shape[-1])
                found[row, head, place] = torch.softmax(scores, 0) @ value[row, head, keys]
    return found


@pytest.mark.parametrize(("queries", "keys"), [(6, 6), (1, 5), (3, 7), (1, 1)])
def test_attention_is_that_of_the_plain_twin(queries: int, keys: int) -> None:
    query, key, value = heads(queries, keys)
    seen = torch.ones(1, queries, keys, dtype=torch.bool).tril(keys - queries)
    torch.testing.assert_close(attend_before(query, key, value, Sight()), by_hand(query, key, value, seen))


def test_attention_and_its_gradients_are_those_of_torchs_own() -> None:
    query, key, value = heads(9, 9)
    found = attend_before(query, key, value, Sight())
    expected = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(found, expected)
    ours = torch.autograd.grad(found.square().sum(), (query, key, value), retain_graph=True)
    theirs = torch.autograd.grad(expected.square().sum(), (query, key, value))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_mask_hides_padding_and_leaves_no_row_blind() -> None:
    mask = torch.tensor([[False, False, True, True], [True, True, True, False]])
    seen = sight_of(mask)
    assert bool(seen.any(2).all())
    assert seen[0].tolist() == [
        [True, False, False, False], [False, True, False, False],
        [False, False, True, False], [False, False, True, True],
    ]  # fmt: skip
    query, key, value = heads(4, 4)
    torch.testing.assert_close(attend_before(query, key, value, Sight(seen)), by_hand(query, key, value, seen))


def test_a_past_is_read_and_left_as_it_was() -> None:
    torch.manual_seed(0)
    attention = CausalSelfAttention(16, 4).eval()
    states = torch.randn(2, 7, 16)
    with torch.no_grad():
        whole = attention(states)
        first = Sight(keep=True)
        begun = attention(states[:, :4], first)
        past = tuple(first.present)
        kept = past[0][0].clone()
        found = [begun]
        for place in range(4, 7):
            sight = Sight(past=past, keep=True)
            found.append(attention(states[:, place : place + 1], sight))
            past = tuple(sight.present)
    torch.testing.assert_close(torch.cat(found, 1), whole)
    assert torch.equal(first.present[0][0], kept)
    assert past[0][0].shape == (2, 4, 7, 4)


def test_without_bias_the_softmax_is_the_plain_one_in_blocks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from munmaek.nn import softmax

    monkeypatch.setattr(softmax, "BLOCK", 8)
    torch.manual_seed(4)
    hidden, weight = torch.randn(30, 6, requires_grad=True), torch.randn(20, 6, requires_grad=True)
    targets = torch.randint(20, (27,))
    loss, _ = softmax.linear_cross_entropy(hidden, weight, None, targets)
    expected = F.cross_entropy((hidden @ weight.T)[:27], targets, reduction="sum")
    torch.testing.assert_close(loss, expected)
    ours, theirs = (torch.autograd.grad(value, (hidden, weight)) for value in (loss, expected))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
