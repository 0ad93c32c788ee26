from __future__ import annotations

import torch

from munmaek.nn.heads import Linear, WordTransform


def test_linear_head_is_one_affine_map_in_evaluation_and_drops_in_training() -> None:
    torch.manual_seed(0)
    head = Linear(8, 3, dropout=0.5)
    vectors = torch.randn(5, 8)
    expected = vectors @ head.output.weight.T + head.output.bias
    torch.testing.assert_close(head.eval()(vectors), expected)
    assert not torch.allclose(head.train()(vectors), expected)


def test_linear_head_starts_small_and_unbiased() -> None:
    torch.manual_seed(0)
    head = Linear(500, 200)
    assert abs(head.output.weight.std().item() - 0.02) < 0.001
    assert not head.output.bias.any()


def test_word_transform_is_dense_then_gelu_then_norm() -> None:
    torch.manual_seed(0)
    head = WordTransform(16)
    states = torch.randn(4, 16)
    inner = torch.nn.functional.gelu(head.dense(states))
    expected = (inner - inner.mean(1, keepdim=True)) / inner.std(1, correction=0, keepdim=True)
    torch.testing.assert_close(head(states), expected)
