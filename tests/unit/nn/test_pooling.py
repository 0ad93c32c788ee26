from __future__ import annotations

import pytest
import torch

from munmaek.core.errors import RequestError
from munmaek.nn.pooling import POOLINGS, pool

STATES = torch.tensor([[[1.0, -5.0], [3.0, -1.0], [90.0, 90.0]], [[2.0, 2.0], [4.0, 0.0], [6.0, 7.0]]])
MASK = torch.tensor([[True, True, False], [True, True, True]])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", [[2.0, -3.0], [4.0, 3.0]]),
        ("max", [[3.0, -1.0], [6.0, 7.0]]),
        ("first", [[1.0, -5.0], [2.0, 2.0]]),
        ("last", [[3.0, -1.0], [6.0, 7.0]]),
    ],
)
def test_each_pooling_sees_real_tokens_only(how: str, expected: list[list[float]]) -> None:
    torch.testing.assert_close(pool(STATES, MASK, how), torch.tensor(expected))


@pytest.mark.parametrize("how", POOLINGS)
def test_padding_changes_nothing_not_even_when_it_is_not_a_number(how: str) -> None:
    longer = torch.cat([STATES, torch.full((2, 4, 2), float("nan"))], 1)
    longer[0, 2] = float("nan")
    mask = torch.cat([MASK, torch.zeros(2, 4, dtype=torch.bool)], 1)
    torch.testing.assert_close(pool(longer, mask, how), pool(STATES, MASK, how))


@pytest.mark.parametrize("how", ["mean", "max"])
def test_a_row_of_nothing_gives_zeros(how: str) -> None:
    assert torch.equal(pool(STATES, torch.zeros_like(MASK), how), torch.zeros(2, 2))


def test_low_precision_means_are_summed_in_fp32() -> None:
    states = torch.ones(1, 4096, 1, dtype=torch.bfloat16) * 1.01
    found = pool(states, torch.ones(1, 4096, dtype=torch.bool), "mean")
    assert found.dtype == torch.bfloat16
    assert abs(found.item() - states[0, 0, 0].item()) < 1e-6


def test_another_word_is_refused_by_name() -> None:
    with pytest.raises(RequestError, match=r"'median'.*mean, first, last, max"):
        pool(STATES, MASK, "median")
