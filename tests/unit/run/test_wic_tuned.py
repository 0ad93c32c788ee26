"""Word in context, fine-tuned: word and rest decide; one vector a word knows the rest alone; files and lines."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from munmaek.cli import main
from munmaek.core.errors import DataError, RequestError
from munmaek.run.evaluate import evaluate
from munmaek.run.finetune import finetune
from munmaek.run.predict import predict, predict_file

SENSES = (("하늘 하얀 겨울", "차가운 산 위"), ("얼굴 예쁜 안경", "맑은 두 사람"))
"""What stands beside the word in each of two senses."""
WORDS = [word for sense in SENSES for part in sense for word in part.split()] + ["눈", "많다"]
Fresh = Callable[[str, list[str]], Path]
Network = Callable[[Path, str, list[str]], Path]


def usage(rng: np.random.Generator, sense: int) -> str:
    """The word after or before what tells its sense."""
    beside = str(rng.choice(SENSES[sense]))
    return f"{beside} [눈] 많다" if rng.random() < 0.5 else f"[눈] {beside}"


def write(path: Path, count: int, seed: int) -> Path:
    rng, lines = np.random.default_rng(seed), ["ID\tTarget\tSENTENCE1\tSENTENCE2\tANSWER"]
    for number in range(count):
        one, other = rng.integers(0, 2, 2).tolist()
        lines.append(f"{number}\t눈\t{usage(rng, one)}\t{usage(rng, other)}\t{one == other}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("usages")
    return write(folder / "train.tsv", 400, 0), write(folder / "dev.tsv", 80, 1)


def tuned(model: Path, rows: tuple[Path, Path]) -> Path:
    """A model fine-tuned, beside it."""
    settings = {"batch_rows": 16, "network_dropout": 0.0, "dropout": 0.0, "frozen": False}
    finetune("wic", model=model, train=rows[0], dev=rows[1], out=model.with_name("tuned"), epochs=15,
             learning_rate=5e-4, settings=settings)  # fmt: skip
    return model.with_name("tuned")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory, network: Network, rows: tuple[Path, Path]) -> Path:
    return tuned(network(tmp_path_factory.mktemp("bert"), "bert", WORDS), rows)


def test_what_stands_beside_the_word_is_learnt(bert: Path, rows: tuple[Path, Path]) -> None:
    found = evaluate(bert, rows[1])
    assert (found.task, found.metric, found.classes, found.num_rows) == ("wic", "accuracy", ["false", "true"], 80)
    assert found.scores["accuracy"] > 0.9


def test_an_auxiliary_loss_is_refused_before_training(fresh: Fresh, tmp_path: Path, rows: tuple[Path, Path]) -> None:
    """GPT has one, over a text's next words; of marked words in two texts there is none."""
    with pytest.raises(RequestError, match="GPT has no auxiliary loss in wic"):
        finetune("wic", model=fresh("gpt", WORDS), train=rows[0], out=tmp_path / "out", settings={"auxiliary": 0.5})
    assert not (tmp_path / "out").exists()


def test_one_vector_a_word_knows_only_what_stands_beside_it(fresh: Fresh, rows: tuple[Path, Path]) -> None:
    static = tuned(fresh("word2vec", WORDS), rows)
    sky, face = "하늘 하얀 [눈]", "얼굴 예쁜 [눈]"
    skies, faces, both, moved = predict(static, [sky, face, sky, "[눈] 하늘 하얀"], [sky, face, face, "하늘 [눈] 하얀"])
    assert skies.probability == pytest.approx(faces.probability, abs=1e-6)
    assert skies.probability == pytest.approx(moved.probability, abs=1e-6)
    assert skies.probability != pytest.approx(both.probability, rel=1e-3, abs=0)


def test_order_and_mark(bert: Path) -> None:
    snow, eye = "하늘 하얀 겨울 [눈] 많다", "얼굴 예쁜 안경 [눈] 많다"
    one, other = predict(bert, [snow, eye], [eye, snow])
    assert one.probability == pytest.approx(other.probability, abs=1e-6)
    assert (one.text, one.pair, one.label) == (snow, eye, "false")
    assert predict(bert, snow, snow)[0].label == "true"
    moved = predict(bert, snow, eye.replace("[눈]", "눈").replace("얼굴", "[얼굴]"))[0]
    assert moved.probabilities is not None
    assert one.probabilities is not None
    assert moved.probabilities["true"] != pytest.approx(one.probabilities["true"], rel=1e-3, abs=0)
    with pytest.raises(DataError, match="no word is marked in '얼굴 눈'"):
        predict(bert, snow, "얼굴 눈")


def test_tables_and_lines(
    bert: Path, rows: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert predict_file(bert, rows[1], tmp_path / "a.tsv").num_rows == 80
    lines = [line.split("\t") for line in (tmp_path / "a.tsv").read_text("utf-8").splitlines()]
    assert lines[0] == ["text", "pair", "label", "probability", "p(false)", "p(true)"]
    assert all("[눈]" in line[0] and "[눈]" in line[1] for line in lines[1:])
    asked = tmp_path / "asked.tsv"
    asked.write_text("낱말\t문장1\t문장2\n눈\t하늘 하얀 눈\t얼굴 예쁜 눈\n눈\t하늘\t눈\n", "utf-8")
    found = predict_file(bert, asked, tmp_path / "b.tsv")
    assert (found.num_rows, found.notes) == (
        1, ["asked.tsv: 1 rows skipped: the word is not in its sentence as it is written"],
    )  # fmt: skip
    monkeypatch.setattr("sys.stdin", io.StringIO("하늘 [눈]\t얼굴 [눈]\n"))
    assert main(["predict", "--model", str(bert), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "하늘 [눈]"


def test_layers_of_different_widths_are_weighed(fresh: Fresh, rows: tuple[Path, Path]) -> None:
    """ULMFiT's hidden layers are wider than its last."""
    found = evaluate(tuned(fresh("ulmfit", WORDS), rows), rows[1])
    assert found.scores["accuracy"] > 0.8
