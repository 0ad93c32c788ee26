from __future__ import annotations

import json

import numpy as np
import pytest

from munmaek.core.errors import CheckpointError
from munmaek.formats import huggingface


def write(folder, value: object) -> None:
    (folder / "config.json").write_text(json.dumps(value), "utf-8")


def test_a_config_of_its_type_is_read(tmp_path) -> None:
    write(tmp_path, {"model_type": "bert", "hidden_size": 4})
    assert huggingface.read_config(tmp_path, "bert")["hidden_size"] == 4


def test_the_original_bert_config_has_no_type(tmp_path) -> None:
    write(tmp_path, {"hidden_size": 4})
    assert huggingface.read_config(tmp_path, "bert") == {"hidden_size": 4}


def test_another_type_is_named(tmp_path) -> None:
    write(tmp_path, {"model_type": "t5"})
    with pytest.raises(huggingface.OtherTypeError, match=r"'t5'.*'bert'") as caught:
        huggingface.read_config(tmp_path, "bert")
    assert caught.value.found == "t5"


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00", '"text"'])
def test_what_is_no_config_is_refused(tmp_path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        huggingface.read_config(tmp_path, "bert")


def test_a_missing_folder_or_config_is_refused(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        huggingface.read_config(tmp_path / "nowhere", "bert")
    with pytest.raises(CheckpointError, match="missing"):
        huggingface.read_config(tmp_path, "bert")


@pytest.mark.parametrize("value", [0, -1, 1.5, "4", None, True, 2**31, [4]])
def test_sizes_must_be_positive_whole_numbers(tmp_path, value: object) -> None:
    with pytest.raises(CheckpointError, match="hidden_size"):
        huggingface.whole_number({"hidden_size": value}, "hidden_size", tmp_path)
    assert huggingface.whole_number({"hidden_size": 7}, "hidden_size", tmp_path) == 7
    assert huggingface.whole_number({}, "hidden_size", tmp_path, default=3) == 3


@pytest.mark.parametrize("value", [-0.1, 1, 1.0, "0.1", None, True, float("nan")])
def test_shares_lie_from_0_to_1(tmp_path, value: object) -> None:
    with pytest.raises(CheckpointError, match="dropout"):
        huggingface.share({"dropout": value}, "dropout", tmp_path, 0.1)
    assert huggingface.share({"dropout": 0}, "dropout", tmp_path, 0.1) == 0.0
    assert huggingface.share({}, "dropout", tmp_path, 0.1) == 0.1


def test_a_tensor_is_checked_for_shape_type_and_finite_numbers(tmp_path) -> None:
    good = np.ones((2, 3), np.float64)
    assert huggingface.check_tensor("w", good, (2, 3), tmp_path).dtype == np.float32
    with pytest.raises(CheckpointError, match=r"\(2, 3\), expected \(3, 2\)"):
        huggingface.check_tensor("w", good, (3, 2), tmp_path)
    with pytest.raises(CheckpointError, match="int64"):
        huggingface.check_tensor("w", good.astype(np.int64), (2, 3), tmp_path)
    good[0, 1], good[1, 1] = np.nan, np.inf
    with pytest.raises(CheckpointError, match="2 values that are not finite"):
        huggingface.check_tensor("w", good, (2, 3), tmp_path)


def test_the_files_of_a_sentence_transformer(tmp_path) -> None:
    huggingface.write_sentence_transformer(tmp_path, 12, 34)
    modules = json.loads((tmp_path / "modules.json").read_text("utf-8"))
    assert [module["type"].split(".")[-1] for module in modules] == ["Transformer", "Pooling"]
    pooling = json.loads((tmp_path / "1_Pooling" / "config.json").read_text("utf-8"))
    assert pooling["word_embedding_dimension"] == 12
    assert [name for name, value in pooling.items() if value is True] == ["pooling_mode_mean_tokens"]
    assert json.loads((tmp_path / "sentence_bert_config.json").read_text("utf-8"))["max_seq_length"] == 34
