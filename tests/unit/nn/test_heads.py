from __future__ import annotations

import torch

from munmaek.nn.heads import Agreement, Linear, Meeting, WordTransform, meet, meeting_width


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


def test_usages_agree_by_the_cosines_of_word_and_rest_in_every_layer() -> None:
    torch.manual_seed(0)
    head, usages = Agreement(3, 16, 2), torch.randn(5, 2, 2, 3, 16)
    head.centre.copy_(torch.randn(2, 3, 16))
    found = head.compare(usages)
    assert found.shape == (5, 6)
    for kind in (0, 1):
        for layer in range(3):
            one, other = (usages[:, place, kind, layer] - head.centre[kind, layer] for place in (0, 1))
            wanted = (one * other).sum(1) / one.norm(dim=1) / other.norm(dim=1)
            torch.testing.assert_close(found[:, 3 * kind + layer], wanted)
    torch.testing.assert_close(head.compare(usages.flip(1)), found)
    torch.testing.assert_close(head(found), found @ head.output.weight.T + head.output.bias)
    assert torch.isfinite(head.compare(torch.zeros_like(usages) + head.centre)).all(), "nothing but what all share"


def test_two_vectors_meet() -> None:
    u, v = torch.tensor([[3.0, 0.0, 4.0]]), torch.tensor([[0.0, 1.0, 4.0]])
    found = meet(u, v)
    assert found.shape == (1, meeting_width(3))
    wanted = [3, 0, 4, 0, 1, 4, 3, 1, 0, 0, 0, 16, 16 / (5 * 17**0.5)]
    torch.testing.assert_close(found, torch.tensor([wanted]))


def test_a_row_alone_meets_by_the_statistics_so_far() -> None:
    torch.manual_seed(0)
    head = Meeting(5, 2, dropout=0.0)
    head(torch.randn(64, 5) * 3 + 7)
    row = torch.randn(1, 5)
    training = head(row)
    torch.testing.assert_close(training, head.eval()(row))
