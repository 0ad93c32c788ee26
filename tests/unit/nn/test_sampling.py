"""The sampled softmax: its chances are exact, its sums are right on average, and it ends where the full one does."""

from __future__ import annotations

import math
import sys

import pytest
import torch

from munmaek import systems
from munmaek.nn import sampling
from munmaek.nn.sampling import cross_entropies, sample_words
from munmaek.nn.softmax import linear_cross_entropy

VOCABULARY, TRIES = 400, 60


def test_a_word_is_in_the_sample_as_often_as_its_chance_says() -> None:
    torch.manual_seed(0)
    labels = torch.tensor([3, 350, 3, 77])
    counts, chances = torch.zeros(VOCABULARY), torch.zeros(VOCABULARY)
    rounds = 3000
    for _ in range(rounds):
        sample = sample_words(labels, VOCABULARY, TRIES)
        assert sample.words[sample.places].tolist() == labels.tolist()
        assert len(sample.words) == len(set(sample.words.tolist()))
        counts[sample.words] += 1
        chances[sample.words] = sample.log_chances.exp()
    assert chances[labels].tolist() == [1.0] * 4
    assert counts[labels].tolist() == [rounds] * 4
    seen = counts > 0
    deviation = (chances * (1 - chances) * rounds).clamp(min=1e-9).sqrt()
    others = seen & (chances < 1)
    assert float(((counts - rounds * chances)[others] / deviation[others]).abs().max()) < 4.5
    share = math.log(7 / 6) / math.log(VOCABULARY + 1)  # word 5
    assert float(chances[5]) == pytest.approx(1 - (1 - share) ** TRIES, rel=1e-5)


def test_the_sum_of_exponentials_is_that_over_the_vocabulary_on_average() -> None:
    torch.manual_seed(1)
    logits = torch.randn(VOCABULARY)
    labels = torch.tensor([10, 200])
    sums = []
    for _ in range(4000):
        sample = sample_words(labels, VOCABULARY, TRIES)
        sums.append(float((logits[sample.words] - sample.log_chances).exp().sum()))
    found = torch.tensor(sums)
    error = float(found.std()) / math.sqrt(len(sums))
    assert abs(float(found.mean()) - float(logits.exp().sum())) < 4 * error
    assert error / float(found.mean()) < 0.02, "the test could not tell"


def test_the_loss_and_its_gradient_approach_the_full_ones_as_the_sample_grows() -> None:
    torch.manual_seed(2)
    hidden, weight = torch.randn(300, 8, requires_grad=True), torch.randn(VOCABULARY, 8)
    bias, labels = torch.zeros(VOCABULARY), torch.randint(0, 50, (300,))
    full, _ = linear_cross_entropy(hidden, weight, bias, labels)
    (expected,) = torch.autograd.grad(full, hidden)
    apart, turned = [], []
    for tries in (20, 200, 5000):
        losses, gradients = [], []
        for _ in range(20):
            sample = sample_words(labels, VOCABULARY, tries)
            loss, _ = linear_cross_entropy(
                hidden, weight[sample.words], bias[sample.words] - sample.log_chances, sample.places
            )
            losses.append(float(loss.detach()) / 300)
            gradients.append(torch.autograd.grad(loss, hidden)[0])
        apart.append(abs(sum(losses) / 20 - float(full.detach()) / 300))
        turned.append(float((torch.stack(gradients) - expected).norm(dim=(1, 2)).mean() / expected.norm()))
    assert apart[2] < 0.01
    assert turned[2] < 0.05 < turned[1] < turned[0]


def test_training_on_samples_finds_the_solution_of_the_full_softmax() -> None:
    """A unigram problem whose best biases are the logarithms of known frequencies."""
    torch.manual_seed(3)
    frequencies = torch.softmax(torch.linspace(2, -2, VOCABULARY) + 0.3 * torch.randn(VOCABULARY), 0)
    bias = torch.zeros(VOCABULARY, requires_grad=True)
    hidden, weight = torch.zeros(512, 1), torch.zeros(VOCABULARY, 1)
    optimizer = torch.optim.Adam([bias], lr=0.05)
    for step in range(600):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 600)
        labels = torch.multinomial(frequencies, 512, replacement=True)
        sample = sample_words(labels, VOCABULARY, TRIES)
        linear_cross_entropy(hidden, weight[sample.words], bias[sample.words] - sample.log_chances, sample.places)[
            0
        ].backward()
        optimizer.step()
        optimizer.zero_grad()
    found = torch.softmax(bias.detach(), 0)
    divergence = float((frequencies * (frequencies / found).log()).sum())
    assert divergence < 0.01
    uniform = float((frequencies * (frequencies * VOCABULARY).log()).sum())
    assert uniform > 0.5, "there was something to learn"


def test_one_sample_for_all_rows_and_only_where_it_is_smaller(monkeypatch) -> None:
    asked: list[int] = []

    def spy(labels, vocab_size, tries):
        asked.append(len(labels))
        return sample_words(labels, vocab_size, tries)

    monkeypatch.setattr(sampling, "sample_words", spy)
    torch.manual_seed(0)
    weight, bias = torch.randn(400, 8, requires_grad=True), torch.randn(400)
    rows = [(torch.randn(64, 8), torch.randint(0, 400, (n,))) for n in (50, 64)]
    full = [linear_cross_entropy(states, weight, bias, labels)[0] for states, labels in rows]
    sampled = [loss for loss, hits in cross_entropies(rows, weight, bias, 100) if hits is None]
    assert asked == [50 + 64]
    assert len(sampled) == 2
    for one, other in zip(sampled, full, strict=True):
        assert abs(float(one - other)) > 1e-3
        torch.testing.assert_close(one, other, rtol=0.2, atol=0)
    sum(sampled).backward()
    assert 100 < int((weight.grad != 0).any(1).sum()) < 250, "the labels and the different draws, no other word"
    for tries in (0, 101):
        assert [float(loss) for loss, _ in cross_entropies(rows, weight, bias, tries)] == [float(x) for x in full]
    with torch.no_grad():
        (_, hits), _ = cross_entropies(rows, weight, bias, 100)
    assert hits is not None
    assert asked == [50 + 64]


@pytest.mark.parametrize("name", ["elmo", "ulmfit"])
def test_only_training_samples(name: str, monkeypatch) -> None:
    asked: list[int] = []

    def spy(rows, weight, bias, tries):
        asked.append(tries)
        return cross_entropies(rows, weight, bias, tries)

    card = systems.load(name)
    monkeypatch.setattr(sys.modules[card.build.__module__], "cross_entropies", spy)
    preset = {**card.presets["mini"], "sampled_words": 100}
    model = card.build(card.config(**preset, vocab_size=400))
    ids, mask = torch.tensor([[3, 4], [5, 6]]), torch.ones(2, 2, dtype=torch.bool)
    given = (torch.full((7, 50), 5), torch.stack([ids, ids]), torch.stack([ids, ids]), torch.tensor([2, 2]))
    for training in (True, False):
        model.train(training)(*(given if name == "elmo" else (ids, mask, ids)))
    assert asked == [100, 0]
