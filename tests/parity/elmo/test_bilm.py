"""The small real ELMo of bilm-tf against its reference embeddings, and its lower layers against a plain twin.

The reference files (lm_embeddings_{0,1,2}.hdf5, made by bilm-tf's `BidirectionalLanguageModel` under TensorFlow 1.2)
hold the top layer's two directions of ten sentences each; file k is row k of ten batches of three sentences, and the
cells and states of a batch are where the next one begins, in both directions: read afresh, only the first batch agrees.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek.run.import_model import import_model
from munmaek.run.model import load
from munmaek.systems.elmo import foreign
from munmaek.systems.elmo.encoder import ElmoEncoder

h5py = pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def folder(data_dir: Path) -> Path:
    if not (data_dir / "bilm-tf").is_dir():
        pytest.skip("no bilm-tf among the data")
    return data_dir / "bilm-tf"


@pytest.fixture(scope="module")
def sentences(folder: Path) -> list[list[str]]:
    return json.loads((folder / "lm_embeddings_sentences.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def imported(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    """The model, brought in by the verb and read back from its folder."""
    out = tmp_path_factory.mktemp("bilm") / "run"
    found = import_model("elmo", folder, out=out)
    assert found.system == "elmo"
    assert any("softmax" in text for text in found.notes)
    return load(out, device="cpu")


def states(encoder: ElmoEncoder, texts: list[str], start=None):
    """(layers, batch, seq, dim) of a batch without its begin and end, and the memory after it."""
    arrays = encoder.collate(encoder.tokenize(texts))
    different, words = np.unique(arrays["input_ids"], return_inverse=True)
    with torch.no_grad():
        found, carried = encoder.module.states(
            torch.from_numpy(encoder.speller.rows(different)),
            torch.from_numpy(words.reshape(arrays["input_ids"].shape)),
            torch.from_numpy(arrays["attention_mask"]),
            start,
        )
    return found, tuple(carried)


def test_the_top_layer_is_the_reference(imported, folder: Path, sentences) -> None:
    references = [h5py.File(folder / f"lm_embeddings_{row}.hdf5") for row in range(3)]
    carried, compared, worst = None, 0, 0.0
    for place in range(10):
        texts = [sentences[row][place] for row in range(3)]
        found, carried = states(imported.encoder, texts, carried)
        afresh, _ = states(imported.encoder, texts)
        for row in range(3):
            expected = np.concatenate(list(references[row][str(place)][...]), axis=1)
            ours = found[-1, row, 1 : 1 + len(expected)].numpy()
            assert len(expected) == len(texts[row].split())
            worst = max(worst, float(np.abs(ours - expected).max()))
            compared += expected.size
            apart = float(np.abs(afresh[-1, row, 1 : 1 + len(expected)].numpy() - expected).max())
            assert (apart < 1e-5) == (place == 0)
    assert worst < 1e-5
    assert compared == 32 * sum(len(text.split()) for part in sentences for text in part)


def twin(weights: dict[str, np.ndarray], words: list[list[int]]) -> np.ndarray:
    """(layers, words, dim) of one text in float64, as bilm-tf's equations are written: all 50 symbols, word by word."""

    def logistic(value):
        return 1 / (1 + np.exp(-value))

    def token(symbols: list[int]) -> np.ndarray:
        # bilm-tf counts symbols from 0; its row for "no symbol", which we number 0, is not in the file
        rows = np.stack([weights["char_embed"][symbol - 1] for symbol in symbols]).astype(np.float64)
        found = []
        for number in range(5):
            kernel, bias = weights[f"CNN/W_cnn_{number}"][0], weights[f"CNN/b_cnn_{number}"]
            width = len(kernel)
            windows = [np.einsum("we,wef->f", rows[i : i + width], kernel) for i in range(50 - width + 1)]
            found.append(np.maximum(np.max(windows, axis=0) + bias, 0))
        x = np.concatenate(found)
        for number in range(2):
            part = {name: weights[f"CNN_high_{number}/{name}"] for name in ("W_carry", "b_carry", "W_transform",
                                                                            "b_transform")}  # fmt: skip
            carry = logistic(x @ part["W_carry"] + part["b_carry"])
            x = carry * np.maximum(x @ part["W_transform"] + part["b_transform"], 0) + (1 - carry) * x
        return x @ weights["CNN_proj/W_proj"] + weights["CNN_proj/b_proj"]

    tokens = np.stack([token(symbols) for symbols in words])
    sides = []
    for direction, order in enumerate((slice(None), slice(None, None, -1))):
        layers = [tokens[order]]
        for number in range(2):
            cell = {n: weights[f"RNN_{direction}/RNN/MultiRNNCell/Cell{number}/LSTMCell/{n}"] for n in
                    ("W_0", "B", "W_P_0")}  # fmt: skip
            memory, state, outputs = np.zeros(64), np.zeros(16), []
            for x in layers[-1]:
                i, j, f, o = np.split(np.concatenate([x, state]) @ cell["W_0"] + cell["B"], 4)
                memory = np.clip(logistic(f + 1) * memory + logistic(i) * np.tanh(j), -3, 3)
                state = np.clip((logistic(o) * np.tanh(memory)) @ cell["W_P_0"], -3, 3)
                outputs.append(state)
            layers.append(np.stack(outputs))
        sides.append(np.stack(layers)[:, order])
    return np.concatenate(sides, axis=2)


def test_every_layer_is_the_plain_twin_s(imported, folder: Path, sentences) -> None:
    with h5py.File(folder / "lm_weights.hdf5") as file:
        weights: dict[str, np.ndarray] = {}
        file.visititems(lambda name, item: weights.update({name: item[...]}) if hasattr(item, "shape") else None)
    encoder = imported.encoder
    for text in (
        sentences[0][3],
        sentences[2][2],
        "눈이 pneumonoultramicroscopicsilicovolcanoconiosis-is-a-long-one ok",
    ):
        encoding = encoder.tokenize([text])[0]
        expected = twin(weights, encoder.speller.rows(np.array(encoding.ids)).tolist())
        found, _ = states(encoder, [text])
        np.testing.assert_allclose(found[:, 0].numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(imported.states(text), expected[:, 1:-1], atol=1e-5)


def test_it_is_written_back_as_it_came(imported, folder: Path, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        model, tokenizer = foreign.read_bilm(folder)
    foreign.write_bilm(model, tokenizer, tmp_path)
    with h5py.File(folder / "lm_weights.hdf5") as one, h5py.File(tmp_path / "weights.hdf5") as other:
        names: list[str] = []
        one.visit(names.append)
        arrays = [name for name in names if hasattr(one[name], "shape")]
        assert len(arrays) == 33
        for name in arrays:
            assert np.array_equal(one[name][...], other[name][...]), name
    ours, theirs = (json.loads((place / "options.json").read_text("utf-8")) for place in (tmp_path, folder))
    assert ours["lstm"] == theirs["lstm"]
    assert ours["char_cnn"] == theirs["char_cnn"]
    words = (folder / "vocab_test.txt").read_text("utf-8").split("\n")
    kept = (tmp_path / "vocab.txt").read_text("utf-8").split("\n")
    assert set(words) - {"<S>", "</S>", "<UNK>", ""} == set(kept) - {"<S>", "</S>", "<UNK>", ""}
