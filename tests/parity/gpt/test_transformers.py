"""Our GPT beside transformers' GPT-1 and GPT-2 on random small models: states, logits, loss, at 1e-5 in fp32."""

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
SHAPES = [("openai-gpt", 32, 2, 2), ("openai-gpt", 48, 3, 4), ("gpt2", 32, 2, 2), ("gpt2", 64, 1, 8)]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(MemoryCorpus([[text] for text in TEXTS] * 20), "bpe", vocab_size=120)


@pytest.fixture(scope="module", params=SHAPES, ids=lambda shape: f"{shape[0]}-{shape[2]}x{shape[1]}")
def folder(request, tokenizer, tmp_path_factory) -> Path:
    """A random model written by transformers, its weights far from the initial ones, with a tokenizer of ours."""
    kind, dim, layers, heads = request.param
    torch.manual_seed(dim)
    sizes = {"vocab_size": tokenizer.vocab_size, "n_embd": dim, "n_layer": layers, "n_head": heads, "n_positions": 64}
    if kind == "gpt2":
        reference = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, n_inner=72))
    else:
        reference = transformers.OpenAIGPTLMHeadModel(transformers.OpenAIGPTConfig(**sizes))
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    path = tmp_path_factory.mktemp(f"{kind}{dim}")
    reference.save_pretrained(path)
    tokenizer.save(path)
    return path


@pytest.fixture
def both(folder):
    ours, tokenizer = systems.load("gpt").load(folder)
    return ours, transformers.AutoModelForCausalLM.from_pretrained(folder).eval(), tokenizer


def inputs_of(ours, tokenizer) -> dict[str, torch.Tensor]:
    encoder = systems.load("gpt").encoder(ours, tokenizer)
    return {name: torch.from_numpy(array) for name, array in encoder.collate(encoder.tokenize(TEXTS)).items()}


def test_states_and_logits(both) -> None:
    ours, reference, tokenizer = both
    inputs = inputs_of(ours, tokenizer)
    mask = inputs["attention_mask"]
    assert not mask.all()
    with torch.no_grad():
        expected = reference(**inputs, output_hidden_states=True)
        states = ours.gpt(**inputs, all_layers=True)
        logits = ours(**inputs).logits
    for layer, wanted in zip(states, expected.hidden_states, strict=True):
        torch.testing.assert_close(layer[mask], wanted[mask], **CLOSE)
    torch.testing.assert_close(logits[mask], expected.logits[mask], **CLOSE)


def test_padding_on_the_left_is_read_as_there(both) -> None:
    ours, reference, tokenizer = both
    inputs = inputs_of(ours, tokenizer)
    lengths = inputs["attention_mask"].sum(1)
    moved = {
        name: torch.stack([row.roll(-int(length)) for row, length in zip(array, lengths, strict=True)])
        for name, array in inputs.items()
    }
    mask = moved["attention_mask"]
    assert not mask[:, 0].all()
    places = (mask.long().cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        expected = reference(**moved, position_ids=places).logits
        found = ours(**moved).logits
        straight = ours(**inputs).logits
    torch.testing.assert_close(found[mask], expected[mask], **CLOSE)
    torch.testing.assert_close(found[mask], straight[inputs["attention_mask"]], **CLOSE)


def test_loss_and_its_gradients(both) -> None:
    ours, reference, tokenizer = both
    inputs = inputs_of(ours, tokenizer)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    expected = reference(**inputs, labels=ids.masked_fill(~mask, -100))
    expected.loss.backward()
    objective = systems.load("gpt").objective(ours.config, tokenizer, 64, {})
    shifted = {"input_ids": ids[:, :-1], "attention_mask": mask[:, 1:], "labels": ids[:, 1:]}
    parts = objective.loss(ours, shifted)
    parts.total().backward()
    assert parts.counts == {"lm": int(mask[:, 1:].sum())}
    torch.testing.assert_close(parts.total(), expected.loss, **CLOSE)
    theirs = {name: parameter.grad for name, parameter in reference.named_parameters()}
    from munmaek.systems.gpt.foreign import table

    names = table(ours.config)
    for name, parameter in ours.named_parameters():
        there, turned = names[name]
        wanted = theirs[there].T if turned else theirs[there]
        torch.testing.assert_close(parameter.grad, wanted, **CLOSE)


def test_our_folder_opens_there_with_the_same_logits_and_ids(both, tmp_path) -> None:
    ours, reference, tokenizer = both
    systems.load("gpt").save(ours, tokenizer, tmp_path)
    theirs, info = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert type(theirs) is type(reference)
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(theirs.state_dict()[name], value, rtol=0, atol=0)
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    encoder = systems.load("gpt").encoder(ours, tokenizer)
    for pairs in (None, TEXTS[::-1]):
        arrays = encoder.collate(encoder.tokenize(TEXTS, pairs))
        found = their_tokenizer(TEXTS, pairs, padding=True, truncation=True, max_length=64, return_tensors="pt")
        assert set(found) == set(arrays), "token types would be added to the words there"
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, found[name].numpy())
        with torch.no_grad():
            expected, mask = theirs.eval()(**found).logits, found["attention_mask"].bool()
            logits = ours(**{name: torch.from_numpy(array) for name, array in arrays.items()}).logits
        torch.testing.assert_close(logits[mask], expected[mask], **CLOSE)


def test_the_files_there_are(both, tmp_path) -> None:
    ours, _, tokenizer = both
    systems.load("gpt").save(ours, tokenizer, tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert names >= {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "vocab.json", "merges.txt", "modules.json", "1_Pooling/config.json",
    }  # fmt: skip
    settings = json.loads((tmp_path / "generation_config.json").read_text("utf-8"))
    assert settings["eos_token_id"] == tokenizer.token_id("sep")
    assert settings["bos_token_id"] == tokenizer.token_id("cls")
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert their_tokenizer.eos_token_id == tokenizer.token_id("sep")
    assert their_tokenizer.bos_token_id == tokenizer.token_id("cls")
    assert their_tokenizer.pad_token_id == tokenizer.token_id("pad")


def test_greedy_writing_is_theirs(both) -> None:
    ours, reference, tokenizer = both
    model = systems.load("gpt").language_model(ours, tokenizer)
    ids = [tokenizer.token_id("cls"), *tokenizer.encode(TEXTS[0], special=False).ids]
    expected = reference.generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=12, do_sample=False,
        pad_token_id=0, eos_token_id=None,
    )[0].tolist()  # fmt: skip
    logits, state = model.begin(TEXTS[0])
    for _ in range(12):
        ids.append(int(logits.argmax()))
        logits, state = model.advance(state, ids[-1])
    assert ids == expected


def test_sentence_transformers_opens_our_folder_with_the_same_vectors(both, tmp_path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    ours, _, tokenizer = both
    systems.load("gpt").save(ours, tokenizer, tmp_path)
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu")
    encoder = systems.load("gpt").encoder(ours, tokenizer)
    inputs = {name: torch.from_numpy(a) for name, a in encoder.collate(encoder.tokenize(TEXTS)).items()}
    with torch.no_grad():
        vectors = encoder.summary(encoder.forward(inputs), inputs["attention_mask"], "mean")
    np.testing.assert_allclose(theirs.encode(TEXTS), vectors.numpy(), **CLOSE)
