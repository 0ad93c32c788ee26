from __future__ import annotations

import pytest
import torch
from torch import nn

from munmaek.nn.transformer import (
    Block,
    Dropout,
    FeedForward,
    LayerNorm,
    PostNorm,
    PreNorm,
    SelfAttention,
    attend,
    dropout,
    dropout_set_to,
    working_type,
)  # fmt: skip


def make_block(kind=PostNorm, dim: int = 16, rate: float = 0.0) -> Block:
    torch.manual_seed(0)
    return Block(kind(SelfAttention(dim, 4, rate), dim, dropout=rate), kind(FeedForward(dim, 24), dim, dropout=rate))


def test_attend_is_scaled_dot_product_attention() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 5, 8).unbind(0)
    mask = torch.tensor([[True] * 5, [True, True, False, True, False]])
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, mask[:, None, None, :])
    torch.testing.assert_close(attend(query, key, value, mask), expected)
    whole = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(attend(query, key, value, None), whole)


def test_hidden_positions_have_no_influence_at_all() -> None:
    block = make_block().eval()
    states = torch.randn(2, 6, 16)
    mask = torch.tensor([[True] * 6, [True, True, True, False, False, False]])
    changed = states.clone()
    changed[1, 3:] = 100.0
    first, second = block(states, mask), block(changed, mask)
    assert torch.equal(first[1, :3], second[1, :3])
    torch.testing.assert_close(first[1:, :3], block(states[1:, :3]))


@pytest.mark.parametrize("heads", [1, 2, 8])
def test_self_attention_is_torchs(heads: int) -> None:
    torch.manual_seed(1)
    ours = SelfAttention(16, heads).eval()
    theirs = nn.MultiheadAttention(16, heads, batch_first=True).eval()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias)
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.out_proj.bias.copy_(ours.output.bias)
    states = torch.randn(3, 7, 16)
    torch.testing.assert_close(ours(states), theirs(states, states, states)[0])


def test_post_norm_and_pre_norm_differ_in_where_the_norm_stands() -> None:
    inner = FeedForward(8, 12)
    states = torch.randn(1, 3, 8)
    post, pre = PostNorm(inner, 8), PreNorm(inner, 8)
    torch.testing.assert_close(post(states), post.norm(states + inner(states)))
    torch.testing.assert_close(pre(states), states + inner(pre.norm(states)))
    assert not torch.allclose(post(states), pre(states))


@pytest.mark.parametrize("kind", [PostNorm, PreNorm])
def test_every_parameter_of_a_block_gets_a_gradient(kind) -> None:
    block = make_block(kind, rate=0.1).train()
    (block(torch.randn(4, 9, 16), torch.arange(9).repeat(4, 1) < 7) * torch.randn(16)).sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize("shape", [(1000, 301), (7,)])
def test_dropout_drops_its_share_and_keeps_the_mean(rate: float, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    values = torch.ones(shape, requires_grad=True)
    dropped = dropout(values, rate)
    kept = dropped != 0
    assert dropped.shape == values.shape
    torch.testing.assert_close(dropped[kept], torch.full_like(dropped[kept], 1 / (1 - rate)), rtol=1e-4, atol=0)
    if values.numel() > 1000:
        assert abs(kept.float().mean().item() - (1 - rate)) < 0.003
        assert abs(dropped.mean().item() - 1) < 0.01
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


def test_dropout_draws_anew_each_time_and_the_same_from_the_same_seed() -> None:
    values = torch.ones(5000)
    torch.manual_seed(3)
    first, second = dropout(values, 0.3), dropout(values, 0.3)
    torch.manual_seed(3)
    assert torch.equal(first, dropout(values, 0.3))
    assert not torch.equal(first, second)
    assert dropout(values, 0.0) is values


def test_dropout_module_acts_in_training_only() -> None:
    module = Dropout(0.5)
    values = torch.ones(1000)
    assert (module.train()(values) == 0).any()
    assert module.eval()(values) is values
    assert repr(module) == "Dropout(0.5)"


def test_dropout_set_to_holds_while_entered_even_through_an_error() -> None:
    block = make_block(rate=0.2)
    rates = [module.rate for module in block.modules() if isinstance(module, Dropout)]
    assert rates == [0.2] * 3
    with dropout_set_to(block, 0.0):
        assert {m.rate for m in block.modules() if isinstance(m, Dropout)} == {0.0}
        states = torch.randn(2, 5, 16)
        assert torch.equal(block.train()(states), block.eval()(states))
    with pytest.raises(KeyError), dropout_set_to(block, 0.7):
        raise KeyError
    with dropout_set_to(block, -1.0):
        assert [m.rate for m in block.modules() if isinstance(m, Dropout)] == rates
    assert [m.rate for m in block.modules() if isinstance(m, Dropout)] == rates


def test_attention_dropout_acts_in_training_only() -> None:
    attention = SelfAttention(16, 4, dropout=0.5)
    states = torch.randn(2, 9, 16)
    assert not torch.allclose(attention.train()(states), attention.eval()(states))
    assert torch.equal(attention(states), attention(states))


def test_layer_norm_in_fp32_is_torchs_and_under_autocast_stays_in_bf16() -> None:
    ours, theirs = LayerNorm(32, 1e-12), nn.LayerNorm(32, 1e-12)
    nn.init.normal_(ours.weight)
    theirs.load_state_dict(ours.state_dict())
    values = torch.randn(4, 32) * 3 + 1
    assert torch.equal(ours(values), theirs(values))
    assert working_type(values) == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert working_type(values) == torch.bfloat16
        low = ours(values)
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), theirs(values), rtol=0.02, atol=0.05)


def test_a_block_under_autocast_is_near_fp32() -> None:
    block = make_block().eval()
    states = torch.randn(3, 8, 16)
    mask = torch.arange(8).repeat(3, 1) < torch.tensor([[8], [5], [2]])
    with torch.autocast("cpu", torch.bfloat16):
        low = block(states, mask)
    torch.testing.assert_close(low.float()[mask], block(states, mask)[mask], rtol=0.05, atol=0.06)


def test_another_activation_goes_into_its_slot() -> None:
    network = FeedForward(4, 6, nn.ReLU())
    states = torch.randn(2, 4)
    torch.testing.assert_close(network(states), network.down(network.up(states).relu()))
    assert isinstance(FeedForward(4, 6).activation, nn.GELU)
    assert FeedForward(4, 6).activation.approximate == "none"
