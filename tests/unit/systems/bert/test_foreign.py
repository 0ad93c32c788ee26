from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek.core.errors import CheckpointError, FormatError
from munmaek.formats import safetensors
from munmaek.systems.bert import foreign
from munmaek.systems.bert.model import BertConfig, BertForPreTraining

WORDS = "bert.embeddings.word_embeddings.weight"


@pytest.fixture
def folder(card, small, tokenizer, tmp_path) -> Path:
    (tmp_path / "model").mkdir()
    card.save(small, tokenizer, tmp_path / "model")
    return tmp_path / "model"


def change(folder: Path, edit) -> None:
    """Rewrite the weights after `edit` changed the dictionary of writable arrays."""
    tensors = {name: np.array(array) for name, array in safetensors.read(folder / "model.safetensors").items()}
    edit(tensors)
    safetensors.write(folder / "model.safetensors", tensors)


def configure(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def equal(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_what_is_saved_is_loaded_to_the_bit(card, small, tokenizer, folder) -> None:
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.add_(torch.randn_like(parameter))
    card.save(small, tokenizer, folder)
    model, loaded = card.load(folder)
    assert equal(model, small)
    assert model.config == small.config
    assert model.untrained == ()
    assert not model.training
    assert loaded.hash == tokenizer.hash


def test_the_table_is_reversible_and_covers_every_weight(small) -> None:
    weights = {name: value.numpy() for name, value in small.state_dict().items()}
    theirs = foreign.to_foreign(weights, 2)
    assert set(foreign.table(2)) == set(weights)
    assert sum(array.size for array in theirs.values()) == sum(array.size for array in weights.values())
    back = foreign.from_foreign(theirs, 2)
    assert set(back) == set(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(back[name], array)
    again = foreign.to_foreign(back, 2)
    assert all(np.array_equal(again[name], array) for name, array in theirs.items())


def test_from_foreign_leaves_out_what_is_not_whole(small) -> None:
    theirs = foreign.to_foreign({name: value.numpy() for name, value in small.state_dict().items()}, 2)
    del theirs["bert.encoder.layer.1.attention.self.key.weight"]
    back = foreign.from_foreign(theirs, 2)
    assert set(foreign.table(2)) - set(back) == {"bert.blocks.1.attention.inner.qkv.weight"}


def test_the_files_there_are(folder) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names >= {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "vocab.txt", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json",
    }  # fmt: skip
    assert "cls.predictions.decoder.weight" not in safetensors.read(folder / "model.safetensors")


def bare(tensors: dict) -> None:
    """As BertModel alone is saved."""
    for name in list(tensors):
        array = tensors.pop(name)
        if name.startswith("bert."):
            tensors[name.removeprefix("bert.")] = array


def greek(tensors: dict) -> None:
    """As TensorFlow named the norms."""
    for name in list(tensors):
        renamed = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        tensors[renamed] = tensors.pop(name)


def with_extras(tensors: dict) -> None:
    """As older versions saved it."""
    tensors["bert.embeddings.position_ids"] = np.arange(64)[None]
    tensors["cls.predictions.decoder.weight"] = tensors[WORDS].copy()
    tensors["cls.predictions.decoder.bias"] = tensors.pop("cls.predictions.bias")
    tensors["classifier.weight"] = np.ones((2, 32), np.float32)


@pytest.mark.parametrize("edit", [greek, with_extras])
def test_older_names_are_read(card, small, folder, edit) -> None:
    change(folder, edit)
    assert equal(card.load(folder)[0], small)


def test_a_bare_encoder_is_read_and_its_new_heads_are_the_same_each_time(card, small, folder) -> None:
    change(folder, bare)
    torch.manual_seed(1)
    first, _ = card.load(folder)
    after = torch.rand(1)
    second, _ = card.load(folder)
    assert first.untrained == ("masked word head", "next sentence head")
    assert equal(first, second)
    assert equal(first.bert, small.bert)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1)), "loading moved the caller's random numbers"


@pytest.mark.parametrize(
    ("gone", "part"),
    [("pooler", "pooler"), ("cls.predictions", "masked word head"), ("cls.seq_relationship", "next sentence head")],
)
def test_a_head_may_be_missing_whole(card, folder, gone: str, part: str) -> None:
    change(folder, lambda tensors: [tensors.pop(name) for name in list(tensors) if gone in name])
    assert card.load(folder)[0].untrained == (part,)


@pytest.mark.parametrize(
    "name",
    [
        WORDS, "bert.encoder.layer.1.attention.self.value.bias", "bert.encoder.layer.0.output.LayerNorm.bias",
        "bert.pooler.dense.bias", "cls.predictions.transform.dense.weight", "cls.seq_relationship.bias",
    ],
)  # fmt: skip
def test_one_missing_tensor_is_named(card, folder, name: str) -> None:
    change(folder, lambda tensors: tensors.pop(name))
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        card.load(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(card, folder, value: float) -> None:
    def spoil(tensors: dict) -> None:
        tensors["bert.encoder.layer.1.intermediate.dense.weight"][3, 2] = value

    change(folder, spoil)
    with pytest.raises(CheckpointError, match=r"intermediate\.dense\.weight holds 1 values that are not finite"):
        card.load(folder)


def test_a_wrong_shape_is_named(card, folder) -> None:
    def widen(tensors: dict) -> None:
        tensors["bert.encoder.layer.0.attention.self.key.weight"] = np.zeros((33, 32), np.float32)

    change(folder, widen)
    with pytest.raises(CheckpointError, match=r"self\.key\.weight has the shape \(33, 32\), expected \(32, 32\)"):
        card.load(folder)


def test_an_untied_output_matrix_is_refused(card, folder) -> None:
    def untie(tensors: dict) -> None:
        tensors["cls.predictions.decoder.weight"] = tensors[WORDS] + 1

    change(folder, untie)
    with pytest.raises(CheckpointError, match="output matrix"):
        card.load(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"position_embedding_type": "relative_key"}, {"hidden_act": "relu"}, {"is_decoder": True},
        {"tie_word_embeddings": False}, {"hidden_size": 31}, {"num_hidden_layers": "two"}, {"num_attention_heads": 5},
        {"model_type": "roberta"}, {"hidden_dropout_prob": 2}, {"intermediate_size": None},
    ],
    ids=lambda values: next(iter(values)),
)  # fmt: skip
def test_options_that_this_bert_lacks_are_refused(card, folder, values) -> None:
    configure(folder, **values)
    with pytest.raises(CheckpointError, match=rf"{next(iter(values))}|roberta|hidden_size|shape"):
        card.load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_one_clear_error(card, folder, name: str) -> None:
    (folder / name).unlink()
    if name == "tokenizer.json":
        (folder / "vocab.txt").unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors|config\.json|tokenizer"):
        card.load(folder)


def test_a_truncated_file_is_named_with_its_place(card, folder) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FormatError, match=r"model\.safetensors") as caught:
        card.load(folder)
    assert caught.value.offset is not None


def test_the_vocabulary_of_another_tokenizer_is_refused(card, small, tokenizer, folder, tmp_path) -> None:
    other = card.build(BertConfig(vocab_size=tokenizer.vocab_size * 2, dim=32, num_layers=1, num_heads=2))
    smaller = card.build(BertConfig(vocab_size=tokenizer.vocab_size - 1, dim=32, num_layers=1, num_heads=2))
    (tmp_path / "other").mkdir()
    for model in (other, smaller):
        with pytest.raises(CheckpointError, match="it is another model's"):
            card.save(model, tokenizer, tmp_path / "other")
        assert not list((tmp_path / "other").iterdir())
    configure(folder, vocab_size=tokenizer.vocab_size * 2)
    with pytest.raises(CheckpointError, match="it is another model's"):
        card.load(folder)


def test_a_vocabulary_padded_to_a_round_number_is_read(card, tokenizer, tmp_path) -> None:
    size = tokenizer.vocab_size + 6
    model = card.build(BertConfig(vocab_size=size, dim=32, num_layers=1, num_heads=2))
    card.save(model, tokenizer, tmp_path)
    assert card.load(tmp_path)[0].config.vocab_size == size


def test_parts_of_a_sharded_checkpoint_are_put_together(card, small, folder) -> None:
    tensors = safetensors.read(folder / "model.safetensors")
    names = sorted(tensors)
    halves = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in halves.items():
        safetensors.write(folder / file, {name: np.array(tensors[name]) for name in part})
    (folder / "model.safetensors").unlink()
    weight_map = {name: file for file, part in halves.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert equal(card.load(folder)[0], small)


def as_bin(folder: Path, value: object) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(value, folder / "pytorch_model.bin")


def test_an_old_pytorch_file_is_read(card, small, folder) -> None:
    tensors = safetensors.read(folder / "model.safetensors")
    as_bin(folder, {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()})
    assert equal(card.load(folder)[0], small)


class Payload:
    """What a pickle could run when it is read."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def test_an_old_file_with_code_in_it_is_refused_and_not_run(card, folder, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    as_bin(folder, {"weights": Payload()})
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin: cannot be read as weights alone"):
        card.load(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("value", [[1, 2], torch.ones(3)])
def test_an_old_file_without_names_is_refused(card, folder, value) -> None:
    as_bin(folder, value)
    with pytest.raises(CheckpointError, match="tensors by name"):
        card.load(folder)


def test_a_damaged_old_file_is_refused(card, folder) -> None:
    as_bin(folder, {"a": torch.ones(3)})
    path = folder / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin"):
        card.load(folder)


def test_half_precision_weights_are_widened(card, small, folder) -> None:
    tensors = safetensors.read(folder / "model.safetensors")
    as_bin(folder, {name: torch.from_numpy(np.array(array)).bfloat16() for name, array in tensors.items()})
    model, _ = card.load(folder)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    torch.testing.assert_close(model.bert.pooler.weight, small.bert.pooler.weight, rtol=0.01, atol=0)


def test_saving_needs_no_writable_source(card, small, tokenizer, folder, tmp_path) -> None:
    model, loaded = card.load(folder)
    shutil.rmtree(folder)
    (tmp_path / "again").mkdir()
    card.save(model, loaded, tmp_path / "again")
    assert equal(card.load(tmp_path / "again")[0], small)
    assert isinstance(model, BertForPreTraining)
