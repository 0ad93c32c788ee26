"""The character CNN against a plain twin, and that no direction's state knows what it has not read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from munmaek.core.errors import RequestError
from munmaek.systems.elmo.characters import FILL
from munmaek.systems.elmo.model import CharacterWords, ElmoConfig

WORDS = ["a", "눈", "영화가", "x" * 60, "재미있었습니다", "!", "pneumonoultramicroscopic", "ㅋㅋㅋㅋㅋ"]


def rows(kind: str = "bytes") -> torch.Tensor:
    from munmaek.systems.elmo.characters import spell

    found = np.full((len(WORDS), 50), FILL)
    for place, word in enumerate(WORDS):
        symbols = spell(word, kind, 50)
        found[place, : len(symbols)] = symbols
    return torch.from_numpy(found)


def plain(module: CharacterWords, characters: torch.Tensor) -> torch.Tensor:
    """Word by word over all 50 places, window by window."""
    config, found = module.config, []
    for word in characters:
        vectors = module.symbols.weight[word]
        maxima = []
        for (width, _), convolution in zip(config.filters, module.convolutions, strict=True):
            windows = [vectors[i : i + width].t().flatten() for i in range(50 - width + 1)]
            values = torch.stack(windows) @ convolution.weight.flatten(1).t() + convolution.bias
            maxima.append(values.amax(0))
        x = torch.relu(torch.cat(maxima)) if config.activation == "relu" else torch.tanh(torch.cat(maxima))
        for highway in module.highways:
            gate = torch.sigmoid(highway.gate(x))
            x = gate * torch.relu(highway.transform(x)) + (1 - gate) * x
        found.append(module.projection(x))
    return torch.stack(found)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("repeat", [1, 12], ids=["few words", "many words, cut in two"])
def test_short_cuts_of_the_cnn_change_no_vector(build, activation: str, repeat: int) -> None:
    module = build(activation=activation, num_highway=2).elmo.words
    characters = rows().repeat(repeat, 1)
    found, expected = module(characters), plain(module, characters)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    asked = torch.randn_like(found)
    for one, other in zip(*(torch.autograd.grad((f * asked).sum(), list(module.parameters()))
                            for f in (found, expected)), strict=True):  # fmt: skip
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_only_as_much_filling_is_computed_as_a_maximum_can_tell(build) -> None:
    module = build().elmo.words
    lengths = (rows() != FILL).sum(1)
    order = lengths.argsort()
    parts = module._cut(rows()[order].repeat_interleave(12, 0), lengths[order].repeat_interleave(12))
    assert [part.shape[1] for part in parts] == [23 + 4, 50]


PADDING = {"none": (0, 0), "right": (0, 3), "left": (3, 0), "both": (2, 2)}


@pytest.mark.parametrize("padding", PADDING)
@pytest.mark.parametrize("training", [False, True])
def test_no_direction_knows_what_it_has_not_read(build, padding: str, training: bool) -> None:
    model = build(dropout=0.3).elmo.train(training)
    before, after = PADDING[padding]
    words = torch.tensor([[0, 1, 2, 3, 4, 5, 6]])
    mask = torch.zeros(2, before + 7 + after, dtype=torch.bool)
    mask[:, before : before + 7] = True
    mask[1, before] = mask[1, before + 6] = False

    def states(ids: torch.Tensor) -> torch.Tensor:
        whole = torch.full(mask.shape, 7)
        whole[:, before : before + 7] = ids
        torch.manual_seed(4)  # the same dropout
        with torch.no_grad():
            return model.states(rows(), whole, mask)[0][:, :, before : before + 7]

    first = states(words)
    for place in range(1, 6):
        changed = words.clone()
        changed[0, place] = 7
        moved = _moved(states(changed), first)
        for layer in range(3):
            forward, backward = moved[layer, :, :, 0], moved[layer, :, :, 1]
            for row, real in enumerate((range(7), range(1, 6))):
                here = [at for at in real if bool(forward[row, at])]
                there = [at for at in real if bool(backward[row, at])]
                if layer == 0:
                    assert here == there == [place]
                else:
                    assert here == [at for at in real if at >= place], "forward"
                    assert there == [at for at in real if at <= place], "backward"


def _moved(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(layers, batch, seq, 2): whether a direction's state differs."""
    halves = (one - other).unflatten(-1, (2, -1))
    return halves.abs().amax(-1) > 0


def test_the_second_layer_adds_its_input_and_the_first_does_not(build) -> None:
    characters, words = rows(), torch.tensor([[0, 1, 2, 3]])
    mask = torch.ones(1, 4, dtype=torch.bool)
    model = build(skip=True).elmo.eval()
    with torch.no_grad():
        for weight in model.layers[1].projection:
            weight.zero_()
        found, _ = model.states(characters, words, mask)
        torch.testing.assert_close(found[2], found[1])
        assert not bool(found[1].eq(found[0]).all())
        for weight in model.layers[0].projection:
            weight.zero_()
        assert not bool(model.states(characters, words, mask)[0][1].any())


def test_cells_and_states_stay_in_their_limits(build) -> None:
    model = build(cell_clip=0.05, state_clip=0.01).elmo.eval()
    with torch.no_grad():
        states, carried = model.states(rows(), torch.arange(8)[None], torch.ones(1, 8, dtype=torch.bool))
    assert float(carried.cells.abs().max()) == pytest.approx(0.05)
    assert float(states[1].abs().max()) == pytest.approx(0.01)


@pytest.mark.parametrize(
    "wrong",
    [{"cells": 0}, {"filters": ((1, 2, 3),)}, {"filters": ((60, 4),)}, {"activation": "gelu"}, {"dropout": 1.0},
     {"characters": "letters"}, {"cell_clip": -1.0}, {"max_symbols": 2}],
)  # fmt: skip
def test_a_shape_that_cannot_be_is_said(wrong) -> None:
    with pytest.raises(RequestError):
        ElmoConfig(**{"vocab_size": 10, **wrong})
