"""tag: tokens and entities become one another, scores are seqeval's, and every system learns planted entities."""

from __future__ import annotations

import dataclasses
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek import systems, tasks
from munmaek.core.errors import DataError, RequestError
from munmaek.data import tagged
from munmaek.data.tagged import Entity
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run.folder import Loaded
from munmaek.run.model import Model
from munmaek.run.tuned import Tuned
from munmaek.run.tuning import Tuner
from munmaek.tasks import tag
from munmaek.tasks.examples import Examples, describe, subset
from munmaek.tasks.labelled import characters, tokenise, with_targets
from munmaek.tasks.network import outputs
from munmaek.tasks.task import Tokens

TAG = tasks.load("tag")
PEOPLE = ("철수", "영희", "김 선생", "이 박사")
PLACES = ("서울", "부산", "경포 해변")
VERBS = ("갔다", "왔다", "산다", "보았다")
TRAINED = tuple(name for name in systems.NAMES if name != "ngram")


def row(rng: np.random.Generator) -> tuple[str, list[Entity]]:
    """A sentence with a person, and mostly a place."""
    text, found = "", list[Entity]()
    for names, kind in ((PEOPLE, "PS"), (PLACES, "LC")):
        if kind == "LC" and rng.random() < 0.3:
            continue
        name = str(rng.choice(names))
        found.append((len(text), len(text) + len(name), kind))
        text += f"{name} {rng.choice(['어제', '오늘', '또'])} "
    return text + str(rng.choice(VERBS)), found


def examples(count: int, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    rows = [row(rng) for _ in range(count)]
    return Examples([text for text, _ in rows], None, [tagged.join(found) for _, found in rows], "rows.tsv")


@pytest.fixture(scope="module")
def model():
    """Name of a system -> a tiny one with random weights, and a small vocabulary."""
    texts = [[text] for text in examples(200, 9).texts]

    def build(name: str, kind: str | None = None, direction: str | None = None) -> Model:
        card = systems.load(name)
        tokenizer = train_tokenizer(texts, kind or card.tokenizer, 300, min_count=1)
        torch.manual_seed(3)
        more = {"direction": direction} if direction else {}
        module = card.build(card.config(**card.presets["tiny"], vocab_size=tokenizer.vocab_size, **more))
        return Model(Loaded(card, module, tokenizer, {"recipe": {"max_length": 48}}, Path("run")))

    return build


# ---- tokens ---------------------------------------------------------------------------------------------------------


def one_text(spans: list[tuple[int, int]]) -> Tokens:
    return Tokens([""], np.array([0, len(spans)]), np.array(spans, dtype=np.int32), np.array([0]))


def targets_of(entities: list[Entity], spans: list[tuple[int, int]], *types: str) -> list[str]:
    answers = TAG.fit([tagged.join([(0, 1, kind) for kind in types])], "f")
    wanted = TAG.targets(answers, [tagged.join(entities)], "f")
    found = tag.token_targets(answers, wanted, one_text(spans))
    return [answers.classes[place] if place >= 0 else "-" for place in found.tolist()]


def test_a_token_has_the_tag_of_its_characters() -> None:
    spans = [(0, 0), (0, 2), (2, 3), (4, 6), (6, 9), (0, 0)]
    assert targets_of([(0, 2, "A"), (4, 9, "B")], spans, "A", "B") == ["-", "B-A", "O", "B-B", "I-B", "-"]
    assert targets_of([(0, 1, "A"), (1, 3, "B")], spans, "A", "B") == ["-", "B-A", "I-B", "O", "O", "-"]
    assert targets_of([(5, 7, "A")], spans, "A") == ["-", "O", "O", "B-A", "I-A", "-"]
    assert targets_of([(0, 5, "A"), (5, 9, "A")], spans, "A") == ["-", "B-A", "I-A", "B-A", "I-A", "-"]
    assert targets_of([(0, 2, "C")], spans, "A") == ["-", "O", "O", "O", "O", "-"]


def test_morphemes_of_one_syllable_are_one_entity() -> None:
    """했 is 하 and 았: two tokens of the same character."""
    assert targets_of([(0, 1, "A")], [(0, 1), (0, 1), (1, 2)], "A") == ["B-A", "I-A", "O"]


def test_the_first_of_several_tokens_of_a_character_has_the_say() -> None:
    answers = TAG.fit([tagged.join([(0, 1, "A")])], "f")
    tokens = one_text([(0, 0), (0, 1), (0, 1), (1, 2), (0, 0)])
    [found] = tag.collect(answers, np.eye(3, dtype=np.float32)[[0, 1, 1, 2, 1]], tokens)
    assert found == ((0, 2, "A"),)


def test_what_cannot_be_found_is_counted() -> None:
    wanted = TAG.targets(tasks.Answers(), [tagged.join([(0, 1, "A"), (3, 6, "A"), (6, 9, "A"), (20, 22, "A")])], "f")
    tokens = one_text([(0, 2), (3, 6), (6, 8)])
    assert tag.unreachable(wanted, tokens) == (4, 1, 2)
    inside, past = tag.lost(wanted, tokens, "a.tsv")
    assert inside.startswith("a.tsv: 1 of 4 entities begin or end inside a token")
    assert past.startswith("a.tsv: 2 of 4 entities lie past the tokens that are read")


@given(st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]), max_size=12))
def test_entities_go_to_characters_and_back(tags: list[str]) -> None:
    text = "가" * len(tags)
    wanted = tagged.entities_of(tags, [(place, place + 1) for place in range(len(tags))])
    answers = TAG.fit([tagged.join([(0, 1, "A"), (0, 1, "B")])], "f")
    places = characters([text, "나 다"])
    rows = TAG.targets(answers, [tagged.join(wanted), "[]"], "f")
    found = tag.token_targets(answers, rows, places)
    back = tag.collect(answers, np.eye(5, dtype=np.float32)[found], places)
    assert [list(each) for each in back] == [wanted, []]


def test_spaces_belong_to_no_token(model) -> None:
    for name, kind in (("bert", "unigram"), ("bert", "bpe"), ("bert", "syllable"), ("gpt", "bpe")):
        texts = ["  김 선생  갔다 ", unicodedata.normalize("NFD", "철수 서울"), "", " "]
        data = tokenise(model(name, kind).encoder, texts, per_token=True)
        assert data.spans is not None
        for number, text in enumerate(texts):
            spans = data.spans[data.offsets[number] : data.offsets[number + 1]]
            pieces = [text[start:end] for start, end in spans.tolist() if end]
            assert all(piece == piece.strip() != "" for piece in pieces)
            covered = {
                place for start, end in spans.tolist() for place in range(start, end) if not text[place].isspace()
            }
            assert covered == {place for place, character in enumerate(text) if not character.isspace()}


# ---- scores ---------------------------------------------------------------------------------------------------------


def seqeval_scores(wanted: list[list[str]], found: list[list[str]]) -> tuple[float, float, float]:
    metrics = pytest.importorskip("seqeval.metrics", reason="seqeval is not installed")
    names = ("f1_score", "precision_score", "recall_score")
    return tuple(getattr(metrics, name)(wanted, found, zero_division=0) for name in names)  # type: ignore[return-value]


TAGS = st.sampled_from(["O", "O", "B-A", "I-A", "B-B", "I-B", "I-C"])


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=9), min_size=1, max_size=6))
def test_scores_are_those_of_seqeval(rows: list[list[tuple[str, str]]]) -> None:
    """Taggings of any kind, I- without a beginning included."""
    taggings = [[[pair[side] for pair in line] for line in rows] for side in (0, 1)]
    labels = [
        [tagged.join(tagged.entities_of(line, [(n, n + 1) for n in range(len(line))])) for line in lines]
        for lines in taggings
    ]
    wanted, found = (TAG.targets(tasks.Answers(), each, "f") for each in labels)
    scores = TAG.scores(tasks.Answers(), found, wanted)
    assert (scores["entity_f1"], scores["precision"], scores["recall"]) == pytest.approx(seqeval_scores(*taggings))
    assert TAG.figure(TAG.evidence(tasks.Answers(), found, wanted).sum(0)) == pytest.approx(scores["entity_f1"])


def test_f1_by_type() -> None:
    wanted = TAG.targets(tasks.Answers(), [tagged.join([(0, 1, "A"), (1, 2, "B")]), "[]"], "f")
    found = TAG.targets(tasks.Answers(), [tagged.join([(0, 1, "A")]), tagged.join([(0, 2, "A")])], "f")
    assert tag.by_class(tasks.Answers(), found, wanted) == {"A": pytest.approx(2 / 3), "B": 0.0}
    assert TAG.evidence(tasks.Answers(), found, wanted).tolist() == [[1, 1, 2], [0, 1, 0]]


# ---- labels ---------------------------------------------------------------------------------------------------------


def test_classes_are_the_tags_of_the_types() -> None:
    assert TAG.fit(examples(9).labels, "f").classes == ("O", "B-LC", "I-LC", "B-PS", "I-PS")
    with pytest.raises(DataError, match=r"f\.tsv: none of 2 rows has an entity"):
        TAG.fit(["[]", "[]"], "f.tsv")


def test_a_subset_has_every_type() -> None:
    labels = ["[]"] * 500 + [tagged.join([(0, 1, "A")])] * 490 + [tagged.join([(0, 1, "A"), (1, 2, "B")])] * 10
    strata = TAG.strata(labels)
    assert len(set(strata.tolist())) == 3
    assert {int(strata[place]) for place in subset(strata, 3, 0)} == set(strata.tolist())


def test_a_person_is_told_of_the_entities() -> None:
    train, dev = examples(3), Examples(["가나"], None, [tagged.join([(0, 1, "X")])], "dev.tsv")
    notes = describe(train, dev, TAG.fit(train.labels, "f"), TAG.per_token)
    assert "entities of 2 types in 3 texts: PS 3, LC" in notes[0]
    assert notes[1] == "1 dev entities have types that no training row has (X): missed"


# ---- networks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAINED)
def test_every_system_learns_planted_entities(name: str, model) -> None:
    rates = {"ulmfit": 5e-3, "elmo": 1e-2, "word2vec": 1e-2, "glove": 1e-2}
    changes = {"epochs": 12.0, "batch_rows": 16, "learning_rate": rates.get(name, 2e-3)}
    tuner = Tuner(model(name), TAG, examples(150), examples(50, 1), changes=changes | {"frozen": False})
    fitted = tuner.fit(0)
    assert fitted.scores is not None
    assert fitted.scores["entity_f1"] > 0.95
    assert list(fitted.scores) == ["entity_f1", "precision", "recall"]
    tuned = Tuned(tuner.model, TAG, fitted.answers, fitted.network.eval(), tuner.max_length, TAG.pairs)
    text, wanted = row(np.random.default_rng(77))
    assert [list(each) for each in tuned.answer([text, ""])] == [wanted, []]
    decomposed = unicodedata.normalize("NFD", text)
    [found] = tuned.answer([decomposed])
    pieces = [unicodedata.normalize("NFC", decomposed[start:end]) for start, end, _ in found]
    assert pieces == [text[start:end] for start, end, _ in wanted]


@pytest.mark.parametrize(("name", "direction"), [*((n, None) for n in TRAINED), ("ulmfit", "backward")])
def test_padding_and_company_change_nothing(name: str, direction: str | None, model) -> None:
    loaded = model(name, direction=direction)
    network = Tuner(loaded, TAG, examples(20), changes={"epochs": 1.0}).fit(0).network.eval()
    texts = [examples(1).texts[0], "철수 " * 15, "왔다"]
    together = tokenise(loaded.encoder, texts, per_token=True)
    found = outputs(network, together)
    assert found.shape == (len(together.ids), 5)
    for number, text in enumerate(texts):
        alone = outputs(network, tokenise(loaded.encoder, [text], per_token=True))
        start, stop = together.offsets[number : number + 2]
        np.testing.assert_allclose(found[start:stop], alone, rtol=1e-3, atol=1e-4)


def test_the_loss_is_of_real_tokens_only(model) -> None:
    """The mean over tokens is the same whatever the batches are, and padding and special tokens have none."""
    from munmaek.tasks.labelled import LabelledObjective

    loaded = model("bert")
    tuner = Tuner(loaded, TAG, examples(8), changes={"epochs": 1.0})
    fitted = tuner.fit(0)
    data = with_targets(tuner.read(tuner.examples), TAG, fitted.answers, tuner.examples.labels, "f")
    assert data.spans is not None
    real = int((data.targets >= 0).sum())
    assert real == len(data.ids) - 2 * 8
    objective = LabelledObjective(TAG, loaded.encoder, 8)
    batch = next(iter(objective.batches(data, seed=0, batch_tokens=9_999)))
    assert batch.counts == {"label": real}
    parts = objective.loss(fitted.network.eval(), {n: torch.from_numpy(a) for n, a in batch.arrays.items()})
    assert parts.counts == {"label": real}
    log = torch.from_numpy(outputs(fitted.network, data)).log_softmax(1)
    chosen = torch.from_numpy(data.targets)
    wanted = -log[chosen >= 0, chosen[chosen >= 0]].sum()
    torch.testing.assert_close(parts.sums["label"], wanted, rtol=1e-4, atol=1e-4)
    taken = data.take(np.array([3, 1]))
    assert taken.targets.tolist() == [t for r in (3, 1) for t in data.targets[data.offsets[r] : data.offsets[r + 1]]]


def test_what_is_past_the_longest_input_is_missed_and_told(model) -> None:
    part = examples(60)
    long = dataclasses.replace(part, texts=[*part.texts, "또 " * 60 + "철수"],
                               labels=[*part.labels, tagged.join([(120, 122, "PS")])])  # fmt: skip
    tuner = Tuner(model("bert"), TAG, long, long, changes={"epochs": 1.0})
    tuner.fit(0)
    assert "1 of" in "".join(note for note in tuner.notes() if "lie past the tokens" in note)


def test_subwords_that_vary_have_no_characters(model) -> None:
    with pytest.raises(RequestError, match="subwords that vary"):
        Tuner(model("bert"), TAG, examples(9), changes={"subword_dropout": 0.1}).fit(0)
