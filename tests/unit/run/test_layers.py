"""Which vectors: planted states whose tag lies in one layer, planted senses, what is kept, and the command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from kept_rows import without_clock

from munmaek import systems, tasks
from munmaek.cli import main
from munmaek.core.errors import Interrupted, RequestError
from munmaek.data.tagged import read_tagged
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run import folder as model_folder
from munmaek.run import layers as module
from munmaek.run.arms import Answered, Question
from munmaek.run.compare import compare
from munmaek.run.comparison import Comparison, read
from munmaek.run.layers import States, WayArm, areas, layers
from munmaek.run.model import Model, load
from munmaek.run.request import Told
from munmaek.run.rows import examples
from munmaek.run.stored import StoredEncoder
from munmaek.run.ways import WAYS, Way
from munmaek.tasks.labelled import Labelled, characters, tokenise

NUM_LAYERS, HOLDS = 6, 2
"""Of the planted encoder; the tag is in layer 2 alone: among the last four (2 to 5), neither last nor next to it."""
NAMES = {"김": "PS", "이": "PS", "섬": "LC", "산": "LC"}
WITH_LAYER = {"weighted-last-four", "joined-last-four", "weighted-all", "scalar-mix"}
SMALL: dict[str, Any] = {
    "systems": ["bert", "word2vec", "elmo"], "size": "tiny", "budget": "4 steps", "labels": [12, None], "seeds": 2,
    "seeds_all": 1,
}  # fmt: skip


def by(name: str) -> Way:
    return next(way for way in WAYS if way.name == name)


def write(path: Path, count: int, seed: int) -> Path:
    """Sentences of six words of a letter, about two of them names; a letter a line, as KLUE's are."""
    rng, lines = np.random.default_rng(seed), list[str]()
    for _ in range(count):
        for _ in range(6):
            word = str(rng.choice([*NAMES, *"가나다라마바사아"]))
            lines += [f"{word}\t{f'B-{NAMES[word]}' if word in NAMES else 'O'}", " \tO"]
        lines[-1] = ""
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tagged")
    return write(folder / "train.tsv", 120, 0), write(folder / "test.tsv", 40, 1)


@pytest.fixture(scope="module")
def question(tagged: tuple[Path, Path]) -> Question:
    task = tasks.load("tag")
    return Question(task, *(examples(task, path, training=True) for path in tagged))


class Planted:
    """States of letters: noise, of another size in each layer, but one layer says the kind of name."""

    def __init__(self, question: Question) -> None:
        rng = np.random.default_rng(5)
        self.max_length = 32
        self.model: Any = SimpleNamespace(num_layers=NUM_LAYERS, device=torch.device("cpu"), precision="fp32")
        kinds: list[str] = []
        self._parts: list[Labelled] = []
        for rows in (question.train, question.test):
            tokens = characters(rows.texts)
            ids = np.arange(len(kinds), len(kinds) + len(tokens.spans), dtype=np.uint32)
            kinds += [NAMES.get(letter, "") for text in rows.texts for letter in text if not letter.isspace()]
            self._parts.append(
                Labelled(ids, np.zeros(len(ids), np.uint8), tokens.offsets, np.zeros(0, np.int64), spans=tokens.spans,
                         texts=rows.texts)
            )  # fmt: skip
        states = rng.normal(size=(len(kinds), NUM_LAYERS, 12))
        directions = {kind: rng.normal(size=12) for kind in ("", "PS", "LC")}
        states[:, HOLDS] = 0.1 * states[:, HOLDS] + np.stack([directions[kind] for kind in kinds])
        states *= np.array([1.0, 0.1, 0.02, 30.0, 3.0, 100.0])[:, None]
        source: Any = SimpleNamespace(tokenizer=None, max_length=32)
        self.encoder = StoredEncoder(source, states.astype(np.float16))
        self.test = self._parts[1]

    def drawn(self, rows: np.ndarray[Any, Any]) -> Labelled:
        return self._parts[0].take(rows)


@pytest.fixture(scope="module")
def planted(question: Question) -> dict[str, Answered]:
    """What each way got from the planted states."""
    states: Any = Planted(question)
    return {way.name: WayArm(question, states, way).run(48, 0) for way in WAYS}


def test_the_ways_that_take_the_layer_win(planted: dict[str, Answered]) -> None:
    scores = {name: found.scores["entity_f1"] for name, found in planted.items()}
    assert set(scores) == {way.name for way in WAYS}
    assert min(score for name, score in scores.items() if name in WITH_LAYER) > 0.9
    assert max(score for name, score in scores.items() if name not in WITH_LAYER) < 0.4


def test_the_weights_find_the_layer(planted: dict[str, Answered]) -> None:
    """It has the smallest numbers of all by far: brought to one size, the weights say what is of use."""
    for name, found in planted.items():
        taken = by(name).layers(NUM_LAYERS)
        if by(name).weighs:
            assert sum(found.shares) == pytest.approx(1.0, abs=1e-5)
            assert taken[int(np.argmax(found.shares))] == HOLDS
            assert max(found.shares) > 2 / len(taken)
        else:
            assert found.shares == []


def test_the_same_run_is_the_same(question: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EPOCHS", 0.5)
    states: Any = Planted(question)
    first, again, other = (WayArm(question, states, by("scalar-mix")).run(16, seed) for seed in (0, 0, 1))
    assert first.shares == again.shares != other.shares
    assert np.array_equal(first.evidence, again.evidence)


@pytest.mark.parametrize(
    ("num_layers", "taken"),
    [(6, [[0], [4], [5], [2, 3, 4, 5], [2, 3, 4, 5], [1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]),
     (3, [[0], [1], [2], [1, 2], [1, 2], [1, 2], [0, 1, 2]]),
     (2, [[0], [0], [1], [1], [1], [1], [0, 1]])],
)  # fmt: skip
def test_the_layers_of_each_way(num_layers: int, taken: list[list[int]]) -> None:
    assert [way.layers(num_layers) for way in WAYS] == taken


def test_areas_of_planted_senses() -> None:
    """Layer 2 parts the senses of one word wholly, nothing parts those of another; the mean is over words."""
    rng = np.random.default_rng(3)
    words, senses = ["눈"] * 20 + ["배"] * 20, (["a", "b"] * 20)
    vectors = np.zeros((40, NUM_LAYERS, 16), np.float32)
    vectors[:, 5, 0] = 1e3  # a large layer that says nothing
    vectors[:20, HOLDS] = np.where(np.arange(20)[:, None] % 2, 1, -1) * np.ones(16) + rng.normal(0, 0.01, (20, 16))
    vectors[3] = np.nan  # past what is read
    found = areas(words, senses, vectors)
    assert {name for name, area in found.items() if area == 0.75} == WITH_LAYER  # 1 and 0.5
    assert {area for name, area in found.items() if name not in WITH_LAYER} == {0.5}
    assert np.isnan(areas(["눈"], ["a"], vectors[:1])["last"])


def test_stored_states_are_those_of_the_model(question: Question, tmp_path: Path) -> None:
    card = systems.load("bert")
    tokenizer = train_tokenizer([[text] for text in question.train.texts], "syllable", 60, min_count=1)
    torch.manual_seed(3)
    built = card.build(card.config(**card.presets["tiny"], vocab_size=tokenizer.vocab_size, max_positions=16))
    folder = model_folder.write(tmp_path / "bert", card, built, tokenizer, {"size": "tiny", "recipe": {}})
    model: Model = load(folder, "cpu")
    rows = np.array([2, 7, 30])
    states = States(model, question, rows, None, tmp_path)
    data = states.drawn(np.array([7]))
    wanted = model.encoder.forward(
        {name: torch.from_numpy(array) for name, array in
         tokenise(model.encoder, [question.train.texts[7]]).arrays(model.encoder, np.array([0])).items()}, True
    )[:, 0].detach().numpy()  # fmt: skip
    read_back = states.encoder.forward({"input_ids": torch.from_numpy(data.ids.astype(np.int64))[None]}, True)[:, 0]
    assert read_back.numpy() == pytest.approx(wanted, abs=5e-3)
    only = states.encoder.only([2, 0])
    assert only.num_layers == 2
    assert only.sizes(data.ids) == pytest.approx(np.sqrt(np.square(wanted[[2, 0]]).mean(axis=(1, 2))), rel=1e-3)
    assert len(states.test) == len(question.test)
    assert [path.name for path in tmp_path.iterdir()] == ["bert"]  # the states have no name on the disk


# ---- a comparison ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus(tagged: tuple[Path, Path]) -> Path:
    path = tagged[0].with_name("corpus.txt")
    path.write_text("\n".join(read_tagged(tagged[0]).texts) + "\n", "utf-8")
    return path


def study(out: Path, corpus: Path, tagged: tuple[Path, Path], **changes: Any) -> Comparison:
    given: dict[str, Any] = SMALL | {"train": tagged[0], "test": tagged[1]} | changes
    own = {"tokenizer": "word", "vocab_size": 60, "min_count": 1, "cache": corpus.parent / "cache"}
    return layers(out=out, corpus=corpus, pretraining=own, command="munmaek compare --layers", **given)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of a few steps, and few occurrences of homographs."""
    monkeypatch.setattr(module, "EPOCHS", 0.05)
    monkeypatch.setattr(module, "PER_SENSE", 2)


def kept(found: Comparison) -> list[dict[str, Any]]:
    assert found.layers is not None
    return without_clock(found.layers.rows)


def _never(*_: object, **__: object) -> None:
    raise AssertionError("done again")


def test_a_study_is_kept_and_nothing_is_done_twice(
    quick: None, corpus: Path, tagged: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    def stop(row: Any, metric: str) -> None:
        heard.append(row.arm)
        if len(heard) == 5:
            raise Interrupted("stopped", signal_number=2)

    whole = study(tmp_path / "whole", corpus, tagged)
    found = whole.layers
    assert found is not None
    assert list(dict.fromkeys(each.system for each in found.scores)) == ["elmo", "bert"]  # words have no layers
    assert not (tmp_path / "whole" / "models" / "word2vec").exists()
    assert len(found.rows) == 2 * 7 * (2 + 1)
    assert len(found.scores) == 2 * 7 * 2
    assert len(found.senses) == 2 * 7
    assert all(0 <= each.area <= 1 for each in found.senses)
    mixed = found.score("bert", "scalar-mix", 12)
    assert mixed is not None
    assert (mixed.layers, len(mixed.shares), mixed.num_seeds, mixed.ahead) == ([0, 1, 2], 3, 2, False)
    assert (whole.rows, whole.arms, [card.system for card in whole.models]) == ([], [], ["elmo", "bert"])
    assert json.loads(json.dumps(dataclasses.asdict(read(tmp_path / "whole")))) == json.loads(
        json.dumps(dataclasses.asdict(whole))
    )

    with pytest.raises(Interrupted):
        study(tmp_path / "part", corpus, tagged, told=Told(row=stop))
    assert len((tmp_path / "part" / "layers.jsonl").read_text("utf-8").splitlines()) == 5
    assert kept(study(tmp_path / "part", corpus, tagged)) == kept(whole)
    monkeypatch.setattr(module.WayArm, "run", _never)
    monkeypatch.setattr(module, "store", _never)
    assert kept(study(tmp_path / "part", corpus, tagged)) == kept(whole)
    with pytest.raises(AssertionError, match="again"):
        study(tmp_path / "part", corpus, tagged, max_length=16)


def test_the_walk_and_the_study_share_a_folder(
    quick: None, corpus: Path, tagged: tuple[Path, Path], tmp_path: Path
) -> None:
    own = {"tokenizer": "word", "vocab_size": 60, "min_count": 1, "cache": corpus.parent / "cache"}
    walk: dict[str, Any] = {
        "out": tmp_path, "corpus": corpus, "train": tagged[0], "test": tagged[1], "systems": ["bert"], "task": "tag",
        "budget": "4 steps", "size": "tiny", "labels": [12], "seeds": 1, "scratch": False, "word": "",
        "pretraining": own,
    }  # fmt: skip
    first = compare(**walk)
    assert first.layers is None
    both = study(tmp_path, corpus, tagged, systems=["bert"], labels=[12], seeds=1)
    assert both.standings == first.standings
    assert both.layers is not None
    assert compare(**walk).layers == both.layers
    path = tmp_path / "comparison.json"
    old = json.loads(path.read_text("utf-8"))
    del old["layers"]
    path.write_text(json.dumps(old), "utf-8")
    assert read(tmp_path).layers is None


def test_what_cannot_be_asked(corpus: Path, tagged: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="none of these systems has layers"):
        study(tmp_path, corpus, tagged, systems=["word2vec", "ngram"])
    with pytest.raises(RequestError, match="not so many labels"):
        study(tmp_path, corpus, tagged, labels=[500])
    with pytest.raises(RequestError, match="no system"):
        study(tmp_path, corpus, tagged, systems=["word3vec"])
    assert list(tmp_path.iterdir()) == []


def test_the_command(
    quick: None, tagged: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "compare", "--layers", "--corpus", "built-in", "--train", tagged[0], "--test", tagged[1], "--systems", "bert",
        "--budget", "2 steps", "--size", "tiny", "--labels", "12", "--seeds", "1", "--tokenizer", "syllable",
        "--vocab-size", "400", "--out", tmp_path / "out", "--cache", tmp_path / "cache",
    ]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    out = capsys.readouterr().out
    for shown in ("weighted sum of the last four", "scalar mix, embeddings too (ELMo)", "1–2", "0–2", "BERT"):
        assert shown in out
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "<h2>Which vectors?</h2>" in page
    assert main([str(word) for word in [*words, "--task", "pair"]]) == 2
    assert "Leave --task out" in capsys.readouterr().err
    assert main([str(word) for word in [*words, "--label-column", "x"]]) == 2
    assert "no columns" in capsys.readouterr().err
    assert main([str(word) for word in [*words, "--tune", "epochs=2"]]) == 2
    assert "fine-tunes nothing" in capsys.readouterr().err
    assert main(["compare", "--layers", "--data", "built-in", "--out", str(tmp_path / "none")]) == 2
    assert "the rows of built-in have no tags" in capsys.readouterr().err
    assert main([str(word) for word in [*words, "--json"]]) == 0
    assert len(json.loads(capsys.readouterr().out)["layers"]["scores"]) == 7
