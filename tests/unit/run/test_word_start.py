"""Embeddings that start at word vectors: they are those vectors but for mean and spread, and all else is as drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from munmaek import systems
from munmaek.core.errors import RequestError
from munmaek.run.model import Model, load
from munmaek.run.prepare import prepare
from munmaek.run.pretrain import pretrain, usual_recipe
from munmaek.run.word_start import SPREAD, _vectors, split_budget, split_for_spelling
from munmaek.systems.elmo.spelling import without_the_common

CORPUS = [["배우 연기 정말 좋다", "음악 정말 좋다"], ["결말 너무 싫다", "화면 너무 싫다"]] * 20
STILL = {"learning_rate": 1e-12, "muon_rate": 1e-12, "batch_tokens": 256, "max_length": 32}
SYSTEMS = ("bert", "gpt", "ulmfit")


def trained(system: str, out: Path, **rest: Any) -> Path:
    still = {} if system in ("word2vec", "glove") else STILL
    pretrain(system, corpus=CORPUS, out=out, size="tiny", budget="2 steps", device="cpu", min_count=1,
             **{**rest, "settings": still | rest.get("settings", {})})  # fmt: skip
    return out


def embeddings(folder: Path) -> torch.Tensor:
    model = load(folder, "cpu")
    found = model.system.token_embeddings
    assert found is not None
    return found(model.module).detach()


@pytest.mark.parametrize("vectors", ["word2vec", "glove"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_tokens_start_at_their_vectors_and_special_ones_as_drawn(system: str, vectors: str, tmp_path: Path) -> None:
    card = systems.load(system)
    dim = int(card.config(vocab_size=9, **card.presets["tiny"]).dim)
    words = trained(vectors, tmp_path / "words", tokenizer=card.tokenizer, settings={"dim": dim})
    plain = embeddings(trained(system, tmp_path / "plain", tokenizer=words))
    found = embeddings(trained(system, tmp_path / "started", words=words))
    model = load(words, "cpu")
    numbers = model.tokenizer.encode_batch(["배우 정말 좋다"])[0].ids[1:-1]
    ours = model.states("배우 정말 좋다")[0]
    assert len(ours) == len(numbers) >= 3
    taken = torch.from_numpy(ours)
    moved = (found[numbers] - found[numbers[0]]).double()
    wanted = (taken - taken[0]).double()
    factor = moved[1].norm() / wanted[1].norm()
    assert torch.allclose(moved, wanted * factor, atol=1e-5), "the same but for the mean and one factor"
    known = (found - plain).abs().amax(1) > 1e-6
    assert known[numbers].all()
    assert found[known].mean(0).abs().max() < 1e-5
    assert found[known].std() == pytest.approx(float(SPREAD * plain.std()), rel=0.02)
    assert torch.allclose(found[:5], plain[:5], atol=1e-9), "special tokens have no vectors"


def test_what_computes_vectors_from_spelling_is_taught_them(tmp_path: Path) -> None:
    words = trained("word2vec", tmp_path / "words", tokenizer="morpheme-word", settings={"dim": 64})
    started = load(trained("elmo", tmp_path / "started", words=words), "cpu")
    plain = load(trained("elmo", tmp_path / "plain", tokenizer=words), "cpu")
    model = load(words, "cpu")
    numbers = torch.tensor([number for word, number in model.tokenizer.vocab().items() if not word.startswith("[")])
    tokens = model.tokenizer.encode_batch([text for document in CORPUS for text in document], special=False)
    counts = np.bincount([number for text in tokens for number in text.ids], minlength=model.tokenizer.vocab_size)
    taken = _vectors(model).detach()[numbers]
    target = without_the_common(taken, counts[numbers])

    def cosines(found: torch.Tensor) -> torch.Tensor:
        return torch.cosine_similarity(found, target)

    def spelt(of: Model) -> torch.Tensor:
        return of.module.elmo.words(torch.from_numpy(of.encoder.speller.rows(numbers.numpy()))).detach()

    assert cosines(spelt(started)).min() > 0.98 > 0.5 > cosines(spelt(plain)).mean()
    assert spelt(started).std() == pytest.approx(1.0, rel=0.05)
    softmax = torch.cosine_similarity(embeddings(tmp_path / "started")[numbers], taken - taken.mean(0))
    assert softmax.min() > 0.99, "the softmax starts at the vectors, too"


def test_of_a_time_a_tenth_is_for_spelling_where_vectors_are_spelt_and_more_of_a_short_one() -> None:
    assert split_for_spelling(systems.load("elmo"), "10m") == (60.0, "540.000s")
    assert split_for_spelling(systems.load("elmo"), "45s") == (6.0, "39.000s")
    assert split_for_spelling(systems.load("elmo"), "9s") == (3.0, "6.000s")
    assert split_for_spelling(systems.load("elmo"), "3 epochs") == (None, "3 epochs")
    assert split_for_spelling(systems.load("bert"), "10m") == (None, "10m")


@pytest.mark.parametrize("system", SYSTEMS)
def test_auto_learns_the_vectors_first_in_the_models_own_folder(system: str, tmp_path: Path) -> None:
    trained(system, tmp_path / "auto", tokenizer="syllable", words="auto")
    words = load(tmp_path / "auto" / "words", "cpu")
    model = load(tmp_path / "auto", "cpu")
    assert words.system.name == "word2vec"
    assert model.tokenizer.kind == "syllable" == words.tokenizer.kind
    trained(system, tmp_path / "given", words=tmp_path / "auto" / "words")
    assert torch.equal(embeddings(tmp_path / "auto"), embeddings(tmp_path / "given"))


def test_auto_reads_a_corpus_that_passes_but_once_and_its_time_counts(tmp_path: Path) -> None:
    made = pretrain("bert", corpus=iter(CORPUS), out=tmp_path / "auto", size="tiny", budget="2 steps", device="cpu",
                    min_count=1, words="auto", settings=STILL)  # fmt: skip
    first = json.loads((made.folder / "words" / "munmaek.json").read_text("utf-8"))["training"]["seconds"]
    own = json.loads((made.folder / "munmaek.json").read_text("utf-8"))["training"]["seconds"]
    assert made.seconds == pytest.approx(first + own)
    assert "word vectors" in made.notes[0]
    again = pretrain("bert", corpus=CORPUS, out=tmp_path / "auto", size="tiny", budget="2 steps", device="cpu",
                     min_count=1, words="auto", settings=STILL)  # fmt: skip
    assert again.steps == made.steps == 2, "what is trained is not trained again"


def test_a_training_is_known_again_by_what_its_words_are_and_not_by_where(tmp_path: Path) -> None:
    options = {"settings": STILL, "corpus": CORPUS, "size": "tiny", "budget": "2 steps", "device": "cpu",
               "min_count": 1}  # fmt: skip
    made = pretrain("bert", out=tmp_path / "here" / "bert", words="auto", **options)
    (tmp_path / "here").rename(tmp_path / "there")
    folder = tmp_path / "there" / "bert"
    assert pretrain("bert", out=folder, words="auto", **options).seconds == made.seconds, "found, not trained again"
    other = trained(
        "word2vec", tmp_path / "other", tokenizer=folder / "words", settings={"dim": load(folder, "cpu").dim}, seed=1
    )
    with pytest.raises(RequestError, match="another words"):
        pretrain("bert", out=folder, words=other, **options)


def test_auto_cuts_words_as_the_system_itself_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, int]] = []

    def seen(corpus: Any, **rest: Any) -> Any:
        asked.append((rest["tokenizer"], rest["vocab_size"]))
        return prepare(corpus, **rest)

    monkeypatch.setattr("munmaek.run.pretrain.prepare", seen)
    trained("bert", tmp_path / "auto", words="auto")
    card = systems.load("bert")
    assert asked[0] == (card.tokenizer, card.vocab_size)


def test_a_tenth_of_a_time_is_for_the_words_and_passes_where_no_time_is_given() -> None:
    assert split_budget("10m") == ("60.000s", "540.000s")
    assert split_budget("3 epochs") == ("5 epochs", "3 epochs")
    assert split_budget("22M tokens") == ("5 epochs", "22M tokens")


def test_a_system_may_learn_otherwise_from_word_vectors(tmp_path: Path) -> None:
    card = systems.load("bert")
    assert usual_recipe(card, "mini").optimizer == "muon"
    assert usual_recipe(card, "mini", at_words=True).optimizer == "adamw"
    assert usual_recipe(card, "small", at_words=True) == card.recipes["small"]
    words = trained("word2vec", tmp_path / "words", tokenizer="wordpiece", settings={"dim": 256})
    quick = {"max_length": 32, "batch_tokens": 256}
    started = pretrain("bert", corpus=CORPUS, out=tmp_path / "mini", size="mini", budget="1 steps", device="cpu",
                       words=words, settings=quick)  # fmt: skip
    recipe = json.loads((started.folder / "munmaek.json").read_text("utf-8"))["recipe"]
    assert (recipe["optimizer"], recipe["learning_rate"], recipe["batch_tokens"]) == ("adamw", 1e-3, 256)


def test_what_cannot_start_a_model_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    words = trained("word2vec", tmp_path / "words", tokenizer="wordpiece", settings={"dim": 20})
    bert = trained("bert", tmp_path / "bert")
    out = tmp_path / "out"
    for system, asked, said in (
        ("bert", {"words": words}, "20 numbers"),
        ("bert", {"words": bert}, "no vectors of tokens alone"),
        ("glove", {"words": words}, "no embeddings of tokens"),
        ("bert", {"words": words, "init": bert}, "--init"),
        ("bert", {"words": words, "tokenizer": "bpe"}, "--tokenizer"),
        ("bert", {"words": "auto", "init": bert}, "--init"),
        ("ngram", {"words": "auto"}, "no embeddings of tokens"),
        ("bert", {"words": "auto", "settings": {"masc_rate": 0.3}}, "masc_rate"),
    ):
        with pytest.raises(RequestError, match=said):
            trained(system, out, **asked)
        assert not out.exists()
