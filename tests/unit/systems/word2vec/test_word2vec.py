"""The objective, the encoder and the folder of Word2Vec, on a small corpus of whole words."""

from __future__ import annotations

import dataclasses
import random
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek import systems
from munmaek.core.errors import CheckpointError, DataError, RequestError
from munmaek.core.recipe import Budget
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.shards import build_shards
from munmaek.data.tokenizers import train_tokenizer
from munmaek.formats import vectors
from munmaek.run import folder as model_folder
from munmaek.run.import_model import import_model
from munmaek.run.model import Model, load
from munmaek.run.nearest import nearest, vocabulary
from munmaek.systems.word2vec import kernels
from munmaek.train.trainer import Job, measure, train

CARD = systems.load("word2vec")
COLOURS, BEASTS = ("빨강", "파랑", "노랑", "하양"), ("고양이", "강아지", "망아지", "송아지")


def sentence(number: int) -> str:
    """Colours stand among colours, beasts among beasts."""
    kind = (COLOURS, BEASTS)[number % 2]
    picks = random.Random(number).choices(kind, k=4 + number % 9)
    return " ".join(["그리고", *picks])


@pytest.fixture(scope="module")
def text():
    corpus = [[sentence(i), sentence(i + 2)] for i in range(150)]
    tokenizer = train_tokenizer(MemoryCorpus(corpus), "word", 100)
    return corpus, tokenizer


@pytest.fixture(scope="module")
def shards(text, tmp_path_factory):
    corpus, tokenizer = text
    return build_shards(MemoryCorpus(corpus), tokenizer, tmp_path_factory.mktemp("s") / "s", corpus_hash="w")


def made(text, options=None, **settings):
    tokenizer = text[1]
    torch.manual_seed(3)
    config = CARD.config(**{"vocab_size": tokenizer.vocab_size, "dim": 20, **settings})
    return CARD.build(config), CARD.objective(config, tokenizer, 1_000, options or {})


def trained(text, shards, options=None, epochs=30, **settings):
    model, objective = made(text, options, **settings)
    recipe = dataclasses.replace(CARD.recipes["tiny"], batch_tokens=1_000, learning_rate=0.05)
    outcome = train(Job(model, objective, shards, recipe, Budget(epochs=epochs), 1, device="cpu"))
    return model, objective, outcome


WAYS = [
    {"subsample": 0.0}, {"subsample": 0.0, "architecture": "cbow"}, {"subsample": 0.0, "loss": "hierarchical"},
    {"subsample": 0.0, "architecture": "cbow", "loss": "hierarchical"},
]  # fmt: skip


@pytest.mark.parametrize("subwords", ["none", "jamo"])
@pytest.mark.parametrize("options", WAYS, ids=["sg-ns", "cbow-ns", "sg-hs", "cbow-hs"])
def test_words_of_a_kind_come_together(text, shards, options, subwords, tmp_path) -> None:
    model, _, outcome = trained(text, shards, options, subwords=subwords, num_buckets=200)
    assert outcome.history[-1]["smoothed_loss"] < 0.95 * outcome.history[0]["loss"]
    known = vocabulary(Model(model_folder.Loaded(CARD, model, text[1], {}, tmp_path)))
    rows = [[known.row(word) for word in kind] for kind in (COLOURS, BEASTS)]
    cosines = known.unit @ known.unit.T
    for own, other in (rows, rows[::-1]):
        assert all(cosines[own][:, own].min(axis=1) > cosines[own][:, other].max(axis=1)), "every word of its own kind"


@pytest.mark.parametrize("subwords", ["none", "characters"])
@pytest.mark.parametrize("options", WAYS, ids=["sg-ns", "cbow-ns", "sg-hs", "cbow-hs"])
def test_the_loss_is_the_kernels_and_has_its_gradient(text, shards, options, subwords) -> None:
    """Twice the same number, by torch and by the kernel; and a small step of the kernel is a step down the gradient."""
    model, objective = made(text, options, subwords=subwords, num_buckets=100)
    with torch.no_grad():
        model.outputs[:, :20] = torch.randn(len(model.outputs), 20) / 4
        model.inputs[:, :20] = torch.randn(len(model.inputs), 20) / 4
    batch = next(objective.batches(shards, seed=1, batch_tokens=300))
    inputs = {name: torch.from_numpy(array) for name, array in batch.arrays.items()}
    with torch.no_grad():
        measured = objective.loss(model, inputs)
    parts = objective.loss(model, inputs)
    assert parts.counts == measured.counts
    assert float(parts.sums["word"].detach()) == pytest.approx(float(measured.sums["word"]), rel=1e-5)
    parts.sums["word"].backward()
    before = [p.detach().clone() for p in model.parameters()]
    rate = 1e-4
    updated = objective.update(model, batch, rate, 1)
    assert float(updated.sums["word"]) == pytest.approx(float(measured.sums["word"]), rel=0.02)
    for parameter, old in zip(model.parameters(), before, strict=True):
        assert parameter.grad is not None
        assert parameter.grad.any()
        moved, wanted = (parameter.detach() - old) / -rate, parameter.grad
        # what is composed of n rows, or the mean of n words, moves them all by the whole step, not by 1/n of it
        along = torch.nn.functional.cosine_similarity(moved.flatten(), wanted.flatten(), dim=0)
        assert along > (0.85 if subwords != "none" or options.get("architecture") else 0.999)


def test_two_threads_lose_as_much_and_learn_as_much(text, shards, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        losses.append(trained(text, shards, WAYS[0], epochs=6)[2].history[-1]["smoothed_loss"])
    assert losses == pytest.approx([losses[0]] * 3, rel=0.03)


def test_one_thread_gives_the_same_to_the_bit(text, shards) -> None:
    one, other = (trained(text, shards, WAYS[0], epochs=2)[0] for _ in range(2))
    assert torch.equal(one.inputs, other.inputs)
    assert torch.equal(one.outputs, other.outputs)
    assert one.counts.sum() == shards.num_tokens
    assert not one.inputs[:, 20:].any(), "what fills rows up stays zero"


def test_validation_is_the_mean_before_any_update(text, shards) -> None:
    model, objective = made(text, WAYS[0])
    found = measure(model, objective, shards, seed=1, batch_tokens=500)
    assert found["loss"] == found["word_loss"] == pytest.approx(6 * np.log(2), rel=1e-3)  # few words: a negative lacks
    assert float(model.inputs.detach().abs().max()) <= 0.5 / 20


def test_batches_cover_the_corpus_and_long_sentences_are_cut(text, tmp_path) -> None:
    corpus = [[" ".join([COLOURS[i % 4] for i in range(2_500)])], ["빨강 파랑"]]
    long = build_shards(MemoryCorpus(corpus), text[1], tmp_path / "s", corpus_hash="long")
    _, objective = made(text)
    num = objective.epoch_batches(long, seed=1, epoch=0, batch_tokens=2_000)
    batches = list(islice(objective.batches(long, seed=1, batch_tokens=2_000), num))
    assert sum(batch.num_tokens for batch in batches) == 2_502
    assert max(np.diff(batch.arrays["offsets"]).max() for batch in batches) <= kernels.LONGEST
    whole = np.concatenate([b.arrays["input_ids"] for b in sorted(batches, key=lambda b: int(b.sample_ids[0]))])
    assert np.array_equal(whole, long.ids)


def test_wrong_options_are_told(text) -> None:
    for options in ({"architecture": "bow"}, {"loss": "softmax"}, {"window": 0}, {"negatives": 100}, {"power": -1},
                    {"subsample": "much"}):  # fmt: skip
        with pytest.raises(RequestError, match=next(iter(options))):
            made(text, options)
    for settings in ({"subwords": "bytes"}, {"dim": 0}, {"sif": 1.5}, {"subwords": "jamo", "shortest_gram": 9}):
        with pytest.raises(RequestError):
            CARD.config(vocab_size=10, **settings)


def test_a_corpus_of_unknown_words_is_told(text, tmp_path) -> None:
    strange = build_shards(MemoryCorpus([["전혀 다른 말"]]), text[1], tmp_path / "s", corpus_hash="x")
    _, objective = made(text)
    with pytest.raises(DataError, match="no word of the vocabulary"):
        next(objective.batches(strange, seed=1, batch_tokens=100))


# ---- the encoder ----------------------------------------------------------------------------------------------------


def as_model(module, tokenizer, folder: Path) -> Model:
    return Model(model_folder.Loaded(CARD, module, tokenizer, {}, folder))


def test_a_word_has_one_vector_wherever_it_stands(text, shards, tmp_path) -> None:
    model = as_model(trained(text, shards, epochs=3)[0], text[1], tmp_path)
    found = model.similar("빨강 파랑 고양이", "송아지 그리고 고양이", "고양이")
    assert found.layers == [pytest.approx(1.0, abs=1e-6)]
    assert np.array_equal(model.states("빨강 고양이")[0, 1], model.states("고양이")[0, 0])
    assert model.num_layers == 1


def test_unknown_words_count_for_nothing_or_are_composed(text, shards, tmp_path) -> None:
    plain = as_model(trained(text, shards, epochs=1)[0], text[1], tmp_path)
    np.testing.assert_allclose(plain.embed("빨강 없던말"), plain.embed("빨강"))
    assert not plain.embed(["없던말", ""]).any()
    with pytest.raises(RequestError, match="no vector"):
        nearest(plain, "없던말")
    composed = as_model(trained(text, shards, epochs=20, options=WAYS[0], subwords="jamo", num_buckets=5_000)[0],
                        text[1], tmp_path)  # fmt: skip
    assert composed.embed("없던말").any()
    found = nearest(composed, "고양이들", top=1)
    assert not found.known
    assert found.nearest[0][0] == "고양이"
    assert np.array_equal(composed.embed("\u1100\u1169양이들"), composed.embed("고양이들")), "NFD is NFC"
    texts = ["빨강 새말", "새말", "다른말 하양 새말"]
    np.testing.assert_allclose(composed.embed(texts)[::-1], composed.embed(texts[::-1]), atol=1e-7)


def test_sif_weighs_and_takes_off_what_is_common(text, shards, tmp_path) -> None:
    module, _, _ = trained(text, shards, epochs=20, options=WAYS[0], sif=0.01)
    model = as_model(module, text[1], tmp_path)
    ids = [text[1].token_id(word) for word in ("그리고", "빨강")]
    share = module.counts[ids].double().numpy() / int(module.counts.sum())
    weights = 0.01 / (0.01 + share)
    plain = module.inputs.detach()[ids, :20].numpy() * weights[:, None]
    np.testing.assert_allclose(model.states("그리고 빨강")[0], plain, rtol=1e-5)
    common = model.encoder._common.numpy()
    assert np.linalg.norm(common) == pytest.approx(1)
    mean = plain.mean(0)
    np.testing.assert_allclose(model.embed("그리고 빨강")[0], mean - mean @ common * common, atol=1e-6)
    assert model.embed([" ".join(t) for t in (COLOURS, BEASTS)]) @ common == pytest.approx([0, 0], abs=1e-5)


def test_pairs_lose_the_end_of_the_longer_text(text) -> None:
    model, _ = made(text)
    encoder = CARD.encoder(model, text[1])
    first, second = " ".join(COLOURS * 2), "고양이 강아지"
    found = encoder.tokenize([first], [second], 6)[0]
    assert found.type_ids == [0] * 4 + [1] * 2
    assert encoder.tokenize([first], max_length=3)[0].ids == encoder.tokenize([first])[0].ids[:3]
    assert encoder.tokenize([second], [first], 5)[0].type_ids == [0, 0, 1, 1, 1]


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subwords", ["none", "jamo"])
def test_gensim_opens_the_folders_vectors(text, shards, tmp_path, subwords) -> None:
    models = pytest.importorskip("gensim.models")
    module, _, _ = trained(text, shards, epochs=2, subwords=subwords, num_buckets=100)
    model_folder.write(tmp_path / "run", CARD, module, text[1], {})
    theirs = models.KeyedVectors.load_word2vec_format(str(tmp_path / "run" / "vectors.bin"), binary=True)
    known = vocabulary(load(tmp_path / "run"))
    assert theirs.index_to_key == known.words
    assert [w for w, _ in theirs.most_similar("고양이", topn=3)] == [
        w for w, _ in nearest(load(tmp_path / "run"), "고양이", top=3).nearest
    ]
    np.testing.assert_allclose(theirs.get_normed_vectors(), known.unit, atol=1e-6)


@pytest.mark.parametrize("form", vectors.FORMS)
def test_vectors_of_others_come_in(tmp_path, form) -> None:
    words, values = ["고양이", "New York", "강아지", "[MASK]"], np.random.default_rng(0).normal(size=(4, 5))
    kept = [0, 2]
    path = tmp_path / "v"
    if form == "binary":
        words[1] = "New_York"
        kept = [0, 1, 2]
        vectors.write(path, words, values.astype(np.float32), form)
    else:
        rows = [f"{word} {' '.join(map(str, row))}" for word, row in zip(words, values.tolist(), strict=True)]
        path.write_text("\n".join([*(["4 5"] if form == "text" else []), *rows]) + "\n", "utf-8")
    result = import_model("vectors", path, out=tmp_path / "run")
    assert any("left out" in note for note in result.notes)
    known = vocabulary(load(tmp_path / "run"))
    assert known.words == [words[n] for n in kept]
    unit = values[kept] / np.linalg.norm(values[kept], axis=1, keepdims=True)
    np.testing.assert_allclose(known.unit, unit, atol=1e-6)


def test_damaged_folders_are_told(text, tmp_path) -> None:
    module, _ = made(text)
    CARD.save(module, text[1], tmp_path)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"dim": 20', '"dim": 21'))
    with pytest.raises(CheckpointError, match="shape"):
        CARD.load(tmp_path)
    (tmp_path / "config.json").write_text(config.replace(f'"vocab_size": {text[1].vocab_size}', '"vocab_size": 7'))
    with pytest.raises(CheckpointError, match="another"):
        CARD.load(tmp_path)
    (tmp_path / "config.json").write_text(config.replace('"word2vec"', '"bert"'))
    with pytest.raises(CheckpointError, match="bert"):
        CARD.load(tmp_path)
