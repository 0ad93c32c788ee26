from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_ngram import KneserNey

from munmaek.core.errors import CheckpointError, FormatError, RequestError
from munmaek.data.homographs import HomographCorpus
from munmaek.run.embed import embed
from munmaek.run.finetune import finetune
from munmaek.run.folder import Loaded
from munmaek.run.folder import read as read_folder
from munmaek.run.model import load
from munmaek.run.prepare import prepare
from munmaek.run.pretrain import PretrainResult, pretrain

TEXTS = ["눈이 와서 너무 좋다", "배가 고파서 배를 먹었다ㅋㅋ", "뷁", ""]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[PretrainResult, list[Any]]:
    events: list[Any] = []
    out = tmp_path_factory.mktemp("ngram") / "run"
    corpus = HomographCorpus(seed=3, count=300)
    result = pretrain("ngram", corpus=corpus, out=out, tokenizer="word", vocab_size=1500, progress=events.append)
    return result, events


@pytest.fixture(scope="module")
def loaded(made: tuple[PretrainResult, list[Any]]) -> Loaded:
    return read_folder(made[0].folder)


@pytest.fixture
def language(loaded: Loaded) -> Any:
    assert loaded.system.language_model is not None
    return loaded.system.language_model(loaded.module, loaded.tokenizer)


def test_pretrain_counts_says_so_and_measures(made: tuple[PretrainResult, list[Any]]) -> None:
    result, events = made
    assert "no budget applies" in result.notes[0]
    assert any("n-grams of 1 to 3 words" in note for note in result.notes)
    assert 0 < result.loss < result.validation["lm_loss"] < np.log(1500)
    assert any(event.message.startswith("counting") for event in events)
    assert events[-1].step == events[-1].total_steps == 1
    facts = json.loads((result.folder / "munmaek.json").read_text("utf-8"))
    assert facts["training"]["validation"] == result.validation
    assert result.parameters > 5_000
    assert not (result.folder / "training").exists()


def test_counting_again_gives_the_same_files(made: tuple[PretrainResult, list[Any]], tmp_path: Path) -> None:
    for number, settings in enumerate(({}, {"memory": "16MB"})):
        again = pretrain("ngram", corpus=HomographCorpus(seed=3, count=300), out=tmp_path / str(number),
                         tokenizer="word", vocab_size=1500, settings=settings)  # fmt: skip
        for name in ("model.safetensors", "model.arpa.gz", "tokenizer.json", "config.json"):
            assert (again.folder / name).read_bytes() == (made[0].folder / name).read_bytes()


def test_what_is_counted_is_not_counted_again_but_what_is_damaged_is(tmp_path: Path) -> None:
    def count(seed: int = 3) -> PretrainResult:
        corpus = HomographCorpus(seed=seed, count=100)
        return pretrain("ngram", corpus=corpus, out=tmp_path, tokenizer="word", vocab_size=500, progress=heard.append)

    heard: list[Any] = []
    first, said = count(), len(heard)
    assert count() == first
    assert len(heard) == said
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    assert count().loss == first.loss
    assert weights.read_bytes() == whole
    assert count(seed=4).loss != first.loss


def test_a_text_costs_what_the_plain_model_says(loaded: Loaded, language: Any) -> None:
    corpus = HomographCorpus(seed=3, count=300)
    shards = prepare(corpus, tokenizer="word", vocab_size=1500).shards
    training, _ = shards.split()
    documents = [np.concatenate(training.document(number)).tolist() for number in training.documents]
    plain = KneserNey(documents, 3, loaded.tokenizer.vocab_size)
    for text in TEXTS:
        ids = loaded.tokenizer.encode(text, special=False).ids
        found = language.likelihood([text])
        assert found.nats == pytest.approx(plain.likelihood(ids), rel=1e-5)
        assert (found.num_tokens, found.num_characters) == (len(ids) + 1, len(text))
        assert found.num_unknown == ids.count(loaded.tokenizer.token_id("unk"))


def test_texts_together_cost_what_each_does_alone(language: Any) -> None:
    together = [language.likelihood(TEXTS), language.likelihood(TEXTS, batch_tokens=3)]
    alone = [language.likelihood([text]) for text in TEXTS]
    for found in together:
        assert found.nats == pytest.approx(sum(part.nats for part in alone), rel=1e-6)
        assert found.num_tokens == sum(part.num_tokens for part in alone)
        assert found.num_unknown == sum(part.num_unknown for part in alone) > 0


def test_writing_word_by_word_is_scoring(loaded: Loaded, language: Any) -> None:
    text = "눈이 와서 너무 좋다"
    ids = [*loaded.tokenizer.encode(text, special=False).ids, language.end]
    logits, state = language.begin("")
    nats = 0.0
    for token in ids:
        assert np.exp(logits.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)
        nats -= float(logits[token])
        logits, state = language.advance(state, token)
    assert nats == pytest.approx(language.likelihood([text]).nats, rel=1e-6)
    prompted, _ = language.begin(text)
    again, state = language.begin("눈이 와서")
    for token in loaded.tokenizer.encode("너무 좋다", special=False).ids:
        again, state = language.advance(state, token)
    assert np.array_equal(prompted, again)


def test_only_the_words_before_count(loaded: Loaded) -> None:
    """No future leak: the probability of a label is a function of its history alone, and of order - 1 words of it."""
    module = loaded.module
    histories, labels = torch.tensor([[40, 30], [40, 30], [40, 31]]), torch.tensor([50, 51, 50])
    together = module(histories, labels)
    alone = torch.cat([module(histories[row : row + 1], labels[row : row + 1]) for row in range(3)])
    assert torch.equal(together, alone)


def test_the_loss_reacts_to_every_label_value(loaded: Loaded) -> None:
    """On a counted model; an uncounted one is even, so the battery cannot ask."""
    objective = loaded.system.objective(loaded.module.config, loaded.tokenizer, 64, {})
    histories = torch.tensor([[2, -1]] * 4)  # a beginning
    frequent = [loaded.tokenizer.token_id("."), loaded.tokenizer.token_id("unk"), 3, 10]
    losses = []
    for label in frequent:
        parts = objective.loss(loaded.module, {"histories": histories, "labels": torch.full((4,), label)})
        assert parts.counts == {"lm": 4}
        losses.append(round(float(parts.sums["lm"]), 4))
    assert len(set(losses)) == 4


@pytest.mark.parametrize("context", ["document", "sentence"])
def test_an_epoch_has_every_prediction_once(
    context: str, loaded: Loaded, shards_of: Callable[..., Any], documents: list[list[str]], tokenizer: Any
) -> None:
    shards = shards_of(documents).subset(range(3, 70))
    objective = loaded.system.objective(loaded.module.config, tokenizer, 64, {"context": context})
    num = objective.epoch_batches(shards, seed=1, epoch=0, batch_tokens=100)
    batches = list(islice(objective.batches(shards, seed=1, batch_tokens=100), num))
    samples = np.concatenate([batch.sample_ids for batch in batches])
    assert sorted(samples.tolist()) == list(range(len(samples)))
    rows = {
        int(sample): (tuple(history), int(label))
        for batch in batches
        for sample, history, label in zip(batch.sample_ids, batch.arrays["histories"].tolist(),
                                          batch.arrays["labels"], strict=True)
    }  # fmt: skip
    expected: list[tuple[tuple[int, int], int]] = []
    for number in shards.documents:
        sentences = [sentence.tolist() for sentence in shards.document(number)]
        for text in sentences if context == "sentence" else [[word for sentence in sentences for word in sentence]]:
            words = [-1, objective.begin, *text, objective.end]
            expected += [((words[i - 1], words[i - 2]), words[i]) for i in range(2, len(words))]
    assert [rows[sample] for sample in range(len(rows))] == expected


# ---- folders and files ----------------------------------------------------------------------------------------------


def test_saved_and_loaded_is_the_same(loaded: Loaded, tmp_path: Path) -> None:
    loaded.system.save(loaded.module, loaded.tokenizer, tmp_path)
    again, tokenizer = loaded.system.load(tmp_path)
    assert again.state_dict().keys() == loaded.module.state_dict().keys()
    for name, value in loaded.module.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert tokenizer.hash == loaded.tokenizer.hash  # type: ignore[attr-defined]
    assert (tmp_path / "model.arpa.gz").read_bytes() == (loaded.folder / "model.arpa.gz").read_bytes()


def test_damage_is_told(loaded: Loaded, tmp_path: Path) -> None:
    from munmaek.formats import safetensors

    loaded.system.save(loaded.module, loaded.tokenizer, tmp_path)
    whole = {name: array.copy() for name, array in safetensors.read(tmp_path / "model.safetensors").items()}
    shuffled = whole["keys_3"].copy()
    shuffled[[4, 5]] = shuffled[[5, 4]]
    far = whole["keys_2"].copy()
    far[-1] = 1 << 60
    short = whole["log_probs.1"][:-1]
    nan = whole["backoffs.0"].copy()
    nan[7] = np.nan
    damages = ({"keys_3": shuffled}, {"keys_2": far}, {"log_probs.1": short}, {"backoffs.0": nan})
    for damage in damages:
        safetensors.write(tmp_path / "model.safetensors", whole | damage)
        with pytest.raises(CheckpointError, match=next(iter(damage))):
            loaded.system.load(tmp_path)
    data = (loaded.folder / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError):
        loaded.system.load(tmp_path)


def test_there_are_no_vectors_and_it_says_why(made: tuple[PretrainResult, list[Any]], tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("document\tlabel\n" + "눈이 온다\t1\n비가 온다\t0\n" * 20, "utf-8")
    model = load(made[0].folder)
    asked: tuple[Callable[[], Any], ...] = (
        lambda: model.embed(TEXTS), lambda: model.similar(TEXTS[0], TEXTS[0], "눈"), lambda: model.tokens(TEXTS[0]),
        lambda: embed(model, TEXTS, tmp_path / "a.npy"),
        lambda: finetune("classify", model=made[0].folder, train=tmp_path / "rows.tsv", out=tmp_path / "tuned"),
    )  # fmt: skip
    for ask in asked:
        with pytest.raises(RequestError, match=r"n-gram model .* has no vectors"):
            ask()
    assert "n-gram" in repr(model)
    assert not (tmp_path / "a.npy").exists()
