from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from munmaek.core.errors import CheckpointError, DataError, Interrupted, RequestError
from munmaek.core.files import sha256_file
from munmaek.run import tuned
from munmaek.run.evaluate import evaluate
from munmaek.run.finetune import finetune
from munmaek.run.model import Model, load
from munmaek.train.trainer import Event

FAST = {"epochs": 6, "learning_rate": 2e-3}


@pytest.fixture(scope="module")
def done(pretrained: Path, labelled: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory):
    train, dev = labelled
    out = tmp_path_factory.mktemp("out") / "tuned"
    events: list[Event] = []
    result = finetune(
        "classify", model=pretrained, train=train, dev=dev, out=out, seeds=2, progress=events.append, **FAST
    )
    return result, events


def test_it_learns_and_says_how_well(done) -> None:
    result, events = done
    assert result.classes == ["0", "1"]
    assert (result.seeds, result.num_labels, result.metric) == ([0, 1], 160, "accuracy")
    assert result.mean["accuracy"] > 0.9
    assert result.mean["accuracy"] == pytest.approx(np.mean([run["accuracy"] for run in result.scores]))
    assert math.isfinite(result.interval["accuracy"])
    assert result.scores[result.kept_seed]["accuracy"] == max(run["accuracy"] for run in result.scores)
    assert [event.message for event in events if event.step == 0] == ["160 labels of 2 classes: 0 80, 1 80"]


def test_the_folder_answers_as_it_did_when_it_was_scored(done, labelled: tuple[Path, Path]) -> None:
    result, _ = done
    found = evaluate(result.folder, labelled[1])
    assert found.scores["accuracy"] == pytest.approx(result.scores[result.kept_seed]["accuracy"])
    assert not (result.folder / "training").exists()
    facts = json.loads((result.folder / "munmaek.json").read_text("utf-8"))
    assert facts["task"]["answers"]["classes"] == ["0", "1"]
    assert facts["task"]["max_length"] == 32
    assert facts["training"]["kept_seed"] == result.kept_seed
    assert load(result.folder).embed(["좋다"]).shape == (1, 128)


def test_the_same_call_gives_the_same_weights(done, pretrained, labelled, tmp_path: Path) -> None:
    result, _ = done
    train, dev = labelled
    finetune("classify", model=pretrained, train=train, dev=dev, out=tmp_path / "again", seeds=2, **FAST)
    for name in ("model.safetensors", "head.safetensors"):
        assert sha256_file(tmp_path / "again" / name) == sha256_file(result.folder / name)


def test_an_interrupted_fine_tuning_goes_on_to_the_same_weights(done, pretrained, labelled, tmp_path: Path) -> None:
    result, _ = done
    train, dev = labelled
    seen: list[int] = []

    def stop(event: Event) -> None:
        seen.append(event.step)
        if len([step for step in seen if step == 7]) == 2 and event.step == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    options = {"model": pretrained, "train": train, "dev": dev, "out": tmp_path / "out", "seeds": 2, **FAST}
    with pytest.raises(Interrupted) as caught:
        finetune("classify", progress=stop, **options)
    assert caught.value.exit_code == 143
    assert (tmp_path / "out" / "training" / "seed-0.json").is_file()
    assert not (tmp_path / "out" / "munmaek.json").exists()
    seen.clear()
    again = finetune("classify", progress=lambda event: seen.append(event.step), **options)
    assert min(step for step in seen if step) == 8  # the first seed is not trained again, the second goes on
    assert again.scores == result.scores
    for name in ("model.safetensors", "head.safetensors"):
        assert sha256_file(tmp_path / "out" / name) == sha256_file(result.folder / name)


def test_other_options_never_take_up_an_old_training(pretrained, labelled, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if event.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        finetune("classify", model=pretrained, train=labelled[0], out=tmp_path, epochs=2, progress=stop)
    with pytest.raises(RequestError, match="holds a training with another"):
        finetune("classify", model=pretrained, train=labelled[0], out=tmp_path, epochs=3)


def test_without_a_dev_set_the_last_weights_of_the_first_seed_are_kept(pretrained, labelled, tmp_path: Path) -> None:
    result = finetune("classify", model=pretrained, train=labelled[0], out=tmp_path / "o", labels=20, epochs=1, seeds=2)
    assert (result.scores, result.mean, result.kept_seed, result.num_labels) == ([], {}, 0, 20)
    assert tuned.read(tmp_path / "o").answer(["좋다"]).shape == (1, 2)


def test_from_scratch_starts_elsewhere(pretrained, labelled, tmp_path: Path) -> None:
    options = {"model": pretrained, "train": labelled[0], "labels": 20, "epochs": 1, "learning_rate": 1e-12}
    finetune("classify", out=tmp_path / "a", **options)
    finetune("classify", out=tmp_path / "b", from_scratch=True, **options)
    base = load_file(pretrained / "model.safetensors")
    kept, fresh = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "b"))
    name = "bert.embeddings.word_embeddings.weight"
    assert kept[name] == pytest.approx(base[name], abs=1e-6)
    assert np.abs(fresh[name] - base[name]).mean() > 0.01


def test_pairs_and_numbers(pretrained, tsv, tmp_path: Path) -> None:
    rows = [(f"배우 {a}", f"음악 {b}", str(float(a == b))) for a in range(6) for b in range(6)]
    table = tsv("pairs.tsv", "sentence1\tsentence2\tscore", rows)
    for task, metric in (("pair", "accuracy"), ("regress", "spearman")):
        result = finetune(task, model=pretrained, train=table, dev=table, out=tmp_path / task, epochs=1)
        assert result.metric == metric
        assert set(evaluate(tmp_path / task, table).scores) == set(result.mean)
    assert result.classes == []
    with pytest.raises(RequestError, match="no column holds the second text"):
        evaluate(tmp_path / "pair", tsv("single.tsv", "text\tlabel", [("a", "1.0")]))


def test_the_head_reads_both_texts(pretrained, tsv, tmp_path: Path) -> None:
    rows = [("배우", text, str(n % 2)) for n in range(8) for text in (("좋다", "싫다")[n % 2],)]
    finetune("pair", model=pretrained, train=tsv("p.tsv", "premise\thypothesis\tlabel", rows), out=tmp_path, epochs=1)
    fine = tuned.read(tmp_path)
    found = fine.answer(["배우", "배우"], ["좋다", "싫다"])
    assert np.abs(found[0] - found[1]).max() > 1e-4
    with pytest.raises(RequestError, match="one text a row; this model was fine-tuned on two"):
        fine.answer(["배우"])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"seeds": 0}, RequestError, "--seeds: 0 seeds"),
        ({"epochs": 0.0}, RequestError, "--epochs: 0 is not positive"),
        ({"learning_rate": math.nan}, RequestError, "--learning-rate"),
        ({"pooling": "median"}, RequestError, "no pooling 'median'.*mean"),
        ({"settings": {"probe": "no"}}, RequestError, "--set: probe is 'no'"),
        ({"max_length": 65}, RequestError, "--max-length: 65 tokens.*4 to 64"),
        ({"labels": 161}, RequestError, "161 labels were asked for; the training rows that can be used are 160"),
        ({"label_column": "nope"}, RequestError, "no column 'nope'; there are: document, label"),
        ({"train": "absent.tsv"}, RequestError, "no such file"),
        ({"model": "absent"}, CheckpointError, "no such folder"),
        ({"model": Path(__file__)}, CheckpointError, "is a file, not the folder of a model"),
    ],
)
def test_wrong_requests_write_nothing(pretrained, labelled, tmp_path, changes, error, message) -> None:
    options = {"model": pretrained, "train": labelled[0], "out": tmp_path / "out", **changes}
    with pytest.raises(error, match=message):
        finetune("classify", **options)
    assert not (tmp_path / "out" / "munmaek.json").exists()


def test_labels_of_one_class_and_of_the_wrong_kind(pretrained, tsv, tmp_path: Path) -> None:
    one = tsv("one.tsv", "text\tlabel", [("좋다", "1"), ("싫다", "1")])
    with pytest.raises(DataError, match=r"one\.tsv: every row has the label '1'; there is nothing to tell apart"):
        finetune("classify", model=pretrained, train=one, out=tmp_path / "o")
    numbers = tsv("n.tsv", "text\tlabel", [("좋다", "1"), ("싫다", "2")])
    names = tsv("m.tsv", "text\tlabel", [("좋다", "높음")])
    with pytest.raises(DataError, match=r"m\.tsv: 1 of 1 labels are not numbers, the first is '높음'"):
        finetune("regress", model=pretrained, train=numbers, dev=names, out=tmp_path / "o")


def test_a_pre_trained_model_is_never_overwritten(pretrained, labelled) -> None:
    before = sha256_file(pretrained / "munmaek.json")
    with pytest.raises(RequestError, match="the same folder as --model"):
        finetune("classify", model=pretrained, train=labelled[0], out=pretrained)
    other = pretrained.parent / "link"
    other.symlink_to(pretrained)
    with pytest.raises(RequestError, match=r"the same folder as --model|would be lost"):
        finetune("classify", model=pretrained, train=labelled[0], out=other)
    assert sha256_file(pretrained / "munmaek.json") == before


def test_a_damaged_head_is_refused(done, tmp_path: Path) -> None:
    result, _ = done
    fine = tuned.read(result.folder)
    with pytest.raises(RequestError, match=r"never fine-tuned on a task.*munmaek finetune"):
        tuned.read(_without_task(result.folder))
    path = tmp_path / "head.safetensors"
    tensors = load_file(result.folder / tuned.HEAD)
    for broken, message in (
        ({**tensors, "output.bias": np.full(2, np.nan, np.float32)}, "not numbers"),
        ({**tensors, "output.bias": np.zeros(3, np.float32)}, "does not fit the task: output.bias"),
        ({"output.bias": tensors["output.bias"]}, "does not fit the task: output.weight"),
    ):
        save_file(broken, path)
        with pytest.raises(CheckpointError, match=message):
            tuned.fill(fine.network, path)
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        tuned.fill(fine.network, path)
    with pytest.raises(CheckpointError, match="head is missing"):
        tuned.fill(fine.network, tmp_path / "absent")


def _without_task(folder: Path) -> Model:
    model = load(folder)
    del model.facts["task"]
    return model


def test_weights_that_are_not_numbers_are_one_sentence(done) -> None:
    fine = tuned.read(done[0].folder)
    fine.network.body.embeddings.words.weight.data.fill_(float("nan"))
    with pytest.raises(CheckpointError, match="outputs are not numbers"):
        fine.answer(["좋다"])
