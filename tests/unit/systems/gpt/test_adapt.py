from __future__ import annotations

import numpy as np
import torch

from munmaek import tasks
from munmaek.core.errors import RequestError
from munmaek.run.folder import Loaded
from munmaek.run.model import Model
from munmaek.run.tuning import Tuner
from munmaek.systems.gpt import adapt
from munmaek.systems.gpt.adapt import next_words
from munmaek.tasks.examples import Examples
from munmaek.tasks.labelled import AUXILIARY, PART, LabelledObjective, tokenise
from munmaek.tasks.network import TaskModel, make_head

TEXTS = ["눈이 내렸다", "배가 말을 밤에", "다리를 천천히 조용히 걸었다", "좋았다"] * 6


def test_texts_are_start_a_extract_and_pairs_have_a_delimiter(card, small, tokenizer) -> None:
    encoder = card.encoder(small, tokenizer)
    cls, sep = tokenizer.token_id("cls"), tokenizer.token_id("sep")
    first, second = (tokenizer.encode(text, special=False).ids for text in TEXTS[:2])
    assert encoder.tokenize(TEXTS[:1])[0].ids == [cls, *first, sep]
    assert encoder.tokenize(TEXTS[:1], TEXTS[1:2])[0].ids == [cls, *first, sep, *second, sep]


def test_the_extract_tokens_state_is_the_summary(card, small, tokenizer) -> None:
    encoder = card.encoder(small, tokenizer)
    encodings = encoder.tokenize(TEXTS[:3])
    inputs = {name: torch.from_numpy(array) for name, array in encoder.collate(encodings).items()}
    states = encoder.forward(inputs)
    found = encoder.summary(states, inputs["attention_mask"], "last")
    for row, encoding in enumerate(encodings):
        assert torch.equal(found[row], states[row, len(encoding.ids) - 1])


def test_auxiliary_loss_is_the_plain_language_model_loss(card, small, tokenizer) -> None:
    encoder = card.encoder(small, tokenizer)
    encodings = encoder.tokenize(TEXTS[:3])
    inputs = {name: torch.from_numpy(array) for name, array in encoder.collate(encodings).items()}
    with torch.no_grad():
        nats, count = next_words(encoder.module, encoder.forward(inputs), inputs)
    wanted = 0.0
    for encoding in encodings:
        logits = small(torch.tensor([encoding.ids[:-1]])).logits[0].detach()
        wanted += float(torch.nn.functional.cross_entropy(logits, torch.tensor(encoding.ids[1:]), reduction="sum"))
    assert count == sum(len(encoding.ids) - 1 for encoding in encodings)
    torch.testing.assert_close(float(nats), wanted, rtol=1e-5, atol=1e-4)


def test_auxiliary_loss_of_a_part_of_the_tokens_is_that_of_all_in_expectation(
    card, small, tokenizer, monkeypatch
) -> None:
    encoder = card.encoder(small.eval(), tokenizer)
    inputs = {name: torch.from_numpy(array) for name, array in encoder.collate(encoder.tokenize(TEXTS[:4])).items()}
    with torch.no_grad():
        states = encoder.forward(inputs)
        whole, total = next_words(encoder.module, states, inputs)
        monkeypatch.setattr(adapt, "TOKENS", 3)
        torch.manual_seed(0)
        draws = [next_words(encoder.module, states, inputs) for _ in range(400)]
    assert total > 6
    assert {count for _, count in draws} == {total}
    found = torch.stack([nats for nats, _ in draws])
    assert found.std() > 0
    assert abs(found.mean() - whole) < 4 * found.std() / len(found) ** 0.5


def test_total_is_equation_5_and_parts_add_up(card, small, tokenizer) -> None:
    encoder = card.encoder(small, tokenizer)
    network = TaskModel(encoder, make_head(32, 2, dropout=0.0), "last", next_words).train()
    data = tokenise(encoder, TEXTS, None, np.arange(len(TEXTS)) % 2)
    objective = LabelledObjective(tasks.load("classify"), encoder, 8, auxiliary=0.5)
    batch = next(objective.batches(data, seed=0, batch_tokens=4096))
    inputs = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in batch.arrays.items()}
    parts = objective.loss(network, inputs)
    assert parts.counts == batch.counts
    expected = parts.sums[PART] / parts.counts[PART] + 0.5 * parts.sums[AUXILIARY] / parts.counts[AUXILIARY]
    torch.testing.assert_close(parts.total(batch.counts), expected)
    halves = [objective.loss(network, {n: a[i::2] for n, a in inputs.items()}).total(batch.counts) for i in (0, 1)]
    torch.testing.assert_close(sum(halves), expected, rtol=1e-5, atol=1e-5)
    assert set(objective.loss(network.eval(), inputs).sums) == {PART}, "no auxiliary loss in evaluation"


def test_similarity_does_not_depend_on_the_order(card, small, tokenizer) -> None:
    encoder = card.encoder(small, tokenizer)
    network = TaskModel(encoder, make_head(32, 1, dropout=0.0), "last").eval()

    def values(first: list[str], second: list[str], both: bool) -> torch.Tensor:
        data = tokenise(encoder, first, second, both_orders=both)
        arrays = data.arrays(encoder, np.arange(len(data)))
        with torch.no_grad():
            return network({name: torch.from_numpy(array) for name, array in arrays.items()})

    first, second = TEXTS[:3], TEXTS[1:4]
    torch.testing.assert_close(values(first, second, True), values(second, first, True), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(values(first, second, False), values(second, first, False), atol=1e-4)


def tuner(card, small, tokenizer, tmp_path, task: str, **changes: object) -> Tuner:
    pairs = TEXTS[::-1] if task == "regress" else None
    examples = Examples(TEXTS, pairs, [str(n % 2 if pairs is None else n / 4) for n in range(len(TEXTS))], "rows")
    model = Model(Loaded(card, small, tokenizer, {}, tmp_path))
    return Tuner(model, tasks.load(task), examples, changes={"epochs": 1.0, **changes})


def test_fine_tuning_takes_the_papers_way_unless_told_otherwise(card, small, tokenizer, tmp_path) -> None:
    usual = tuner(card, small, tokenizer, tmp_path, "classify")
    assert (usual.settings(100).auxiliary, usual.settings(100).pooling) == (0.0, "last")
    assert (usual.settings(30_000).auxiliary, usual.settings(30_001).auxiliary) == (0.0, 0.5)
    plain = tuner(card, small, tokenizer, tmp_path, "classify", auxiliary=0.25, pooling="mean")
    assert (plain.settings(100).auxiliary, plain.settings(100).pooling) == (0.25, "mean")
    with_it = tuner(card, small, tokenizer, tmp_path, "classify", auxiliary=0.5).fit(0)
    without = usual.fit(0)
    assert with_it.outcome.loss > without.outcome.loss + 1.0, "half the language model's loss is in it"


def test_scores_are_fine_tuned_in_both_orders(card, small, tokenizer, tmp_path) -> None:
    subject = tuner(card, small, tokenizer, tmp_path, "regress")
    assert subject.read(subject.examples).readings == 2
    fitted = subject.fit(0)
    assert fitted.outcome.steps > 0
    assert tuner(card, small, tokenizer, tmp_path, "classify").read(subject.examples).readings == 1


def test_a_system_without_an_auxiliary_loss_says_so(tmp_path, documents) -> None:
    import pytest

    from munmaek import systems
    from munmaek.data.corpus import MemoryCorpus
    from munmaek.data.tokenizers import train_tokenizer

    bert, words = systems.load("bert"), train_tokenizer(MemoryCorpus(documents), vocab_size=150)
    module = bert.build(bert.config(vocab_size=words.vocab_size, dim=32, num_layers=1, num_heads=2))
    with pytest.raises(RequestError, match="no auxiliary loss"):
        tuner(bert, module, words, tmp_path, "classify", auxiliary=0.5).fit(0)
