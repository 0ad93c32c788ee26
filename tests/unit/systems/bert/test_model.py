from __future__ import annotations

import math

import pytest
import torch

from munmaek.core.errors import RequestError
from munmaek.systems.bert.model import PRESETS, BertConfig, BertForPreTraining

PARAMETERS = {  # Turc 2019, table 1: millions with the English vocabulary of 30,522 words, encoder and pooler
    "tiny": 4.4, "mini": 11.2, "small": 28.8, "medium": 41.4, "base": 109.5,
}  # fmt: skip


@pytest.mark.parametrize("size", PRESETS)
def test_presets_have_the_published_sizes(size: str) -> None:
    with torch.device("meta"):
        model = BertForPreTraining(BertConfig(vocab_size=30522, **PRESETS[size]))
    count = sum(parameter.numel() for parameter in model.bert.parameters())
    assert abs(count / 1e6 - PARAMETERS[size]) < 0.06


def test_weights_begin_as_published(small) -> None:
    torch.manual_seed(0)
    model = BertForPreTraining(BertConfig(vocab_size=2000, dim=128, num_layers=1, num_heads=2))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif "norm" in name:
            assert (parameter == 1).all(), name
        else:
            assert abs(parameter.std().item() - 0.02) < 0.002, name
            assert abs(parameter.mean().item()) < 0.002, name


def inputs(model, rows: int = 3, seq: int = 10) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    mask = torch.arange(seq).repeat(rows, 1) < torch.tensor([[seq], [seq - 3], [4]])[:rows]
    return {
        "input_ids": torch.randint(5, model.config.vocab_size, (rows, seq)),
        "attention_mask": mask,
        "token_type_ids": (torch.arange(seq) >= 5).long().repeat(rows, 1),
    }


def test_shapes(small) -> None:
    batch = inputs(small)
    assert small.bert(**batch).shape == (3, 10, 32)
    assert small.bert(**batch, all_layers=True).shape == (3, 3, 10, 32)
    output = small(**batch)
    assert output.word_logits.shape == (3, 10, small.config.vocab_size)
    assert output.pair_logits.shape == (3, 2)
    assert output.word_loss is None
    at = small(**batch, masked_positions=torch.tensor([[1, 2], [3, 0], [2, 2]]))
    assert torch.equal(at.word_logits[1, 0], small(**batch).word_logits[1, 3])


def test_the_initial_loss_is_ln_v_and_ln_2(small) -> None:
    batch = inputs(small)
    labels = torch.randint(5, small.config.vocab_size, (3, 10))
    output = small(**batch, masked_positions=torch.arange(10).repeat(3, 1), masked_labels=labels)
    assert abs(output.word_loss.item() / 30 - math.log(small.config.vocab_size)) < 0.1
    pair = torch.nn.functional.cross_entropy(output.pair_logits, torch.tensor([0, 1, 0]))
    assert abs(pair.item() - math.log(2)) < 0.05


def test_labels_count_only_where_their_weight_is_true(small) -> None:
    batch = inputs(small)
    positions, labels = torch.tensor([[1, 4], [2, 0], [3, 1]]), torch.tensor([[6, 7], [8, 0], [9, 11]])
    weights = torch.tensor([[True, True], [True, False], [True, True]])
    with torch.no_grad():
        whole = small(**batch, masked_positions=positions, masked_labels=labels, masked_weights=weights)
        logits = small(**batch).word_logits
    rows = torch.arange(3)[:, None].expand(3, 2)[weights]
    expected = torch.nn.functional.cross_entropy(logits[rows, positions[weights]], labels[weights], reduction="sum")
    torch.testing.assert_close(whole.word_loss, expected)
    labels[1, 1] = 99
    again = small(**batch, masked_positions=positions, masked_labels=labels, masked_weights=weights)
    assert again.word_loss.item() == pytest.approx(whole.word_loss.item())


def test_padding_changes_nothing(small) -> None:
    batch = inputs(small)
    longer = {n: torch.cat([a, torch.ones(3, 7, dtype=a.dtype)], 1) for n, a in batch.items()}
    longer["attention_mask"][:, 10:] = False
    mask = batch["attention_mask"]
    short, long = small.bert(**batch), small.bert(**longer)
    torch.testing.assert_close(long[:, :10][mask], short[mask], rtol=1e-5, atol=1e-6)


def test_a_row_does_not_depend_on_its_batch(small) -> None:
    batch = inputs(small)
    whole = small.bert(**batch)
    for row in range(3):
        alone = small.bert(**{n: a[row : row + 1] for n, a in batch.items()})
        mask = batch["attention_mask"][row]
        torch.testing.assert_close(alone[0][mask], whole[row][mask], rtol=1e-5, atol=1e-6)


def test_left_out_inputs_mean_no_padding_and_segment_a(small) -> None:
    ids = inputs(small)["input_ids"]
    full = small.bert(ids, torch.ones_like(ids, dtype=torch.bool), torch.zeros_like(ids))
    torch.testing.assert_close(small.bert(ids), full)


def test_word_order_segments_and_context_matter(small) -> None:
    ids = inputs(small)["input_ids"]
    states = small.bert(ids)
    assert not torch.allclose(small.bert(ids.flip(1)).flip(1), states)
    assert not torch.allclose(small.bert(ids, None, torch.ones_like(ids)), states)
    other = ids.clone()
    other[:, -1] = 5 + (ids[:, -1] - 4) % 20
    assert not torch.allclose(small.bert(other)[:, 0], states[:, 0])


def test_the_output_matrix_is_the_word_embeddings(small) -> None:
    states = torch.randn(2, 32)
    before = small.word_logits(states)
    with torch.no_grad():
        small.bert.embeddings.words.weight[7] *= 2
    after = small.word_logits(states)
    changed = (before != after).any(0)
    assert changed[7]
    assert changed.sum() == 1


@pytest.mark.parametrize(
    "settings",
    [{"dim": 30, "num_heads": 4}, {"num_layers": 0}, {"vocab_size": 0}, {"dropout": 1.0}, {"attention_dropout": -0.1}],
)
def test_impossible_shapes_are_refused(settings) -> None:
    with pytest.raises(RequestError, match="model settings"):
        BertConfig(**{"vocab_size": 100, **settings})
    assert BertConfig(100, dim=32).feed_forward == 128


def test_autocast_keeps_the_loss_in_fp32(small) -> None:
    batch = inputs(small)
    labels = torch.randint(5, small.config.vocab_size, (3, 10))
    given = {"masked_positions": torch.arange(10).repeat(3, 1), "masked_labels": labels}
    with torch.autocast("cpu", torch.bfloat16):
        low = small(**batch, **given)
    assert low.word_loss.dtype == torch.float32
    high = small(**batch, **given)
    assert abs(low.word_loss.item() / high.word_loss.item() - 1) < 0.01
    low.word_loss.backward()
    assert all(p.grad is None or p.grad.dtype == torch.float32 for p in small.parameters())
