"""Word in context: a model that mixes neighbours tells planted senses apart, one vector a word is blind exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek import systems
from munmaek.cli import main
from munmaek.core.errors import DataError, RequestError
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run import folder as model_folder
from munmaek.run.model import Model, load
from munmaek.run.wic import word_in_context

SENSES = (("하늘", "겨울", "구름"), ("얼굴", "안경", "코"))
HEADER = "ID\tTarget\tSENTENCE1\tSENTENCE2\tANSWER"


def write(path: Path, count: int, seed: int, turned: bool = False, last: bool = False) -> Path:
    """Two sentences in which 눈 comes first (or last); the others tell which it is. Half of the words are marked."""
    rng, lines = np.random.default_rng(seed), [HEADER]
    for number in range(count):
        one, other = rng.integers(0, 2, 2).tolist()
        word = "[눈]" if number % 2 else "눈"
        around = [rng.permutation(SENSES[sense]) for sense in (one, other)]
        first, second = (" ".join([*others, word] if last else [word, *others]) for others in around)
        lines.append(f"{number}\t눈\t{first}\t{second}\t{(one == other) != turned}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name of a system -> the folder of a tiny one with random weights."""
    texts = [[" ".join(["눈", *words]), *words] for words in SENSES] * 20

    def build(name: str) -> Path:
        card = systems.load(name)
        tokenizer = train_tokenizer(texts, card.tokenizer, 200, min_count=1)
        torch.manual_seed(5)
        model = card.build(card.config(**card.presets["tiny"], vocab_size=tokenizer.vocab_size))
        return model_folder.write(tmp_path_factory.mktemp(name) / name, card, model, tokenizer, {"size": "tiny"})

    return build


@pytest.fixture(scope="module")
def bert(build: Callable[[str], Path]) -> Model:
    return load(build("bert"))


def test_a_contextual_model_tells_planted_senses_apart(bert: Model, tmp_path: Path) -> None:
    """Neighbours are all that differs: the embeddings are blind, the layers see, and turned answers turn the area."""
    data, train = write(tmp_path / "dev.tsv", 200, 1), write(tmp_path / "train.tsv", 200, 0)
    found = word_in_context(bert, data, train=train)
    assert (found.num_rows, found.num_train, found.halved, found.notes) == (200, 200, False, [])
    assert [score.layer for score in found.layers] == [0, 1, 2]
    assert found.layers[0].auc == 0.5
    assert found.layers[0].train_auc == 0.5
    assert found.layer > 0
    assert found.auc > 0.95
    assert found.accuracy > 0.9
    assert found.majority < 0.6
    turned = word_in_context(bert, write(tmp_path / "t.tsv", 200, 1, turned=True), train=train)
    for score, other in zip(found.layers, turned.layers, strict=True):
        assert other.auc == pytest.approx(1 - score.auc)
    assert turned.accuracy == pytest.approx(1 - found.accuracy)


@pytest.mark.parametrize(("name", "one_way"), [("elmo", False), ("ulmfit", True), ("gpt", True), ("bert", False)])
def test_a_word_is_read_with_what_its_model_sees(
    name: str, one_way: bool, build: Callable[[str], Path], tmp_path: Path
) -> None:
    """All see what stands before the word; a left-to-right model is exactly blind to what comes after it."""
    model = load(build(name))
    for last in (True, False):
        data = write(tmp_path / f"{last}.tsv", 150, 1, last=last)
        found = word_in_context(model, data, train=write(tmp_path / "train.tsv", 150, 0, last=last))
        if last or not one_way:
            assert found.auc > 0.9
        else:
            assert [score.auc for score in found.layers] == [0.5] * model.num_layers


@pytest.mark.parametrize("name", ["word2vec", "glove"])
def test_one_vector_a_word_is_exactly_blind(name: str, build: Callable[[str], Path], tmp_path: Path) -> None:
    model, train = load(build(name)), write(tmp_path / "train.tsv", 150, 0)
    assert np.abs(model.word_vector("눈 하늘", "눈")).max() > 0
    found = word_in_context(model, write(tmp_path / "dev.tsv", 200, 1), train=train)
    assert (found.auc, [score.auc for score in found.layers]) == (0.5, [0.5])
    answers = [line.endswith("True") for line in train.read_text("utf-8").splitlines()[1:]]
    says_same = np.mean(answers) >= 0.5
    dev = [line.endswith("True") for line in (tmp_path / "dev.tsv").read_text("utf-8").splitlines()[1:]]
    assert found.accuracy == pytest.approx(np.mean(np.array(dev) == says_same))


def test_without_training_rows_a_fixed_half_is_learnt_from_and_the_other_scored(bert: Model, tmp_path: Path) -> None:
    data = write(tmp_path / "dev.tsv", 101, 1)
    found, again = word_in_context(bert, data), word_in_context(bert, data)
    assert (found.num_train, found.num_rows, found.halved) == (50, 51, True)
    assert found.layers == again.layers
    assert found.notes == [
        "threshold and layer were learnt on 50 rows drawn from the file, and the other 51 were scored"
    ]
    assert found.accuracy > 0.8


def test_layer_and_threshold_are_chosen_on_the_training_rows_alone(bert: Model, tmp_path: Path) -> None:
    train = write(tmp_path / "train.tsv", 120, 0)
    found = [
        word_in_context(bert, write(tmp_path / f"{turned}.tsv", 90, 4, turned), train=train) for turned in (False, True)
    ]
    assert found[0].layer == found[1].layer
    for one, other in zip(found[0].layers, found[1].layers, strict=True):
        assert (one.threshold, one.train_accuracy) == (other.threshold, other.train_accuracy)


def test_spans_are_means_of_their_tokens_whoever_shares_the_batch(bert: Model) -> None:
    texts, spans = ["눈 하늘 구름", "안경 눈", "겨울 겨울 겨울 눈 코"], [(0, 1), (3, 4), (9, 12)]
    found = bert.spans_layers(texts, spans)
    assert found.shape == (3, 3, bert.dim)
    for row, (text, (start, end)) in enumerate(zip(texts, spans, strict=True)):
        inside = [i for i, token in enumerate(bert.tokens(text)) if token.start < end and token.end > start]
        np.testing.assert_allclose(found[row], bert.states(text)[:, inside].mean(1), atol=2e-5)
    assert np.isnan(bert.spans_layers(["눈 " * 3000], [(5990, 5991)])).all()


def test_rows_that_cannot_be_used_are_counted(bert: Model, tmp_path: Path) -> None:
    path = write(tmp_path / "dev.tsv", 40, 1)
    far = "코 " * 3000 + "[눈]"
    extra = ["1\t눈\t하늘 구름\t눈 하늘\tTrue", f"2\t눈\t{far}\t눈 하늘\tFalse", "3\t눈\t눈\t눈\t?"]
    path.write_text(path.read_text("utf-8") + "\n".join(extra) + "\n", "utf-8")
    found = word_in_context(bert, path)
    assert found.num_rows + found.num_train == 40
    assert found.notes[:3] == [
        "dev.tsv: 1 rows skipped: the answer is neither true nor false",
        "dev.tsv: 1 rows skipped: the word is not in its sentence as it is written",
        "dev.tsv: 1 rows skipped: the word stands past what the model reads",
    ]


def test_wrong_requests(bert: Model, tmp_path: Path) -> None:
    data = write(tmp_path / "dev.tsv", 20, 1)
    with pytest.raises(RequestError, match="the rows to score are those to learn from"):
        word_in_context(bert, data, train=data)
    (tmp_path / "one.tsv").write_text(HEADER + "\n" + "1\t눈\t눈 코\t눈 코\tTrue\n" * 9, "utf-8")
    with pytest.raises(DataError, match="all words that can be found mean the same, or none does"):
        word_in_context(bert, tmp_path / "one.tsv")


def test_the_command(bert: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, train = str(write(tmp_path / "dev.tsv", 60, 1)), str(write(tmp_path / "train.tsv", 60, 0))
    call = ["evaluate", "wic", "--model", str(bert.folder), "--data", data]
    assert main([*call, "--train", train]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["layer", "threshold", "train", "accuracy", "accuracy", "AUC"]
    assert shown[-1].startswith(("layer 1: accuracy", "layer 2: accuracy"))
    assert main([*call, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["num_rows"], found["num_train"], len(found["layers"])) == (30, 30, 3)
    assert main(["evaluate", "lm", "--model", str(bert.folder), "--data", data, "--train", train]) == 2
    assert "nothing is learnt to score lm" in capsys.readouterr().err
    assert main([*call, "--data", train]) == 2
