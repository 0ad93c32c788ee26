"""A frozen body's states are computed once; what is learnt from them is what is learnt of the body itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from munmaek import tasks
from munmaek.core import runtime
from munmaek.core.errors import JobError
from munmaek.data.tables import read_table
from munmaek.data.usages import join
from munmaek.run import arms, stored
from munmaek.run.arms import NetworkArm, Question, TestRows
from munmaek.run.model import load
from munmaek.run.tuning import Fitted, Tuner, compute
from munmaek.tasks.examples import Examples, from_table

Fresh = Callable[[str, list[str]], Path]
WORDS = ["하늘", "바다", "나무", "구름", "시계", "그림", "편지", "사과"]


def single(count: int, seed: int) -> Examples:
    """Texts of one to six words; which of two words is in each."""
    rng = np.random.default_rng(seed)
    rows = [(rng.choice(WORDS[2:], rng.integers(0, 6)).tolist(), WORDS[k % 2]) for k in range(count)]
    texts = [" ".join(rng.permutation([*words, label])) for words, label in rows]
    return Examples(texts, None, [label for _, label in rows], "rows")


def pairs(count: int, seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    texts = [rng.choice(WORDS, rng.integers(1, 5)).tolist() for _ in range(count)]
    others = [rng.permutation(t).tolist() if k % 2 else rng.choice(WORDS, 3).tolist() for k, t in enumerate(texts)]
    labels = ["다름", "같음"] * (count // 2)
    return Examples([" ".join(t) for t in texts], [" ".join(t) for t in others], labels, "rows")


def usages(count: int, seed: int) -> Examples:
    """The same word after one of two others, in both texts."""
    rng = np.random.default_rng(seed)
    beside = rng.integers(0, 2, (count, 2))
    first, second = (
        [join(f"{WORDS[k]} 편지 {rng.choice(WORDS[2:6])}", (3, 5)) for k in column] for column in beside.T.tolist()
    )
    return Examples(first, second, [str(one == other).lower() for one, other in beside.tolist()], "rows")


CASES: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("elmo", "classify", single, {"epochs": 2}),  # a mix of all layers
    ("elmo", "pair", pairs, {"epochs": 2, "reader": {"cells": 8}}),  # two readings a row
    ("gpt", "classify", single, {"epochs": 2, "frozen": True, "probe": False}),  # the last layer alone
    ("bert", "classify", single, {"epochs": 2, "frozen": True, "probe": True, "pooling": "concat"}),
    ("bert", "wic", usages, {"epochs": 3}),  # a marked word
]


@pytest.mark.parametrize("dev", [False, True], ids=["no dev", "dev"])
@pytest.mark.parametrize(("name", "task", "rows", "changes"), CASES, ids=[" ".join(case[:2]) for case in CASES])
def test_what_is_learnt_is_the_same(
    name: str, task: str, rows: Any, changes: dict[str, Any], dev: bool, fresh: Fresh, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    model, train, other = load(fresh(name, WORDS)), rows(48, 0), rows(24, 1)

    def fitted(folder: Path | None = None) -> tuple[Fitted, np.ndarray[Any, Any], int]:
        tuner = Tuner(model, tasks.load(task), train, other if dev else None, changes=changes, folder=folder)
        read: list[int] = []
        kind = type(model.encoder)
        plain = kind.forward
        with monkeypatch.context() as patch:
            patch.setattr(kind, "forward", lambda *a, **k: (read.append(1), plain(*a, **k))[1])
            found = tuner.fit(0)
        return found, compute(model, found.network, tuner.read(other)), len(read)

    kept, answers, few = fitted()
    monkeypatch.setattr(stored, "MOST_KEPT", 0)
    anew, wanted, many = fitted()
    _, on_disk, as_few = fitted(tmp_path / "states")
    assert few == as_few <= 4 < many
    np.testing.assert_array_equal(on_disk, answers)
    assert not list((tmp_path / "states").iterdir()), "the file has no name"
    assert not isinstance(kept.network.encoder, stored.StoredEncoder)
    np.testing.assert_allclose(answers, wanted, atol=0.02 * float(np.ptp(wanted)))
    assert (kept.scores is None) == (not dev)
    if kept.scores is not None and anew.scores is not None:
        assert kept.scores == pytest.approx(anew.scores, abs=0.05)


@pytest.mark.parametrize(
    ("changes", "kept"), [({}, True), ({"frozen": False}, False), ({"subword_dropout": 0.3}, False)]
)
def test_a_body_that_learns_is_not_kept_nor_texts_cut_anew_each_epoch(
    changes: dict[str, Any], kept: bool, pretrained: Path, labelled: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There it would be wrong, not slow."""
    asked: list[bool] = []
    states = stored._states
    monkeypatch.setattr(stored, "_states", lambda *a, **k: (asked.append(True), states(*a, **k))[1])
    rows = from_table(read_table(labelled[0]), training=True).take(np.arange(16))
    settings = {"epochs": 2, "frozen": True, **changes}
    fitted = Tuner(load(pretrained), tasks.load("classify"), rows, changes=settings).fit(0)
    assert fitted.outcome.history
    assert asked == [True] * kept


def answers(
    arm: NetworkArm, monkeypatch: pytest.MonkeyPatch, store: Callable[..., Any] = stored.store
) -> tuple[list[np.ndarray[Any, Any]], int]:
    """What an arm's networks of two seeds say of the test rows, and how often states of these were to be computed."""
    found: list[np.ndarray[Any, Any]] = []
    asked: list[bool] = []
    with monkeypatch.context() as patch:
        plain = arms.compute
        patch.setattr(arms, "compute", lambda *a: (found.append(plain(*a)), found[-1])[1])
        patch.setattr(stored, "store", lambda *a, **k: (asked.append(True), store(*a, **k))[1])
        for seed in range(2):
            arm.run(None, seed)
    return found, len(asked)


@pytest.mark.parametrize(("name", "task", "rows", "changes"), CASES, ids=[" ".join(case[:2]) for case in CASES])
def test_test_rows_are_computed_once_for_all_seeds(
    name: str, task: str, rows: Any, changes: dict[str, Any], fresh: Fresh, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    model, question = load(fresh(name, WORDS)), Question(tasks.load(task), rows(48, 0), rows(24, 1))
    with monkeypatch.context() as patch:
        patch.setattr(TestRows, "under", lambda rows, fitted: nullcontext(rows.tokens(fitted, question.test)))
        plain, training = answers(NetworkArm(question, model, settings=changes), monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(stored, "MOST_KEPT", 0)
        _, none = answers(NetworkArm(question, model, settings=changes), monkeypatch)
        found, both = answers(NetworkArm(question, model, settings=changes, test=TestRows(tmp_path)), monkeypatch)
    assert (none, training, both) == (0, 1, 2), "all training rows, too, are the same for all seeds"
    in_memory, both = answers(NetworkArm(question, model, settings=changes), monkeypatch)
    assert both == 2
    np.testing.assert_array_equal(in_memory, found)
    for ours, wanted in zip(found, plain, strict=True):
        np.testing.assert_allclose(ours, wanted, atol=0.02 * float(np.ptp(wanted)))
    assert not np.allclose(found[0], found[1])


def test_a_body_of_its_own_is_asked_itself(fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random layers differ from seed to seed: states are kept for one training. What learns has none to keep."""
    model, question = load(fresh("bert", WORDS)), Question(tasks.load("classify"), single(16, 0), single(8, 1))
    frozen = {"epochs": 1, "frozen": True, "probe": False}
    cases = ((frozen, True, 2), (frozen | {"fresh_layers": 1}, False, 2), ({"epochs": 1}, False, 0))
    for settings, scratch, times in cases:
        arm = NetworkArm(question, model, settings=settings, scratch=scratch, test=TestRows(tmp_path))
        found, asked = answers(arm, monkeypatch)
        assert asked == times
        with monkeypatch.context() as patch:
            patch.setattr(stored, "MOST_KEPT", 0)
            wanted, none = answers(NetworkArm(question, model, settings=settings, scratch=scratch), monkeypatch)
        assert none == 0
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=0.05 * float(np.ptp(theirs)))


def test_a_subset_is_stored_for_its_own_training(fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each seed draws other rows; all rows are those of every seed."""
    tuner = Tuner(load(fresh("elmo", WORDS)), tasks.load("classify"), single(16, 0), changes={"epochs": 1},
                  folder=tmp_path)  # fmt: skip
    asked: list[int] = []
    store = stored.store
    monkeypatch.setattr(
        stored, "store", lambda m, parts, *a, **k: (asked.append(len(parts[0])), store(m, parts, *a, **k))[1]
    )
    for labels, seed in ((None, 0), (None, 1), (8, 0), (8, 1), (None, 0)):
        tuner.fit(seed, labels)
    assert asked == [16, 8, 8, 16]
    assert len({tuner.fit(seed).network.output.weight.sum().item() for seed in range(3)}) == 3


def test_states_take_no_more_than_half_of_what_is_free(
    fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MOST_KEPT", 0)
    rows = single(16, 0)
    model = load(fresh("elmo", WORDS))

    def tuner() -> Tuner:
        return Tuner(model, tasks.load("classify"), rows, changes={"epochs": 1}, folder=tmp_path)

    size = len(tuner().read(rows).ids) * model.num_layers * model.dim * np.dtype(stored.KEPT_AS).itemsize
    asked: list[bool] = []
    store = stored.store
    monkeypatch.setattr(stored, "store", lambda *a, **k: (asked.append(True), store(*a, **k))[1])
    for free, times in ((2 * size - 1, 0), (2 * size, 1)):
        monkeypatch.setattr(stored.shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        tuner().fit(0)
        assert len(asked) == times


def test_without_room_rows_are_read_each_time(fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, question = load(fresh("elmo", WORDS)), Question(tasks.load("classify"), single(16, 0), single(8, 1))
    monkeypatch.setattr(stored, "MOST_KEPT", 0)
    wanted, _ = answers(NetworkArm(question, model, settings={"epochs": 1}), monkeypatch)

    def full(*_: Any, **__: Any) -> None:
        raise JobError("no room", where="states")

    for most, times in ((stored.MOST_STORED, 2), (0, 0)):
        monkeypatch.setattr(stored, "MOST_STORED", most)
        arm = NetworkArm(question, model, settings={"epochs": 1}, test=TestRows(tmp_path))
        found, asked = answers(arm, monkeypatch, full)
        assert asked == times
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.skipif(stored.LET_GO is None or not sys.platform.startswith("linux"), reason="nothing lets pages go here")
def test_states_on_the_disk_are_not_held_in_memory(tmp_path: Path) -> None:
    count, layers, dim = 60_000, 2, 500
    parts = ((first, np.full((1_000, layers, dim), first / 1_000, np.float16)) for first in range(0, count, 1_000))
    states, mapped = stored._on_disk(parts, count, tmp_path)
    source: Any = SimpleNamespace(tokenizer=None, max_length=8)
    encoder = stored.StoredEncoder(source, states, mapped=mapped)
    assert list(tmp_path.iterdir()) == []
    runtime.forget_peak_memory()
    before = runtime.peak_memory()
    for first in range(0, count, 1_000):
        found = encoder.forward({"input_ids": torch.arange(first, first + 1_000).reshape(1, -1)}, all_layers=True)
        assert found.shape == (layers, 1, 1_000, dim)
        assert (found == first / 1_000).all()
    assert states.nbytes == 120_000_000
    assert runtime.peak_memory() - before < states.nbytes / 2
