"""The scalar mix: equation 1, a planted layer that it finds, layer dropout and layer norm."""

from __future__ import annotations

import pytest
import torch

from munmaek.nn.mix import ScalarMix


def test_it_is_equation_1() -> None:
    mix = ScalarMix(3)
    with torch.no_grad():
        mix.scores.copy_(torch.tensor([0.3, -1.0, 2.0]))
        mix.gamma.fill_(1.7)
    states = torch.randn(3, 2, 4, 5)
    exponentials = torch.tensor([0.3, -1.0, 2.0]).exp()
    expected = 1.7 * sum(e / exponentials.sum() * layer for e, layer in zip(exponentials, states, strict=True))
    torch.testing.assert_close(mix(states), expected)
    torch.testing.assert_close(ScalarMix(3)(states), states.mean(0))


@pytest.mark.parametrize("planted", [0, 1, 2])
@pytest.mark.parametrize("layer_dropout", [0.0, 0.2])
def test_it_finds_a_planted_layer_and_its_scale(planted: int, layer_dropout: float) -> None:
    torch.manual_seed(planted)
    mix = ScalarMix(3, layer_dropout)
    optimizer = torch.optim.Adam(mix.parameters(), lr=0.1)
    for _ in range(300):
        states = torch.randn(3, 4, 6, 8)
        ((mix(states) - 2.5 * states[planted]) ** 2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert float(mix.weights()[planted]) > 0.9
    if not layer_dropout:
        assert float(mix.gamma.detach()) == pytest.approx(2.5, abs=0.15)


def test_layer_dropout_leaves_out_the_asked_share_and_never_all() -> None:
    torch.manual_seed(0)
    mix = ScalarMix(2, 0.5)
    states = torch.stack([torch.ones(1, 1, 1), torch.zeros(1, 1, 1)])
    found = torch.stack([mix(states).detach().flatten() for _ in range(2000)]).flatten()
    shares = [float((found == value).float().mean()) for value in (0.0, 0.5, 1.0)]
    assert sum(shares) == pytest.approx(1)
    # one layer out: a quarter each; none or (kept then) both: a half
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.04)
    mix.eval()
    assert float(mix(states).detach()) == 0.5


def test_layer_norm_makes_layers_of_any_scale_equal() -> None:
    states = torch.randn(3, 2, 4, 16)
    scaled = states * torch.tensor([1.0, 100.0, 10.0])[:, None, None, None] + 3
    torch.testing.assert_close(ScalarMix(3, layer_norm=True)(scaled), ScalarMix(3, layer_norm=True)(states),
                               atol=1e-4, rtol=1e-4)  # fmt: skip
    alone = ScalarMix(3, layer_norm=True)(states[:, :1])
    torch.testing.assert_close(ScalarMix(3, layer_norm=True)(states)[:1], alone)
