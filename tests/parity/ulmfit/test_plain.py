"""The AWD-LSTM against a plain one written from the papers, token by token and gate by gate, with the same masks.

fastai needs torchvision, which a CPU build cannot have, so the reference is ours: Hochreiter 1997 and Gers 2000 for the
cell, Merity 2018 §2 to §4.5 for every dropout and both regularisers.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from munmaek.nn.transformer import dropout
from munmaek.systems.ulmfit.model import UlmfitConfig, UlmfitForPreTraining
from munmaek.systems.ulmfit.objective import UlmfitObjective

VOCAB, ROWS, SEQ = 60, 3, 11


def plain_layer(inputs: Tensor, layer, weight_state: Tensor) -> Tensor:
    """States (seq, batch, size) of one layer from zero states."""
    size = weight_state.shape[1]
    h = c = torch.zeros(inputs.shape[1], size)
    found = []
    for x in inputs:
        gates = [
            x @ layer.weight_input[k * size : (k + 1) * size].T
            + layer.bias_input[k * size : (k + 1) * size]
            + h @ weight_state[k * size : (k + 1) * size].T
            + layer.bias_state[k * size : (k + 1) * size]
            for k in range(4)
        ]
        enter, forget, leave = (1 / (1 + torch.exp(-gate)) for gate in gates[:3])
        c = forget * c + enter * torch.tanh(gates[3])
        h = leave * torch.tanh(c)
        found.append(h)
    return torch.stack(found)


def plain(model: UlmfitForPreTraining, ids: Tensor, labels: Tensor, mask: Tensor, training: bool):
    """Loss, AR and TAR sums; masks are drawn in the order of the papers' forward pass."""
    config, encoder = model.config, model.encoder

    def kept(shape: tuple[int, ...], name: str) -> Tensor:
        return dropout(torch.ones(shape), config.rate(name)) if training else torch.ones(shape)

    words = encoder.words.weight * kept((VOCAB,), "embedding")[:, None]  # whole words
    states = words[ids.T]
    states = states * kept(states.shape[1:], "input")  # one mask for all times
    for place, layer in enumerate(encoder.layers):
        weight = layer.weight_state * kept(tuple(layer.weight_state.shape), "weight")
        states = plain_layer(states, layer, weight)
        if place + 1 < config.num_layers:
            states = states * kept(states.shape[1:], "hidden")
    dropped = states * kept(states.shape[1:], "output")
    logits = dropped @ encoder.words.weight.T + model.word_bias
    nats = -torch.log_softmax(logits, 2).gather(2, labels.T[:, :, None])[:, :, 0]
    activation, change = torch.zeros(()), torch.zeros(())
    for row in range(len(ids)):
        for t in range(int(mask[row].sum())):
            activation = activation + (dropped[t, row] ** 2).mean()
            if t:
                change = change + ((states[t, row] - states[t - 1, row]) ** 2).mean()
    return (nats * mask.T).sum(), activation, change


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_loss_and_every_gradient(direction: str, training: bool, tokenizer) -> None:
    torch.manual_seed(1)
    shape = {"dim": 12, "hidden": 20, "num_layers": 3, "direction": direction, "dropout_factor": 2.0}
    model = UlmfitForPreTraining(UlmfitConfig(VOCAB, **shape)).train(training)
    ids, labels = torch.randint(0, VOCAB, (2, ROWS, SEQ))
    mask = torch.arange(SEQ) < torch.tensor([[SEQ], [4], [1]])
    objective = UlmfitObjective(tokenizer, 64, direction)
    torch.manual_seed(2)
    parts = objective.loss(model, {"input_ids": ids, "attention_mask": mask, "labels": labels})
    torch.manual_seed(2)
    expected = plain(model, ids, labels, mask, training)
    assert parts.counts == ({"lm": 16, "activation": 16, "change": 13} if training else {"lm": 16})
    for name, value in zip(("lm", "activation", "change"), expected, strict=True):
        if name in parts.sums:
            torch.testing.assert_close(parts.sums[name], value, atol=1e-5, rtol=1e-5)
    total = expected[0] / 16 + ((2.0 * expected[1] / 16 + expected[2] / 13) if training else 0)
    torch.testing.assert_close(parts.total(), total, atol=1e-5, rtol=1e-5)
    names = [name for name, _ in model.named_parameters()]
    ours = torch.autograd.grad(parts.total(), list(model.parameters()))
    theirs = torch.autograd.grad(total, list(model.parameters()))
    for name, one, other in zip(names, ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
        assert one.any(), name


def test_the_backward_encoder_is_the_plain_one_on_reversed_text() -> None:
    torch.manual_seed(3)
    model = UlmfitForPreTraining(UlmfitConfig(VOCAB, 12, 20, 2, "backward")).eval()
    ids = torch.randint(0, VOCAB, (2, SEQ))
    states = model.encoder(ids, all_layers=True)
    reversed_ids = ids.flip(1)
    expected = model.encoder.words(reversed_ids.T)
    for place, layer in enumerate(model.encoder.layers):
        expected = plain_layer(expected, layer, layer.weight_state)
        found = states[place + 1].flip(1).transpose(0, 1)
        torch.testing.assert_close(found[:, :, : expected.shape[2]], expected, atol=1e-5, rtol=1e-5)


def test_masks_are_the_papers() -> None:
    """Whole words, one mask for all times of a row, one for the weights; and each at its rate."""
    torch.manual_seed(4)
    model = UlmfitForPreTraining(UlmfitConfig(500, 40, 60, 2, embedding_dropout=0.4, input_dropout=0.3)).train()
    encoder = model.encoder
    ids = torch.arange(500).repeat(4, 1).T
    words = encoder.word_dropout(encoder.words, ids)
    gone = (words == 0).all(2)
    assert torch.equal(gone.any(1), gone.all(1)), "a word is dropped wherever it stands"
    assert 0.3 < float(gone[:, 0].float().mean()) < 0.5
    torch.testing.assert_close(words[~gone], encoder.words(ids)[~gone] / 0.6, atol=1e-4, rtol=1e-4)
    locked = encoder.input_dropout(torch.ones(50, 30, 40))
    assert torch.equal(locked, locked[:1].expand_as(locked))
    assert 0.25 < float((locked == 0).float().mean()) < 0.35
    assert not torch.equal(locked[0, 0], locked[0, 1]), "rows have masks of their own"
    dropped = encoder.layers[0].weight_dropout(encoder.layers[0].weight_state)
    assert 0.17 < float((dropped == 0).float().mean()) < 0.23
