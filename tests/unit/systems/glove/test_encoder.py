from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek.core.errors import CheckpointError, FormatError
from munmaek.formats import vectors
from munmaek.run.finetune import finetune
from munmaek.run.folder import read as read_folder
from munmaek.run.import_model import import_model
from munmaek.run.model import Model, load
from munmaek.run.pretrain import pretrain

MOTTO = ("눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다")
WORDS = [
    "눈이",
    "와서",
    "너무",
    "좋다",
    "너의",
    "예쁘다",
    "배를",
    "타고",
    "섬에",
    "갔다",
    "밤에",
    "말이",
    "달린다",
    "비가",
    "온다",
]
DOCUMENTS = [[" ".join(WORDS[(i * 7 + j * j * 3 + k * (1 + i % 4)) % len(WORDS)] for k in range(6))
              for j in range(3)] for i in range(60)] + [[*MOTTO]] * 5  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("glove") / "run"
    result = pretrain("glove", corpus=DOCUMENTS, out=out, size="tiny", budget="30 epochs", vocab_size=100,
                      tokenizer="word")  # fmt: skip
    assert result.notes[0].endswith("words")
    assert result.validation == {}, "no documents are held out"
    assert result.history[-1]["loss"] < 0.15 * result.history[0]["loss"]
    return out


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load(folder)


def test_a_word_has_one_vector_for_ever(model: Model) -> None:
    """The article's complaint: 눈, snow and eye, is the same in both sentences of the motto."""
    first, second = (model.word_vector(sentence, "눈") for sentence in MOTTO)
    assert np.array_equal(first, second)
    assert np.linalg.norm(first) > 0.1
    similar = model.similar(*MOTTO, "눈")
    assert f"{similar.cosine:.3f}" == "1.000"
    assert len(similar.layers) == 1
    assert similar.sentences < 0.999


def test_a_vector_is_the_sum_of_both(model: Model) -> None:
    number = model.tokenizer.token_id("눈이")
    module = model.module
    expected = (module.words + module.contexts).detach().numpy()[number, :-1]
    np.testing.assert_array_equal(model.word_vector(MOTTO[0], "눈"), expected)


def test_unknown_words_have_no_vector_and_change_no_mean(model: Model) -> None:
    assert not model.embed(["뷁뷁뷁"]).any()
    np.testing.assert_array_equal(model.embed(["눈이 뷁뷁뷁 와서"]), model.embed(["눈이 와서"]))
    assert model.embed([""]).shape == (1, 50)


def test_texts_and_pairs_are_cut(model: Model) -> None:
    long, short = "눈이 " * 20, "너의 배를"
    encoder = model.encoder
    assert len(encoder.tokenize([long], max_length=7)[0].ids) == 7
    one = encoder.tokenize([long], [short], max_length=10)[0]
    assert (sum(kind == 0 for kind in one.type_ids), sum(one.type_ids)) == (8, 2)
    other = encoder.tokenize([short], [long], max_length=10)[0]
    assert (sum(kind == 0 for kind in other.type_ids), sum(other.type_ids)) == (2, 8)
    both = encoder.tokenize([long], [long], max_length=9)[0]
    assert sum(both.type_ids) == 5, "as `tokenizers` cuts pairs"


def test_the_folder_holds_vectors_that_gensim_opens(folder: Path, model: Model) -> None:
    ours = vectors.read(folder / "vectors.txt", "text")
    assert set(ours.words) == {word for word in model.tokenizer.vocab() if not word.startswith("[")}
    keyed = pytest.importorskip("gensim.models").KeyedVectors.load_word2vec_format(str(folder / "vectors.txt"))
    for word in ours.words:
        np.testing.assert_array_equal(keyed[word], model.word_vector(word, word))


def test_words_that_nothing_was_learnt_from_are_not_exported(folder: Path, model: Model, tmp_path: Path) -> None:
    number = model.tokenizer.token_id("눈이")
    loaded = read_folder(folder)
    with torch.no_grad():
        loaded.module.word_squares[number] = 1.0
        loaded.module.context_squares[number] = 1.0
    loaded.system.save(loaded.module, loaded.tokenizer, tmp_path)
    assert set(vectors.read(folder / "vectors.txt").words) - set(vectors.read(tmp_path / "vectors.txt").words) == {
        "눈이"
    }


def test_damage_is_told(folder: Path, model: Model, tmp_path: Path) -> None:
    loaded = read_folder(folder)
    loaded.system.save(loaded.module, loaded.tokenizer, tmp_path)
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[:-10])
    with pytest.raises(FormatError):
        loaded.system.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(weights)
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    for change, complaint in (({"dim": 51}, "shape"), ({"vocab_size": 9}, "another model's"), ({"odd": 1}, "odd")):
        (tmp_path / "config.json").write_text(json.dumps(config | change), "utf-8")
        with pytest.raises(CheckpointError, match=complaint):
            loaded.system.load(tmp_path)


def test_a_text_file_of_the_released_program_comes_in(model: Model, folder: Path, tmp_path: Path) -> None:
    ours = vectors.read(folder / "vectors.txt")
    vectors.write(tmp_path / "glove.txt", ours.words, ours.values, "glove")
    found = import_model("glove", tmp_path / "glove.txt", out=tmp_path / "run")
    assert found.system == "glove"
    other = load(tmp_path / "run")
    np.testing.assert_array_equal(other.embed(MOTTO), model.embed(MOTTO))
    again = vectors.read(tmp_path / "run" / "vectors.txt")
    assert sorted(again.words) == sorted(ours.words)


def test_fine_tuning_trains_the_vectors(folder: Path, tmp_path: Path) -> None:
    rows = [f"{' '.join(words)}\t{int('눈이' in words)}" for i in range(120)
            for words in [[WORDS[(i * 5 + k * k) % len(WORDS)] for k in range(4)]]]  # fmt: skip
    (tmp_path / "rows.tsv").write_text("document\tlabel\n" + "\n".join(rows) + "\n", "utf-8")
    settings = {"frozen": False, "learning_rate": 1e-3, "head_rate": 10.0}  # what many labels mean
    finetune("classify", model=folder, train=tmp_path / "rows.tsv", out=tmp_path / "tuned", epochs=12,
             settings=settings)  # fmt: skip
    before, after = read_folder(folder).module, read_folder(tmp_path / "tuned").module
    assert not torch.equal(before.words, after.words)
    assert torch.equal(before.contexts, after.contexts)
    from munmaek.run.evaluate import evaluate

    assert evaluate(tmp_path / "tuned", tmp_path / "rows.tsv").scores["accuracy"] > 0.95
