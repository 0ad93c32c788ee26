"""Two systems on small reviews: what is kept, what is never done again, and that an interruption changes nothing."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept_rows import kept

from munmaek.core.errors import Interrupted, RequestError
from munmaek.report.tables import cards
from munmaek.run import entrants, runs
from munmaek.run.compare import compare
from munmaek.run.comparison import Comparison, read
from munmaek.run.request import SIZES, Told, sizes

SENTENCES = ("배우 음악 정말 좋다", "결말 배우 너무 지루하다")
OPTIONS: dict[str, Any] = {
    "systems": ["ngram", "word2vec", "bert"], "size": "tiny", "budget": "30 steps", "labels": [8, None], "seeds": 2,
    "seeds_all": 1, "word": "배우", "sentences": SENTENCES,
    "pretraining": {"tokenizer": "word", "vocab_size": 300, "min_count": 1},
}  # fmt: skip


def run(out: Path, corpus: Path, labelled: tuple[Path, Path], **changes: Any) -> Comparison:
    given = OPTIONS | {"train": labelled[0], "test": labelled[1]} | changes
    pretraining = given.pop("pretraining") | {"cache": corpus.parent / "cache"}
    return compare(out=out, corpus=corpus, pretraining=pretraining, command="munmaek compare", **given)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, corpus: Path, labelled) -> tuple[Comparison, Path]:
    out = tmp_path_factory.mktemp("comparison")
    return run(out, corpus, labelled), out


def test_every_arm_at_every_size(made) -> None:
    found, _ = made
    arms = [arm.name for arm in found.arms]
    assert arms == ["chance", "tfidf", "word2vec", "word2vec from scratch", "bert", "bert from scratch"]
    assert {(r.arm, r.labels) for r in found.rows} == {(arm, size) for arm in arms for size in (8, None)}
    assert len(found.rows) == 6 * (2 + 1)
    assert {s.num_seeds for s in found.standings if s.labels == 8} == {2}
    chance = found.standing("chance", None)
    assert chance is not None
    assert chance.mean == 0.5
    assert len(found.contrasts) == 2 * 15
    forth, back = found.contrast("tfidf", "chance", None), found.contrast("chance", "tfidf", None)
    assert forth is not None
    assert back is not None
    assert (forth.difference, forth.low) == (-back.difference, -back.high)
    assert forth.decided
    assert forth.low > 0


def test_models_are_described_and_language_models_measured(made) -> None:
    found, out = made
    cards = {card.system: card for card in found.models}
    assert set(cards) == {"ngram", "word2vec", "bert"}
    assert 0 < (cards["ngram"].bits_per_character or 0) < 10
    assert not cards["ngram"].pseudo
    assert cards["bert"].pseudo
    assert cards["word2vec"].bits_per_character is None
    assert all((out / card.folder / "munmaek.json").is_file() for card in cards.values())


def test_a_word_in_context(made) -> None:
    found, _ = made
    pairs = {pair.system: pair.layers for pair in found.pairs}
    assert pairs["word2vec"] == [pytest.approx(1.0, abs=1e-6)]
    assert pairs["bert"][-1] < 0.999
    maps = {each.system: each for each in found.maps}
    assert set(map(tuple, maps["word2vec"].points)) == {(0.0, 0.0)}
    assert np.ptp(np.array(maps["bert"].points)) > 0.01
    assert all(text[start:].startswith("배우") for text, start in zip(maps["bert"].texts, maps["bert"].starts,
                                                                    strict=True))  # fmt: skip
    first = next(each for each in found.neighbours if each.system == "word2vec")
    assert first.found[0][0] == "배우"
    assert first.found[0][2] == pytest.approx(1.0, abs=1e-5)


def test_read_gives_what_was_written(made) -> None:
    found, out = made
    again = read(out)
    assert json.loads(json.dumps(asdict(again))) == json.loads(json.dumps(asdict(found)))
    (out / "comparison.json").rename(out / "moved.json")
    with pytest.raises(ValueError, match="no comparison"):
        read(out)
    (out / "moved.json").rename(out / "comparison.json")


def test_comparisons_on_other_rows_share_models(made, corpus: Path, labelled, tmp_path: Path) -> None:
    found, out = made
    training = out / "models" / "bert" / "training"
    before = {path: path.stat().st_mtime_ns for path in training.rglob("*") if path.is_file()}
    other = run(tmp_path / "other", corpus, (labelled[1], labelled[0]), systems=["bert"], labels=[8], seeds=1,
                models=out / "models", scratch=False, floors=False)  # fmt: skip
    assert {path: path.stat().st_mtime_ns for path in training.rglob("*") if path.is_file()} == before != {}
    assert not (tmp_path / "other" / "models").exists()
    assert (tmp_path / "other" / other.models[0].folder / "munmaek.json").is_file()
    assert other.models[0].parameters == next(card.parameters for card in found.models if card.system == "bert")


def test_a_longer_pretraining_does_not_repeat_what_needs_none(corpus: Path, labelled, tmp_path: Path) -> None:
    given: dict[str, Any] = {"systems": ["word2vec"], "labels": [8], "seeds": 1, "floors": False}
    for budget in ("10 steps", "20 steps"):
        run(tmp_path, corpus, labelled, budget=budget, models=tmp_path / budget.replace(" ", "-"), **given)
    lines = (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()
    arms = [json.loads(line)["row"]["arm"] for line in lines]
    assert sorted(arms) == ["word2vec", "word2vec", "word2vec from scratch"]


def test_nothing_is_done_twice(made, corpus: Path, labelled, monkeypatch) -> None:
    found, out = made
    monkeypatch.setattr(entrants.NetworkArm, "run", _never)
    monkeypatch.setattr(entrants.TfidfArm, "run", _never)
    assert kept(run(out, corpus, labelled)) == kept(found)
    fewer = run(out, corpus, labelled, systems=["bert"], labels=[8])  # a part by itself
    assert [row["answers"] for row in kept(fewer)] == [
        row["answers"] for row in kept(found) if row["labels"] == 8 and "word2vec" not in row["arm"]
    ]
    with pytest.raises(AssertionError, match="done again"):
        run(out, corpus, labelled, task="classify", max_length=16)
    monkeypatch.setattr(runs, "VERSION", runs.VERSION + 1)
    with pytest.raises(AssertionError, match="done again"):
        run(out, corpus, labelled)


def _never(self: object, *_: object, **__: object) -> None:
    raise AssertionError("done again")


def test_an_interruption_changes_nothing(made, corpus: Path, labelled, tmp_path: Path) -> None:
    found, _ = made
    heard: list[str] = []

    def stop(row: Any, metric: str) -> None:
        heard.append(row.arm)
        if len(heard) == 5:
            raise Interrupted("stopped", signal_number=2)

    with pytest.raises(Interrupted):
        run(tmp_path, corpus, labelled, told=Told(row=stop))
    assert not (tmp_path / "comparison.json").exists()
    assert kept(run(tmp_path, corpus, labelled)) == kept(found)


def test_systems_that_embed_tokens_can_start_at_word_vectors(corpus: Path, labelled, tmp_path: Path) -> None:
    pretraining = OPTIONS["pretraining"] | {"words": "auto"}
    found = run(tmp_path, corpus, labelled, systems=["word2vec", "bert"], labels=[8], seeds=1, pretraining=pretraining)
    assert [card.at_words for card in found.models] == [False, True]
    assert (tmp_path / "models" / "bert" / "words" / "munmaek.json").exists()
    assert cards(found, korean=False).count("starts at word vectors") == 1


def test_fine_tuning_is_set_for_every_network_and_its_rows_are_others(
    made, corpus: Path, labelled, tmp_path: Path
) -> None:
    _, out = made
    given: dict[str, Any] = {"systems": ["word2vec", "bert"], "labels": [8], "seeds": 1, "models": out / "models"}
    run(tmp_path, corpus, labelled, **given)
    run(tmp_path, corpus, labelled, tuning={"epochs": 2}, own_tuning={"bert": {"epochs": 3}}, **given)
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()]
    epochs = [(line["row"]["arm"], line["identity"]["settings"].get("epochs")) for line in lines]
    networks = ["word2vec", "word2vec from scratch", "bert", "bert from scratch"]
    floors = [("chance", None), ("tfidf", None)]
    assert epochs == [
        *floors,
        *((arm, 25) for arm in networks),
        *((arm, 3 if "bert" in arm else 2) for arm in networks),
    ]


def test_fine_tuning_that_cannot_be_is_refused_before_more_is_trained(corpus: Path, labelled, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no setting 'epoch'") as found:
        run(tmp_path, corpus, labelled, tuning={"epoch": 2})
    assert found.value.where == "--tune"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RequestError, match="no two texts"):
        run(tmp_path, corpus, labelled, systems=["word2vec", "bert"], tuning={"apart": True})
    assert [folder.name for folder in (tmp_path / "models").iterdir()] == ["word2vec"]


def test_rows_are_held_out_where_there_is_no_test_table(corpus: Path, labelled, tmp_path: Path) -> None:
    found = run(tmp_path, corpus, labelled, test=None, systems=["word2vec"], labels=[8], scratch=False)
    assert (found.num_train, found.num_test, found.test) == (128, 32, "")
    assert [arm.name for arm in found.arms] == ["chance", "tfidf", "word2vec"]


def test_what_cannot_be_asked(corpus: Path, labelled, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="not so many labels"):
        run(tmp_path, corpus, labelled, labels=[1_000])
    with pytest.raises(RequestError, match="no system"):
        run(tmp_path, corpus, labelled, systems=["word3vec"])
    assert list(tmp_path.iterdir()) == []


def test_by_default_as_many_labels_as_there_are() -> None:
    assert sizes(None, SIZES, 150_000) == (100, 1_000, 10_000, None)
    assert sizes(None, SIZES, 1_000) == (100, None)  # a thousand are all
    assert sizes(None, SIZES, 60) == (None,)
    assert sizes(None, (1_000,), 600) == (None,)
    assert sizes([100, None], SIZES, 600) == (100, None)
    with pytest.raises(RequestError, match="not so many labels"):
        sizes([100], SIZES, 60)


SCRIPT = """
import json, sys
from munmaek.run.compare import compare

options = json.loads(sys.argv[1])
print("started", flush=True)
compare(**options)
print("finished", flush=True)
"""


def start(
    out: Path, corpus: Path, labelled: tuple[Path, Path], threads: str, changes: dict[str, Any]
) -> subprocess.Popen[str]:
    options = (
        OPTIONS
        | changes
        | {"out": str(out), "corpus": str(corpus), "train": str(labelled[0]), "test": str(labelled[1])}
    )
    options["pretraining"] = OPTIONS["pretraining"] | {"cache": str(corpus.parent / "cache")}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, json.dumps(options)], stdout=subprocess.PIPE,
                               env=os.environ | {"OMP_NUM_THREADS": threads}, text=True)  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("threads", "changes"),
    [("1", {}), ("2", {"systems": ["ngram", "bert"], "seeds": 3})],  # side by side; word vectors of two threads differ
)
def test_killed_twenty_times_equals_uninterrupted(
    corpus: Path, labelled, tmp_path: Path, threads: str, changes: dict[str, Any]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    began = time.monotonic()
    assert start(whole, corpus, labelled, threads, changes).communicate()[0] == "finished\n"
    length = time.monotonic() - began
    moments, kills = random.Random(11), 0
    while kills < 20:
        process = start(killed, corpus, labelled, threads, changes)
        try:
            process.communicate(timeout=moments.random() * length / 3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
        else:  # it was done: some is taken away, so that every kill falls into work
            lines = (killed / "rows.jsonl").read_bytes().split(b"\n")
            (killed / "rows.jsonl").write_bytes(b"\n".join(lines[:4]))
    assert start(killed, corpus, labelled, threads, changes).communicate()[0] == "finished\n"
    assert kept(read(killed)) == kept(read(whole))
