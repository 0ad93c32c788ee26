"""Pairs whose texts are read one by one: what one vector a text can tell of two, from training through files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from munmaek import tasks
from munmaek.core.errors import RequestError
from munmaek.run import tuned
from munmaek.run.evaluate import evaluate
from munmaek.run.finetune import AS_ONE, finetune
from munmaek.run.model import load
from munmaek.run.predict import predict
from munmaek.run.tuning import Tuner
from munmaek.tasks.examples import Examples
from munmaek.tasks.labelled import tokenise

Fresh = Callable[[str, list[str]], Path]
WORDS = [
    "하늘",
    "바다",
    "나무",
    "구름",
    "강물",
    "바람",
    "사과",
    "포도",
    "기차",
    "학교",
    "시장",
    "노래",
    "그림",
    "편지",
    "시계",
]


def write(path: Path, count: int, seed: int) -> Path:
    """Two texts of three words each; they have the same words in another order, or others."""
    rng, lines = np.random.default_rng(seed), ["sentence1\tsentence2\tlabel"]
    for number in range(count):
        words = rng.permutation(WORDS)
        second = rng.permutation(words[:3]) if number % 2 else words[3:6]
        lines.append(f"{' '.join(words[:3])}\t{' '.join(second)}\t{'같음' if number % 2 else '다름'}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


ASKED = {
    "elmo": {"frozen": False, "head_rate": 10.0},
    "bert": {"apart": True, "network_dropout": 0.0},
    "gpt": {"apart": True, "network_dropout": 0.0},
}
"""Settings without which a system does not learn it so fast; BERT and GPT read a pair as one text by default."""


@pytest.mark.parametrize(
    ("name", "epochs"), [("word2vec", 6), ("glove", 6), ("elmo", 25), ("ulmfit", 6), ("bert", 10), ("gpt", 10)]
)
def test_whether_two_texts_have_the_same_words_is_learnt_and_kept(
    name: str, epochs: int, fresh: Fresh, tmp_path: Path
) -> None:
    """The sum of two texts' vectors, which says nothing of it, would stay at one half."""
    train, dev = write(tmp_path / "train.tsv", 400, 0), write(tmp_path / "dev.tsv", 100, 1)
    out = tmp_path / "tuned"
    found = finetune("pair", model=fresh(name, WORDS), train=train, dev=dev, out=out, epochs=epochs,
                     settings=ASKED.get(name, {}))  # fmt: skip
    assert found.scores[0]["accuracy"] > 0.85
    assert evaluate(out, dev).scores["accuracy"] == pytest.approx(found.scores[0]["accuracy"], abs=0.011)  # one row
    answers = predict(out, ["하늘 바다 나무", "하늘 바다 나무"], ["나무 하늘 바다", "시계 그림 편지"])
    assert [answer.label for answer in answers] == ["같음", "다름"]


@pytest.mark.parametrize("name", ["word2vec", "bert"])
def test_one_text_is_refused_where_a_number_was_learnt_of_two_and_two_where_of_one(
    name: str, fresh: Fresh, tmp_path: Path
) -> None:
    """A BERT reads two as one, and would answer either."""
    rows = [f"{one}\t{other}\t{float(one == other)}" for one in WORDS[:6] for other in WORDS[:6]]
    (tmp_path / "rows.tsv").write_text("sentence1\tsentence2\tscore\n" + "\n".join(rows) + "\n", "utf-8")
    model = fresh(name, WORDS)
    finetune("regress", model=model, train=tmp_path / "rows.tsv", out=tmp_path / "tuned", epochs=1)
    with pytest.raises(RequestError, match="fine-tuned on two"):
        predict(tmp_path / "tuned", ["하늘"])
    lines = [f"{word}\t{float(place)}" for place, word in enumerate(WORDS)]
    (tmp_path / "single.tsv").write_text("text\tscore\n" + "\n".join(lines) + "\n", "utf-8")
    finetune("regress", model=model, train=tmp_path / "single.tsv", out=tmp_path / "single", epochs=1)
    assert not tuned.read(tmp_path / "single").network.apart
    assert predict(tmp_path / "single", ["하늘"])[0].value is not None
    with pytest.raises(RequestError, match="two texts a row; this model was fine-tuned on one"):
        predict(tmp_path / "single", ["하늘"], ["바다"])


@pytest.mark.parametrize(("name", "apart"), [("glove", True), ("gpt", False), ("bert", False)])
def test_who_reads_pairs_apart(name: str, apart: bool, fresh: Fresh) -> None:
    model = load(fresh(name, WORDS), "cpu")
    rows = Examples(["하늘", "바다"], ["나무", "구름"], ["0", "1"], "rows")
    for changes, wanted in (({}, apart), ({"apart": True}, True), ({"apart": False}, False)):
        tuner = Tuner(model, tasks.load("pair"), rows, changes=changes)
        assert (tuner.apart, tuner.settings(2).apart, tuner.read(rows).readings == 2) == (wanted,) * 3
    asked = {"apart": True}
    if not apart:  # as any text's vector is taken, not as the paper's of two in one
        assert Tuner(model, tasks.load("pair"), rows, changes=asked).settings(2).pooling == "mean"
    for task, given in (("choice", rows), ("classify", replace(rows, pairs=None))):
        assert not Tuner(model, tasks.load(task), given).apart
        with pytest.raises(RequestError, match="no two texts to read apart"):
            Tuner(model, tasks.load(task), given, changes=asked).settings(2)


def test_texts_apart_are_the_texts_alone(fresh: Fresh) -> None:
    encoder = load(fresh("ulmfit", WORDS), "cpu").encoder
    first, second = ["하늘 바다", "나무"], ["구름", "강물 바람 사과"]
    both = tokenise(encoder, first, second, apart=True)
    assert both.readings == 2
    alone = [encoder.tokenize(part) for part in (first, second)]
    for row in range(2):
        one, other = both.encodings(np.array([row]))
        assert (one.ids, other.ids) == (alone[0][row].ids, alone[1][row].ids)


def test_who_reads_a_pair_as_one_text_says_how_else(fresh: Fresh, tmp_path: Path) -> None:
    train = write(tmp_path / "train.tsv", 8, 0)
    told: dict[str, list[str]] = {}
    for name, settings in (("bert", {}), ("bert", {"apart": True}), ("bert", {"apart": False}), ("glove", {})):
        out = tmp_path / f"{name}-{settings.get('apart')}"
        model = tmp_path / name if (tmp_path / name).exists() else fresh(name, WORDS)
        told[out.name] = finetune("pair", model=model, train=train, out=out, epochs=1, settings=settings).notes
    assert {name: AS_ONE in notes for name, notes in told.items()} == {
        "bert-None": True, "bert-True": False, "bert-False": False, "glove-None": False
    }  # fmt: skip
