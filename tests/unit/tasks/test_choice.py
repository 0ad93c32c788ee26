"""choice: what labels number, and a network that gives each alternative one number."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from munmaek import systems, tasks
from munmaek.core.errors import DataError
from munmaek.data import choices
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run.folder import Loaded
from munmaek.run.model import Model
from munmaek.run.tuning import Tuner
from munmaek.tasks.examples import Examples
from munmaek.tasks.labelled import tokenise

CHOICE = tasks.load("choice")
GOOD = ("정말 좋다", "너무 재미있다", "최고의 영화", "감동적이다", "다시 보고 싶다")
BAD = ("정말 싫다", "너무 지루하다", "최악의 영화", "실망스럽다", "돈이 아깝다")
TRAINED = tuple(name for name in systems.NAMES if name != "ngram")


def rows(count: int, num_alternatives: int, seed: int) -> tuple[list[str], list[list[str]], list[int]]:
    """Contexts, alternatives of which one is good, and its place, which is random."""
    rng = np.random.default_rng(seed)
    right = rng.integers(0, num_alternatives, count).tolist()
    found = [[str(rng.choice(GOOD if place == where else BAD)) for place in range(num_alternatives)] for where in right]
    return [f"영화 {row % 7}편을 보았다. 결과" for row in range(count)], found, right


def examples(count: int, num_alternatives: int, first: int = 1, seed: int = 0) -> Examples:
    contexts, alternatives, right = rows(count, num_alternatives, seed)
    return Examples(contexts, [choices.join(row) for row in alternatives], [str(r + first) for r in right], "rows.tsv")


@pytest.fixture(scope="module")
def model():
    """Name of a system -> a tiny one with random weights, and a small vocabulary."""
    texts = [[*GOOD, *BAD, *(f"영화 {row}편을 보았다. 결과" for row in range(7))]] * 5

    def build(name: str) -> Model:
        card = systems.load(name)
        tokenizer = train_tokenizer(texts, card.tokenizer, 300, min_count=1)
        torch.manual_seed(3)
        module = card.build(card.config(**card.presets["tiny"], vocab_size=tokenizer.vocab_size))
        return Model(Loaded(card, module, tokenizer, {"recipe": {"max_length": 48}}, None))  # type: ignore[arg-type]

    return build


@pytest.mark.parametrize(
    ("labels", "classes"),
    [(["1", "2"], ("1", "2")), (["1", "0"], ("0", "1")), (["3", "1"], ("1", "2", "3")), (["2", "0"], ("0", "1", "2"))],
)
def test_labels_number_the_alternatives(labels: list[str], classes: tuple[str, ...]) -> None:
    answers = CHOICE.fit(labels * 9, "f")
    assert answers.classes == classes
    assert CHOICE.targets(answers, [classes[-1], classes[0], "77"], "f").tolist() == [len(classes) - 1, 0, -1]
    assert CHOICE.num_outputs(answers) == 1


def test_labels_that_number_nothing() -> None:
    with pytest.raises(DataError, match=r"f\.tsv: 2 of 3 labels are no number of an alternative, the first is '원인'"):
        CHOICE.fit(["1", "원인", "-1"], "f.tsv")
    with pytest.raises(DataError, match="every row has the label '1'"):
        CHOICE.fit(["1", "1"], "f.tsv")
    with pytest.raises(DataError, match="no row has a label"):
        CHOICE.fit([], "f.tsv")


def test_accuracy_is_what_its_evidence_adds_up_to() -> None:
    answers, outputs = CHOICE.fit(["1", "3"], "f"), np.array([[0, 1, 0], [9, 1, 2], [0, 0, 3]], dtype=np.float32)
    wanted = CHOICE.targets(answers, ["2", "2", "3"], "f")
    found = CHOICE.answer(answers, outputs)
    assert found.sum(axis=1) == pytest.approx(np.ones(3))
    assert found[0] == pytest.approx(np.array([1, math.e, 1]) / (2 + math.e))
    assert CHOICE.scores(answers, found, wanted)["accuracy"] == pytest.approx(2 / 3)
    assert CHOICE.figure(CHOICE.evidence(answers, found, wanted).sum(0)) == pytest.approx(2 / 3)


def test_a_row_is_read_once_an_alternative(model) -> None:
    """Segments for BERT; start, context, delimiter, alternative and extract for GPT (Radford 2018 figure 1)."""
    contexts, alternatives, _ = rows(3, 3, 0)
    joined = [choices.join(row) for row in alternatives]
    for name in ("bert", "gpt"):
        encoder = model(name).encoder
        data = tokenise(encoder, contexts, joined, alternatives=True)
        assert (len(data), data.readings) == (3, 3)
        read = data.encodings(np.arange(3))
        for number, encoding in enumerate(read):
            row, place = divmod(number, 3)
            [wanted] = encoder.tokenize([contexts[row]], [alternatives[row][place]])
            assert (encoding.ids, encoding.type_ids) == (wanted.ids, wanted.type_ids)
            if name == "gpt":
                start, extract = encoder.tokenizer.token_id("cls"), encoder.tokenizer.token_id("sep")
                assert (encoding.ids[0], encoding.ids[-1], encoding.ids.count(extract)) == (start, extract, 2)
            else:
                assert set(encoding.type_ids) == {0, 1}
    with pytest.raises(DataError, match="row 2 has 1 alternatives, the first has 3"):
        tokenise(encoder, contexts[:2], [joined[0], "하나"], alternatives=True)


@pytest.mark.parametrize("name", TRAINED)
def test_every_system_learns_to_choose_and_places_mean_nothing(name: str, model) -> None:
    """Another order of the alternatives is the same order of their outputs: only the content can have been learnt."""
    train, dev = examples(120, 3), examples(60, 3, seed=1)
    rates = {"elmo": 1e-2, "word2vec": 1e-2, "glove": 1e-2}
    changes = {"epochs": 12.0, "batch_rows": 16, "learning_rate": rates.get(name, 2e-3), "auxiliary": 0.0}
    tuner = Tuner(model(name), CHOICE, train, dev, changes=changes)
    fitted = tuner.fit(0)
    assert fitted.answers.classes == ("1", "2", "3")
    assert fitted.network.output.out_features == 1
    assert fitted.scores is not None
    assert fitted.scores["accuracy"] > 0.85
    turned = Examples(dev.texts, [choices.join(choices.split(p)[::-1]) for p in dev.pairs or []], dev.labels, "turned")
    network = fitted.network.eval()
    with torch.no_grad():
        one, other = (
            network({n: torch.from_numpy(a) for n, a in data.arrays(network.encoder, np.arange(60)).items()})
            for data in (tuner.read(dev), tuner.read(turned))
        )
    assert one.shape == (60, 3)
    torch.testing.assert_close(one, other.flip(1), rtol=1e-4, atol=1e-4)


def test_the_auxiliary_loss_is_of_all_readings(model) -> None:
    fitted = [
        Tuner(model("gpt"), CHOICE, examples(12, 2), changes={"epochs": 1.0, "auxiliary": rate}).fit(0).outcome.loss
        for rate in (0.0, 0.5)
    ]
    assert fitted[1] > fitted[0] + 1.0


def test_a_subset_that_never_saw_the_last_alternative_has_it_all_the_same(model) -> None:
    tuner = Tuner(model("bert"), CHOICE, examples(40, 3, first=0), changes={"epochs": 1.0})
    assert tuner.fit(0, labels=2).answers.classes == ("0", "1", "2")


def test_labels_past_the_alternatives_are_told(model) -> None:
    found = examples(20, 3)
    two = Examples(found.texts, [choices.join(choices.split(p)[:2]) for p in found.pairs or []], found.labels, "f.tsv")
    with pytest.raises(DataError, match=r"f\.tsv: rows have 2 alternatives, but the training labels run from 1 to 3"):
        Tuner(model("bert"), CHOICE, two, changes={"epochs": 1.0}).fit(0)
