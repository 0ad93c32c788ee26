"""Our BERT beside transformers' on random small models: states, both heads, both losses, at 1e-5 in fp32."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek import systems
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.tokenizers import train_tokenizer

transformers = pytest.importorskip("transformers")

TEXTS = ["눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다", "배가 고파서 배를 먹고 배를 탔다", "정말?", "좋다 " * 30]
SHAPES = [(32, 2, 2, 0), (48, 3, 4, 64), (64, 1, 8, 100)]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(MemoryCorpus([[text] for text in TEXTS] * 20), vocab_size=120)


@pytest.fixture(scope="module", params=SHAPES, ids=lambda shape: f"{shape[1]}x{shape[0]}")
def folder(request, tokenizer, tmp_path_factory) -> Path:
    """A random model written by transformers, its weights far from the initial ones, with a tokenizer of ours."""
    dim, layers, heads, inner = request.param
    torch.manual_seed(dim)
    reference = transformers.BertForPreTraining(
        transformers.BertConfig(
            vocab_size=tokenizer.vocab_size, hidden_size=dim, num_hidden_layers=layers, num_attention_heads=heads,
            intermediate_size=inner or 4 * dim, max_position_embeddings=64,
        )
    )  # fmt: skip
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    path = tmp_path_factory.mktemp(f"bert{dim}")
    reference.save_pretrained(path)
    tokenizer.save(path)
    return path


@pytest.fixture
def both(folder):
    ours, tokenizer = systems.load("bert").load(folder)
    return ours, transformers.BertForPreTraining.from_pretrained(folder).eval(), tokenizer


def inputs_of(ours, tokenizer, pairs: bool = True) -> dict[str, torch.Tensor]:
    encoder = systems.load("bert").encoder(ours, tokenizer)
    arrays = encoder.collate(encoder.tokenize(TEXTS, TEXTS[::-1] if pairs else None))
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def test_states_and_heads(both) -> None:
    ours, reference, tokenizer = both
    inputs = inputs_of(ours, tokenizer)
    mask = inputs["attention_mask"]
    assert inputs["token_type_ids"].max() == 1
    assert not mask.all()
    with torch.no_grad():
        expected = reference(**inputs, output_hidden_states=True)
        states = ours.bert(**inputs, all_layers=True)
        output = ours(**inputs)
    for layer, wanted in zip(states, expected.hidden_states, strict=True):
        torch.testing.assert_close(layer[mask], wanted[mask], **CLOSE)
    torch.testing.assert_close(output.word_logits[mask], expected.prediction_logits[mask], **CLOSE)
    torch.testing.assert_close(output.pair_logits, expected.seq_relationship_logits, **CLOSE)


@pytest.mark.parametrize("mode", ["nsp", "sop"])
def test_losses_and_their_gradients(both, mode: str) -> None:
    ours, reference, tokenizer = both
    batch = inputs_of(ours, tokenizer)
    random = np.random.default_rng(0)
    labels = torch.full_like(batch["input_ids"], -100)
    most = 4
    positions = torch.zeros(len(TEXTS), most, dtype=torch.int64)
    wanted = torch.zeros_like(positions)
    weights = torch.zeros(len(TEXTS), most, dtype=torch.bool)
    for row in range(len(TEXTS)):
        places = np.flatnonzero(batch["attention_mask"][row].numpy())
        chosen = random.choice(places, size=1 + row % most, replace=False)
        for column, place in enumerate(chosen):
            word = int(random.integers(tokenizer.vocab_size))
            labels[row, place] = word
            positions[row, column], wanted[row, column], weights[row, column] = int(place), word, True
    pair_labels = torch.tensor([0, 1, 1, 0, 1])
    expected = reference(**batch, labels=labels, next_sentence_label=pair_labels)
    expected.loss.backward()

    objective = systems.load("bert").objective(ours.config, tokenizer, 64, {"next_sentence": mode})
    parts = objective.loss(
        ours,
        batch | {"masked_positions": positions, "masked_labels": wanted, "masked_weights": weights}
        | {"next_sentence_labels": pair_labels},
    )  # fmt: skip
    parts.total().backward()
    assert parts.counts == {"mlm": int(weights.sum()), mode: len(TEXTS)}
    torch.testing.assert_close(parts.total(), expected.loss, **CLOSE)
    theirs = dict(reference.named_parameters())
    for name, ours_grad in {
        "bert.embeddings.word_embeddings.weight": ours.bert.embeddings.words.weight.grad,
        "cls.predictions.bias": ours.word_bias.grad,
        "cls.seq_relationship.weight": ours.pair.weight.grad,
        "bert.pooler.dense.weight": ours.bert.pooler.weight.grad,
        "bert.embeddings.position_embeddings.weight": ours.bert.embeddings.positions.weight.grad,
        "bert.encoder.layer.0.intermediate.dense.weight": ours.bert.blocks[0].feed_forward.inner.up.weight.grad,
    }.items():
        torch.testing.assert_close(ours_grad, theirs[name].grad, **CLOSE)


def test_our_folder_opens_there_with_the_same_vectors_and_ids(both, tmp_path) -> None:
    ours, _, tokenizer = both
    systems.load("bert").save(ours, tokenizer, tmp_path)
    theirs = transformers.AutoModel.from_pretrained(tmp_path).eval()
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert type(theirs).__name__ == "BertModel"
    for pairs in (None, TEXTS[::-1]):
        encoder = systems.load("bert").encoder(ours, tokenizer)
        encodings = encoder.tokenize(TEXTS, pairs)
        arrays = encoder.collate(encodings)
        found = their_tokenizer(TEXTS, pairs, padding=True, truncation=True, max_length=64, return_tensors="np")
        assert set(found) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, found[name])
        with torch.no_grad():
            inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
            expected = theirs(**inputs)
            states = encoder.forward(inputs)
            mask = inputs["attention_mask"]
            torch.testing.assert_close(states[mask], expected.last_hidden_state[mask], **CLOSE)
            torch.testing.assert_close(encoder.summary(states, mask, "pooler"), expected.pooler_output, **CLOSE)


def test_our_folder_says_nothing_is_missing_there(both, tmp_path) -> None:
    ours, reference, tokenizer = both
    systems.load("bert").save(ours, tokenizer, tmp_path)
    again, info = transformers.BertForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert config["architectures"] == ["BertForPreTraining"]


def test_special_tokens_survive_there(both, tmp_path) -> None:
    ours, _, tokenizer = both
    systems.load("bert").save(ours, tokenizer, tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for role in ("pad", "unk", "cls", "sep", "mask"):
        assert getattr(theirs, f"{role}_token_id") == tokenizer.token_id(role)


def test_sentence_transformers_opens_our_folder_with_the_same_vectors(both, tmp_path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    ours, _, tokenizer = both
    systems.load("bert").save(ours, tokenizer, tmp_path)
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu")
    encoder = systems.load("bert").encoder(ours, tokenizer)
    inputs = {name: torch.from_numpy(a) for name, a in encoder.collate(encoder.tokenize(TEXTS)).items()}
    with torch.no_grad():
        vectors = encoder.summary(encoder.forward(inputs), inputs["attention_mask"], "mean")
    np.testing.assert_allclose(theirs.encode(TEXTS), vectors.numpy(), **CLOSE)


@pytest.mark.parametrize("most", [5, 7, 8, 13, 20, 33])
def test_long_texts_are_cut_as_there(both, tmp_path, most: int) -> None:
    ours, _, tokenizer = both
    systems.load("bert").save(ours, tokenizer, tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    encoder = systems.load("bert").encoder(ours, tokenizer)
    for pairs in (None, TEXTS[::-1]):
        found = theirs(TEXTS, pairs, truncation="longest_first", max_length=most)
        assert [encoding.ids for encoding in encoder.tokenize(TEXTS, pairs, most)] == found["input_ids"]
