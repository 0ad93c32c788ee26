"""evaluate and predict on one fine-tuned model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from munmaek.core.errors import DataError, JobError, RequestError
from munmaek.run import tuned
from munmaek.run.evaluate import evaluate
from munmaek.run.finetune import finetune
from munmaek.run.predict import choose_form, predict, predict_file, stream


@pytest.fixture(scope="module")
def folder(pretrained: Path, labelled: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "tuned"
    finetune("classify", model=pretrained, train=labelled[0], out=out, epochs=6, learning_rate=2e-3)
    return out


@pytest.fixture(scope="module")
def fine(folder: Path) -> tuned.Tuned:
    return tuned.read(folder)


def test_scores_classes_and_confusion_agree(folder: Path, labelled: tuple[Path, Path]) -> None:
    seen: list[int] = []
    found = evaluate(folder, labelled[1], progress=seen.append)
    assert sum(seen) == found.num_rows == 40
    assert found.confusion is not None
    assert found.scores["accuracy"] == pytest.approx(np.trace(found.confusion) / 40)
    assert found.scores["macro_f1"] == pytest.approx(np.mean(list(found.class_f1.values())))
    assert found.notes == []


def test_every_labelled_row_is_scored_and_the_rest_is_counted(folder: Path, tsv) -> None:
    rows = [("정말 좋다", "1"), ("", "0"), ("너무 지루하다", ""), ("좋다", "2")]
    found = evaluate(folder, tsv("t.tsv", "text\tlabel", rows))
    assert found.num_rows == 3
    assert found.scores["accuracy"] <= 2 / 3
    assert "\n".join(found.notes) == (
        "t.tsv: 1 rows have no label and are not scored\n"
        "t.tsv: 1 rows have an empty text; they are scored like any other\n"
        "1 rows have a class that the model never saw; they count as wrong"
    )


def test_files_that_cannot_be_scored(folder: Path, pretrained: Path, tsv) -> None:
    with pytest.raises(DataError, match="no row has a label"):
        evaluate(folder, tsv("t.tsv", "text\tlabel", [("a", ""), ("b", "")]))
    with pytest.raises(RequestError, match="no column holds the label"):
        evaluate(folder, tsv("u.tsv", "text\tother", [("a", "1")]))
    with pytest.raises(RequestError, match="never fine-tuned"):
        evaluate(pretrained, tsv("v.tsv", "text\tlabel", [("a", "1")]))


def test_predictions_in_order_with_probabilities(fine: tuned.Tuned) -> None:
    texts = ["배우 음악 정말 좋다", "", "배우 음악 정말 싫다"]
    found = predict(fine, texts)
    assert [prediction.text for prediction in found] == texts
    assert [found[0].label, found[2].label] == ["1", "0"]
    for prediction in found:
        assert prediction.probabilities is not None
        assert sum(prediction.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
        assert prediction.probability == max(prediction.probabilities.values())
    assert predict(fine, "배우 음악 정말 좋다")[0].label == "1"


def test_a_stream_is_the_same_as_a_list_whatever_the_chunk(fine: tuned.Tuned, monkeypatch) -> None:
    texts = [f"배우 {n} 좋다" for n in range(10)]
    whole = [prediction.probability for prediction in predict(fine, texts)]
    monkeypatch.setattr("munmaek.run.predict.CHUNK_ROWS", 3)
    assert [prediction.probability for prediction in stream(fine, iter(texts))] == pytest.approx(whole, abs=0.02)


def test_wrong_numbers_of_texts(fine: tuned.Tuned) -> None:
    with pytest.raises(RequestError, match="two texts a row; this model was fine-tuned on one"):
        predict(fine, ["a"], ["b"])
    with pytest.raises(RequestError, match="2 texts and 1 second texts"):
        predict(fine, ["a", "b"], ["c"])
    with pytest.raises(RequestError, match="some rows have two texts"):
        list(stream(fine, ["a", ("b", "c")]))


def test_files_of_predictions(fine: tuned.Tuned, tsv, tmp_path: Path) -> None:
    table = tsv("t.tsv", "document\tother", [("정말 좋다", "x"), ("", "y"), ("정말 싫다", "z")])
    result = predict_file(fine, table, tmp_path / "new" / "p.tsv")
    lines = (tmp_path / "new" / "p.tsv").read_text("utf-8").split("\n")
    assert result.num_rows == 3
    assert lines[0] == "text\tlabel\tprobability\tp(0)\tp(1)"
    assert [line.split("\t")[0] for line in lines[1:]] == ["정말 좋다", "", "정말 싫다", ""]
    predict_file(fine, table, tmp_path / "p.jsonl")
    records = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text("utf-8").split("\n") if line]
    assert [record["label"] for record in records] == [line.split("\t")[1] for line in lines[1:4]]
    assert set(records[0]) == {"text", "label", "probability", "probabilities"}


def test_lines_of_a_plain_file_keep_their_places(fine: tuned.Tuned, tmp_path: Path, capsys) -> None:
    path = tmp_path / "a.txt"
    path.write_text("정말 좋다\n\n칸\t둘\n", "utf-8")
    assert predict_file(fine, path).num_rows == 3
    lines = capsys.readouterr().out.split("\n")
    assert [line.split("\t")[0] for line in lines[1:4]] == ["정말 좋다", "", "칸 둘"]


def test_a_failed_prediction_leaves_the_old_file(fine: tuned.Tuned, tmp_path: Path) -> None:
    out, bad = tmp_path / "p.tsv", tmp_path / "bad.tsv.gz"
    out.write_text("old")
    bad.write_bytes(b"\x1f\x8b\x08broken")
    with pytest.raises(DataError):
        predict_file(fine, bad, out)
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.tsv.gz", "p.tsv"]
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError, match="could not write"):
        predict_file(fine, _one(tmp_path), tmp_path / "file" / "p.tsv")


def _one(folder: Path) -> Path:
    (folder / "one.txt").write_text("좋다\n", "utf-8")
    return folder / "one.txt"


def test_forms() -> None:
    assert [choose_form(None, out) for out in (None, "a.tsv", "a.JSONL", "a.ndjson")] == [
        "tsv",
        "tsv",
        "jsonl",
        "jsonl",
    ]
    assert choose_form("jsonl", None) == "jsonl"
    with pytest.raises(RequestError, match=r"not written as 'xlsx'.*\.tsv or \.jsonl"):
        choose_form(None, "a.xlsx")
