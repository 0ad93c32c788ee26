"""span: answers and tokens become one another, through any windows, and every system learns answers."""

from __future__ import annotations

import math
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from munmaek import systems, tasks
from munmaek.core.errors import DataError
from munmaek.data import questions
from munmaek.data.questions import Gold
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run.folder import Loaded
from munmaek.run.model import Model
from munmaek.run.tuned import Tuned
from munmaek.run.tuning import Tuner
from munmaek.tasks import Answers, span
from munmaek.tasks.examples import Examples, describe, subset
from munmaek.tasks.labelled import LabelledObjective, tokenise, with_targets
from munmaek.tasks.network import outputs
from munmaek.tasks.task import Tokens

SPAN = tasks.load("span")
PEOPLE = ("철수", "영희", "김 선생", "이 박사")
PLACES = ("서울", "부산", "경포 해변")
TRAINED = tuple(name for name in systems.NAMES if name != "ngram")
STATIC = ("word2vec", "glove")
ANSWERS = Answers(("start", "end"), longest=30, empty=True)


def row(rng: np.random.Generator, impossible: float = 0.0) -> tuple[str, str, list[Gold]]:
    """A paragraph with a person and a place in either order, and who or where it asks for."""
    parts = [(str(rng.choice(PEOPLE)), "누구 질문"), (str(rng.choice(PLACES)), "어디 질문")]
    text, places = str(rng.choice(["어제 ", "오늘 ", ""])), dict[str, Gold]()
    for part in rng.permutation(2).tolist():
        name, question = parts[part]
        if rng.random() >= impossible:
            places[question] = (len(text), len(text) + len(name), name)
            text += f"{name} "
        text += f"{rng.choice(['또', '그리고'])} "
    question = str(rng.choice(["누구 질문", "어디 질문"]))
    return question, text + "갔다", [places[question]] if question in places else []


def examples(count: int, seed: int = 0, impossible: float = 0.0) -> Examples:
    rng = np.random.default_rng(seed)
    rows = [row(rng, impossible) for _ in range(count)]
    return Examples([q for q, _, _ in rows], [t for _, t, _ in rows], [questions.join(g) for *_, g in rows], "q.json")


@pytest.fixture(scope="module")
def model():
    """Name of a system -> a tiny one with random weights, and a small vocabulary."""
    found = examples(200, 9)
    texts = [[f"{question} {text}"] for question, text in zip(found.texts, found.pairs or [], strict=True)]

    def build(name: str, kind: str | None = None, max_length: int = 48) -> Model:
        card = systems.load(name)
        tokenizer = train_tokenizer(texts, kind or card.tokenizer, 300, min_count=1)
        torch.manual_seed(3)
        module = card.build(card.config(**card.presets["tiny"], vocab_size=tokenizer.vocab_size))
        return Model(Loaded(card, module, tokenizer, {"recipe": {"max_length": max_length}}, Path("run")))

    return build


# ---- tokens ---------------------------------------------------------------------------------------------------------


def tokens_of(*readings: list[tuple[int, int]], rows: list[int] | None = None, text: str = "가" * 40) -> Tokens:
    offsets = np.cumsum([0, *map(len, readings)])
    spans = np.array([each for reading in readings for each in reading], dtype=np.int32).reshape(-1, 2)
    numbers = np.array(rows if rows is not None else range(len(readings)))
    return Tokens([text] * (int(numbers[-1]) + 1), offsets, spans, numbers)


def targets_of(golds: list[Gold], *readings: list[tuple[int, int]]) -> list[int]:
    wanted = SPAN.targets(ANSWERS, [questions.join(golds)], "f")
    return span.token_targets(ANSWERS, wanted, tokens_of(*readings, rows=[0] * len(readings))).tolist()


def test_a_start_and_an_end_a_reading() -> None:
    spans = [(0, 0), (0, 0), (0, 2), (2, 3), (4, 6), (0, 0)]
    assert targets_of([(2, 6, "")], spans) == [0, -1, 0, 1, 2, -1]
    assert targets_of([(2, 3, "")], spans) == [0, -1, 0, 3, 0, -1]
    assert targets_of([(1, 5, "")], spans) == [0, -1, 1, 0, 2, -1]
    assert targets_of([], spans) == [3, -1, 0, 0, 0, -1]
    assert targets_of([(30, 33, ""), (0, 2, "")], spans) == [0, -1, 3, 0, 0, -1]


def test_a_window_without_the_answer_has_none() -> None:
    assert targets_of([(2, 6, "")], [(0, 0), (0, 3), (4, 5)], [(0, 0), (2, 3), (4, 6)]) == [3, 0, 0, 0, 1, 2]


def test_without_a_first_position_nothing_is_learnt_of_none() -> None:
    assert targets_of([], [(0, 2), (2, 3)]) == [0, 0]
    assert targets_of([(2, 3, "")], [(0, 2), (2, 3)]) == [0, 3]
    logits, none = torch.randn(2, 3, 2, requires_grad=True), torch.tensor([[0, 0, -1], [-1, -1, -1]])
    nats, right = SPAN.loss(logits, none)
    nats.backward()
    assert right is not None
    assert (nats.item(), right.item()) == (0.0, 0)
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())


def planted(tokens: Tokens, found: Any, answers: Answers = ANSWERS) -> Any:
    """What outputs that say the targets are collected to."""
    marks = np.stack([(found >= 0) & (found & 1 > 0), (found >= 0) & (found & 2 > 0)], axis=1)
    return span.collect(answers, np.where(marks, 9.0, 0.0).astype(np.float32), tokens)


SENTENCES = st.lists(
    st.sampled_from([*PEOPLE, *PLACES, "갔다", "했다", "23일", "the", "좋았어요!"]), min_size=1, max_size=40
)
KINDS = (("bert", "wordpiece"), ("bert", "bpe"), ("gpt", "bpe"), ("ulmfit", "unigram"), ("bert", "morpheme"),
         ("elmo", "word"), ("glove", "word"))  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_reachable_answer_is_found_back(name: str, kind: str, model) -> None:
    """Targets of any answer that whole tokens make, said by the outputs, give that answer, through any windows."""
    encoder = model(name, kind).encoder

    @settings(deadline=None, max_examples=25)
    @given(SENTENCES, st.integers(0, 39), st.integers(0, 4), st.booleans(), st.booleans())
    def check(words: list[str], first: int, more: int, decomposed: bool, short: bool) -> None:
        first = min(first, len(words) - 1)
        form = "NFD" if decomposed else "NFC"
        text, wanted = (
            unicodedata.normalize(form, " ".join(part)) for part in (words, words[first : first + 1 + more])
        )
        start = len(unicodedata.normalize(form, " ".join([*words[:first], ""]))) if first else 0
        label = questions.join([(start, start + len(wanted), wanted)])
        data = tokenise(encoder, ["누구 질문"], [text], max_length=24 if short else None, per_token=True, windows=True)
        answers = SPAN.fit([label], "f")
        golds = SPAN.targets(answers, [label], "f")
        total, inside, past = span.unreachable(golds, data.tokens)
        [found] = planted(data.tokens, span.token_targets(answers, golds, data.tokens), answers)
        if inside or past:
            assert span.lost(golds, data.tokens, "f")
        else:
            assert (total, found[:3]) == (1, (start, start + len(wanted), wanted))
            assert found[3] > 0.5

    check()


def test_what_cannot_be_found_is_counted() -> None:
    labels = [[(0, 2, "")], [(1, 3, "")], [(1, 3, ""), (2, 3, "")], [(6, 9, "")], []]
    wanted = SPAN.targets(ANSWERS, [questions.join(each) for each in labels], "f")
    tokens = tokens_of(*[[(0, 0), (0, 2), (2, 3), (6, 8)]] * 5)
    assert span.unreachable(wanted, tokens) == (4, 1, 1)
    inside, past = span.lost(wanted, tokens, "a.json")
    assert inside.startswith("a.json: 1 of 4 answers begin or end inside a token")
    assert past.startswith("a.json: 1 of 4 answers are in no window whole")


def test_the_best_pair_is_in_order_and_not_too_long() -> None:
    spans = [(0, 0), (0, 0), (0, 2), (2, 4), (4, 20), (20, 22)]
    logits = np.full((6, 2), -5.0, dtype=np.float32)
    logits[1] = 99.0  # the question's
    logits[2:, 0] = [0, 0, 0, 7]
    logits[2:, 1] = [9, 0, 0, 3]
    [(start, end, text, score)] = span.collect(ANSWERS, logits, tokens_of(spans))
    assert (start, end, text) == (20, 22, "가가")
    parts = np.exp(logits[[0, 2, 3, 4, 5]].astype(float))
    assert score == pytest.approx(parts[4, 0] / parts[:, 0].sum() * parts[4, 1] / parts[:, 1].sum())
    logits[2, 0] = 8.9
    logits[2, 1] = -9.0
    assert span.collect(ANSWERS, logits, tokens_of(spans))[0][:2] == (0, 22)
    assert span.collect(Answers(("start", "end"), longest=21), logits, tokens_of(spans))[0][:2] == (20, 22)


def test_no_answer_needs_every_window() -> None:
    windows = [(0, 0), (0, 2), (2, 4)], [(0, 0), (4, 6), (6, 8)]
    none, some = [[6, 6], [1, 0], [0, 2]], [[1, 1], [2, 0], [0, 2]]
    tokens = tokens_of(*windows, rows=[0, 0])

    def found(answers: Answers, *parts: list[list[int]]) -> tuple[int, int]:
        return span.collect(answers, np.array([*parts[0], *parts[1]], dtype=np.float32), tokens)[0][:2]

    assert found(ANSWERS, none, none) == (0, 0)
    assert found(ANSWERS, none, some) == (4, 8)
    assert found(ANSWERS, some, none) == (0, 4)
    assert found(Answers(("start", "end"), longest=30), none, none) == (0, 4)


def test_a_paragraph_without_tokens_has_no_answer() -> None:
    [found] = span.collect(ANSWERS, np.zeros((2, 2), np.float32), tokens_of([(0, 0), (0, 0)]))
    assert found == (0, 0, "", 1.0)
    [far] = span.collect(ANSWERS, np.full((2, 2), -5000.0, np.float32), tokens_of([(0, 0), (0, 2)]))
    assert far[3] == pytest.approx(0.25)


# ---- scores ---------------------------------------------------------------------------------------------------------


def test_f1_of_questions_with_and_without_an_answer() -> None:
    rows = np.empty(3, dtype=object)
    rows[:] = [(0, 0, "", 1.0), (0, 1, "춘천", 1.0), (0, 0, "", 1.0)]
    golds = SPAN.targets(
        ANSWERS, [questions.join([]), questions.join([(0, 2, "춘천")]), questions.join([(0, 1, "역")])]
    )
    assert span.by_class(ANSWERS, rows, golds) == {"answered": 0.5, "unanswerable": 1.0}
    assert span.by_class(ANSWERS, rows[1:], golds[1:]) == {}


# ---- labels ---------------------------------------------------------------------------------------------------------


def test_what_can_be_answered() -> None:
    labels = [questions.join([(0, length, "")]) for length in (5, 50, 7)]
    assert SPAN.fit(labels, "f") == Answers(("start", "end"), longest=50)
    assert SPAN.fit([*labels[:1], "[]"], "f") == Answers(("start", "end"), longest=30, empty=True)
    many = [questions.join([(0, 40, "")])] * 300 + [questions.join([(0, 900, "")])]
    assert SPAN.fit(many, "f").longest == 40
    assert Answers.from_dict(SPAN.fit(many, "f").to_dict(), "w") == SPAN.fit(many, "f")
    with pytest.raises(DataError, match=r"f\.json: none of 2 questions has an answer"):
        SPAN.fit(["[]", "[]"], "f.json")


def test_a_subset_has_both_kinds_of_question() -> None:
    strata = SPAN.strata(["[]"] * 3 + [questions.join([(0, 1, "")])] * 500)
    assert {int(strata[place]) for place in subset(strata, 2, 0)} == {0, 1}


def test_a_person_is_told_of_the_questions() -> None:
    train = examples(3)
    dev = Examples(["?"], ["가나"], ["[]"], "dev.json")
    notes = describe(train, dev, SPAN.fit(train.labels, "f"), SPAN.per_token)
    assert re.match(r"3 questions, 0 without an answer; answers have \d characters in the middle", notes[0])
    assert notes[1] == "1 dev questions have no answer, but every training question has one: counted wrong"


def test_chance_is_the_first_word_or_no_answer() -> None:
    wanted = SPAN.targets(ANSWERS, [questions.join([(0, 1, "가")]), "[]", "[]"])
    asked = [" 김유정은 춘천", ""]
    assert list(span.chance(ANSWERS, [], wanted[:2], asked)) == [(1, 5, "김유정은", 1.0), (0, 0, "", 1.0)]
    assert list(span.chance(ANSWERS, [], wanted, asked)) == [(0, 0, "", 1.0)] * 2


# ---- networks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAINED)
def test_every_system_learns_planted_answers(name: str, model) -> None:
    """Vectors of one word each tell names from other words, but not which name is asked for."""
    changes: dict[str, Any] = {"epochs": 16.0, "batch_rows": 16, "learning_rate": 2e-3, "frozen": False}
    changes |= {
        "ulmfit": {"learning_rate": 5e-3},
        "elmo": {"learning_rate": 1e-3, "epochs": 25.0, "reader": {"dropout": 0.0, "layer_dropout": 0.0}},
        "word2vec": {"learning_rate": 1e-2, "epochs": 6.0},
        "glove": {"learning_rate": 1e-2, "epochs": 6.0},
    }.get(name, {})
    tuner = Tuner(model(name), SPAN, examples(200), examples(60, 1), changes=changes)
    fitted = tuner.fit(0)
    assert fitted.scores is not None
    assert list(fitted.scores) == ["f1", "exact"]
    assert fitted.scores["exact"] > (0.35 if name in STATIC else 0.9)
    tuned = Tuned(tuner.model, SPAN, fitted.answers, fitted.network.eval(), tuner.max_length, SPAN.pairs)
    if name not in STATIC:
        text = unicodedata.normalize("NFD", "오늘 철수 또 서울 그리고 갔다")
        [found] = tuned.answer(["어디 질문"], [text])
        assert (text[found[0] : found[1]], unicodedata.normalize("NFC", found[2])) == (found[2], "서울")


def lengthened(part: Examples, most: int) -> Examples:
    """The same questions of paragraphs with words before and after what they had."""
    rng = np.random.default_rng(5)
    before = rng.integers(0, most, len(part)).tolist()
    texts = [
        "또 " * count + text + " 또" * (most - count) for count, text in zip(before, part.pairs or [], strict=True)
    ]
    labels = [
        questions.join([(start + 2 * count, end + 2 * count, text) for start, end, text in questions.split(label)])
        for count, label in zip(before, part.labels, strict=True)
    ]
    return Examples(part.texts, texts, labels, part.where)


def test_answers_are_found_over_windows(model) -> None:
    """The paragraphs are three times as long as what is read; most windows hold no answer, or the other name."""
    train, dev = lengthened(examples(200), 30), lengthened(examples(60, 1), 30)
    tuner = Tuner(model("bert", None, 24), SPAN, train, dev,
                  changes={"epochs": 10.0, "batch_rows": 32, "learning_rate": 2e-3})  # fmt: skip
    fitted = tuner.fit(0)
    assert fitted.scores is not None
    assert fitted.scores["exact"] > 0.85
    assert len(tuner.read(dev)) > 3 * len(dev)
    assert not tuner.notes()


def test_questions_without_an_answer_are_learnt(model) -> None:
    tuner = Tuner(model("bert"), SPAN, examples(300, 0, 0.4), examples(80, 1, 0.4),
                  changes={"epochs": 16.0, "batch_rows": 16, "learning_rate": 2e-3})  # fmt: skip
    fitted = tuner.fit(0)
    assert fitted.answers.empty
    dev = tuner.dev
    assert dev is not None
    found = Tuned(tuner.model, SPAN, fitted.answers, fitted.network.eval(), 48, SPAN.pairs).answer(dev.texts, dev.pairs)
    by_class = span.by_class(fitted.answers, found, SPAN.targets(fitted.answers, dev.labels))
    assert min(by_class[span.ANSWERED], by_class[span.UNANSWERABLE]) > 0.85


def test_the_loss_is_the_mean_of_start_and_end(model) -> None:
    """Over the paragraph and the first position of each window, whatever stands beside it in the batch."""
    loaded = model("bert", None, 24)
    long = lengthened(examples(8), 20)
    tuner = Tuner(loaded, SPAN, long, changes={"epochs": 1.0})
    fitted = tuner.fit(0)
    data = with_targets(tuner.read(long), SPAN, fitted.answers, long.labels, "f")
    assert len(data) > len(long)
    objective = LabelledObjective(SPAN, loaded.encoder, len(data))
    batch = next(iter(objective.batches(data, seed=0, batch_tokens=99_999)))
    parts = objective.loss(fitted.network.eval(), {n: torch.from_numpy(a) for n, a in batch.arrays.items()})
    assert batch.counts == parts.counts == {"label": len(data)}
    given, total = outputs(fitted.network, data), 0.0
    for start, stop in zip(data.offsets, data.offsets[1:], strict=False):
        real = data.targets[start:stop] >= 0
        logs = torch.from_numpy(given[start:stop][real]).log_softmax(0).numpy()
        marks = data.targets[start:stop][real]
        total -= (logs[marks & 1 > 0, 0].sum() + logs[marks & 2 > 0, 1].sum()) / 2
    assert parts.sums["label"].item() == pytest.approx(total, rel=1e-4)
    assert math.isfinite(total)


def test_rows_take_their_windows_along(model) -> None:
    loaded = model("bert", None, 10)
    train = examples(6)
    tuner = Tuner(loaded, SPAN, train, changes={"epochs": 1.0})
    whole = tuner.read(train)
    whole = with_targets(whole, SPAN, SPAN.fit(train.labels, "f"), train.labels, "f")
    chosen = np.array([4, 1])
    part = whole.take(chosen)
    assert part.origins is not None
    assert whole.origins is not None
    expected = [np.flatnonzero(whole.origins == row) for row in chosen]
    assert part.origins.tolist() == [0] * len(expected[0]) + [1] * len(expected[1])
    assert len(part) > 2
    for new, old in enumerate(np.concatenate(expected).tolist()):
        for name in ("ids", "targets"):
            a, b = (getattr(d, name)[slice(*d.offsets[n : n + 2])] for d, n in ((part, new), (whole, old)))
            assert a.tolist() == b.tolist()
    assert [*part.tokens.texts] == [(train.pairs or [])[row] for row in chosen]
