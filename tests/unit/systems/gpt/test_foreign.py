from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch

from munmaek.core.errors import CheckpointError, FormatError
from munmaek.formats import safetensors
from munmaek.formats.huggingface import OtherTypeError
from munmaek.systems.gpt import foreign, original, vocabulary

TEXT = "눈이 배가 말을 밤에"


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
    model, loaded = card.load(folder)
    assert equal(model, small)
    assert model.config == small.config
    assert model.untrained == ()
    assert loaded.hash == tokenizer.hash


def test_the_table_is_reversible_and_covers_every_weight(small) -> None:
    weights = {name: value.numpy() for name, value in small.state_dict().items()}
    assert set(foreign.table(small.config)) == set(weights)
    theirs = foreign.to_foreign(weights, small.config)
    assert len(theirs) == len(weights)
    assert theirs["transformer.h.1.attn.c_attn.weight"].shape == (32, 96), "inputs before outputs there"
    back = foreign.from_foreign(theirs, small.config)
    assert set(back) == set(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(back[name], array)


def test_the_names_of_a_model_without_its_head_are_read(card, small, folder) -> None:
    def bare(tensors: dict) -> None:
        for name in list(tensors):
            tensors[name.removeprefix("transformer.")] = tensors.pop(name)
        tensors["h.0.attn.bias"] = np.tril(np.ones((1, 1, 24, 24), np.float32))

    change(folder, bare)
    assert equal(card.load(folder)[0], small)


def test_an_untied_output_matrix_is_refused(card, folder) -> None:
    def untie(tensors: dict) -> None:
        words = next(tensors[name] for name in tensors if name.split(".")[1] in ("wte", "tokens_embed"))
        tensors["lm_head.weight"] = words + 1

    change(folder, untie)
    with pytest.raises(CheckpointError, match="not the word embeddings"):
        card.load(folder)


@pytest.mark.parametrize("gone", ["transformer.h.2.mlp.c_fc.bias", "transformer.h.0.attn.c_attn.weight"])
def test_a_missing_or_odd_tensor_is_named(card, folder, gone: str) -> None:
    def damage(tensors: dict) -> None:
        tensors[gone] = tensors[gone][..., :-1].copy()

    change(folder, damage)
    with pytest.raises(CheckpointError, match=rf"{gone} has the shape"):
        card.load(folder)
    change(folder, lambda tensors: tensors.pop(gone))
    with pytest.raises(CheckpointError, match=f"{gone} is missing"):
        card.load(folder)


def test_weights_that_are_no_numbers_are_refused(card, folder) -> None:
    change(folder, lambda tensors: tensors["transformer.h.1.ln_1.bias"].fill(np.nan))
    with pytest.raises(CheckpointError, match="not finite"):
        card.load(folder)


@pytest.mark.parametrize("values", [{"n_head": 5}, {"n_layer": "3"}, {"n_embd": 0}, {"tie_word_embeddings": False}])
def test_a_config_that_this_gpt_cannot_follow_is_refused(card, folder, values: dict) -> None:
    configure(folder, **values)
    with pytest.raises(CheckpointError, match=next(iter(values))):
        card.load(folder)


def test_activations_of_other_models_are_refused(card, folder) -> None:
    configure(folder, afn="relu", activation_function="relu")
    with pytest.raises(CheckpointError, match="relu"):
        card.load(folder)


def test_another_systems_folder_is_told_apart(card, folder) -> None:
    configure(folder, model_type="bert")
    with pytest.raises(OtherTypeError, match="bert"):
        card.load(folder)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 32, "vocab_size": 150}), "utf-8")
    with pytest.raises(OtherTypeError):  # an old BERT's, which names no type
        card.load(folder)


def test_the_vocabulary_of_another_tokenizer_is_refused(card, small, tokenizer, folder) -> None:
    configure(folder, vocab_size=2 * tokenizer.vocab_size)
    with pytest.raises(CheckpointError, match="another model"):
        card.load(folder)


# ---- tokenizers of other tools --------------------------------------------------------------------------------------


def strip(folder: Path) -> None:
    """As another tool's folder: no file of ours, and no special tokens named."""
    for name in ("munmaek_tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink()
    path = folder / "config.json"
    values = json.loads(path.read_text("utf-8"))
    for name in ("bos_token_id", "eos_token_id", "pad_token_id", foreign.START):
        values.pop(name)
    path.write_text(json.dumps(values), "utf-8")


def test_special_tokens_that_are_missing_are_added_with_new_rows(card, small, tokenizer, folder, tmp_path) -> None:
    strip(folder)
    backend = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    backend["added_tokens"], backend["post_processor"] = [], None
    words = backend["model"]["vocab"]
    for role in ("[PAD]", "[CLS]", "[SEP]", "[MASK]"):
        words[f"plain{role}"] = words.pop(role)
    (folder / "tokenizer.json").write_text(json.dumps(backend), "utf-8")
    model, loaded = card.imports["hf"](folder)
    known = tokenizer.vocab_size
    assert model.untrained == ("start token", "extract token")
    assert not model.config.start
    assert model.config.vocab_size == loaded.vocab_size == known + 2
    assert torch.equal(model.gpt.words.weight[:known], small.gpt.words.weight)
    assert 0.0 < float(model.gpt.words.weight[known:].detach().std()) < 0.1
    ids = tokenizer.encode(TEXT, special=False).ids
    assert loaded.encode(TEXT).ids == [known, *ids, known + 1]
    assert loaded.encode(TEXT, TEXT).ids == [known, *ids, known + 1, *ids, known + 1]
    (tmp_path / "again").mkdir()
    card.save(model, loaded, tmp_path / "again")
    again, tokenizer_again = card.load(tmp_path / "again")
    assert equal(again, model)
    assert (again.untrained, again.config) == ((), model.config)
    assert tokenizer_again.hash == loaded.hash


def test_begin_and_end_named_by_number_are_taken(card, small, tokenizer, folder) -> None:
    strip(folder)
    configure(folder, bos_token_id=tokenizer.token_id("cls"), eos_token_id=tokenizer.token_id("sep"))
    model, loaded = card.imports["hf"](folder)
    assert model.untrained == ()
    assert model.config.start
    assert loaded.token_id("cls") == tokenizer.token_id("cls")
    assert loaded.encode(TEXT).ids == tokenizer.encode(TEXT).ids


def test_words_and_merges_are_a_tokenizer_too(tokenizer, folder) -> None:
    backend = vocabulary.openai_bpe(folder / "vocab.json", folder / "merges.txt")
    assert backend.get_vocab() == tokenizer.vocab()


@pytest.mark.parametrize(
    ("file", "content", "error"),
    [
        ("vocab.json", "{", CheckpointError), ("vocab.json", '{"a": 0, "b": 0}', FormatError),
        ("vocab.json", "[]", FormatError), ("merges.txt", "a b c", FormatError), ("merges.txt", "\x00", FormatError),
    ],
)  # fmt: skip
def test_damaged_vocabularies_are_refused(folder, file: str, content: str, error: type) -> None:
    (folder / file).write_text(content, "utf-8")
    with pytest.raises(error, match=file):
        vocabulary.openai_bpe(folder / "vocab.json", folder / "merges.txt")


def test_korean_survives_a_round_trip_with_our_own_tokenizer(tokenizer, folder) -> None:
    for text in (TEXT, "강가에서 천천히 걸었다"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    decomposed = unicodedata.normalize("NFD", TEXT)
    assert decomposed != TEXT
    assert tokenizer.decode(tokenizer.encode(decomposed).ids) == TEXT, "NFD is read as NFC"


# ---- OpenAI's own files ---------------------------------------------------------------------------------------------


def write_original(folder: Path, model, words: dict[str, int], merges: list[str]) -> None:
    """A model as OpenAI released GPT-1: one run of numbers in ten files."""
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    theirs = foreign.to_foreign(weights, model.config)
    arrays = [theirs[name] for name in original.names(model.config.num_layers)]
    shapes = [[1, *array.shape] if i > 1 and array.ndim == 2 else [*array.shape] for i, array in enumerate(arrays)]
    flat = np.concatenate([array.ravel() for array in arrays]).astype(np.float32)
    for number, part in enumerate(np.array_split(flat, original.PARTS)):
        np.save(folder / f"params_{number}.npy", part)
    (folder / original.SHAPES).write_text(json.dumps(shapes), "utf-8")
    (folder / original.WORDS).write_text(json.dumps(words), "utf-8")
    (folder / original.MERGES).write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")


WORDS = {"<unk>": 0, **{c: n for n, c in enumerate("abcdeghlnostw", 1)}, "the</w>": 14, "th": 15, "e</w>": 16}


@pytest.fixture
def released(card, tmp_path) -> tuple[Path, torch.nn.Module]:
    torch.manual_seed(3)
    model = card.build(card.config(len(WORDS), 128, 2, 2, max_positions=32, start=False)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    write_original(tmp_path, model, WORDS, ["t h", "th e</w>"])
    return tmp_path, model


def test_the_original_layout_is_read(card, released) -> None:
    folder, expected = released
    model, tokenizer = card.imports["openai-gpt"](folder)
    assert model.config.num_heads == 2
    assert model.untrained == ("start token", "extract token")
    assert tokenizer.encode("The the", special=False).ids == [14, 14]
    ids = torch.tensor([[14, 15, 3, 1]])
    with torch.no_grad():
        torch.testing.assert_close(model.gpt(ids), expected.gpt(ids), rtol=0, atol=0)
    known = {name: value for name, value in expected.state_dict().items() if name != "gpt.words.weight"}
    assert all(torch.equal(model.state_dict()[name], value) for name, value in known.items())


def test_original_files_that_lie_are_refused_before_memory_is_taken(card, released) -> None:
    folder, _ = released
    read = card.imports["openai-gpt"]
    shapes = json.loads((folder / original.SHAPES).read_text("utf-8"))
    for wrong, message in (
        ([[2**31 - 1, 2**31 - 1], *shapes[1:]], "shapes of a GPT-1"),
        (shapes[:-1], "not those of a GPT-1"),
        ([*shapes[:-1], [129]], "has the shape"),
        ([[64, 128], *shapes[1:]], "ask for"),
        ({}, "shapes of a GPT-1"),
    ):
        (folder / original.SHAPES).write_text(json.dumps(wrong), "utf-8")
        with pytest.raises(FormatError, match=message):
            read(folder)
    (folder / original.SHAPES).write_text(json.dumps(shapes), "utf-8")
    (folder / "params_9.npy").unlink()
    with pytest.raises(CheckpointError, match="params_9"):
        read(folder)


def test_the_real_shapes_are_gpt_1(data_dir) -> None:
    config = original.config_of(original.read_shapes(data_dir / "openai-gpt" / original.SHAPES), Path("shapes"))
    sizes = (config.vocab_size, config.dim, config.num_layers, config.num_heads, config.max_positions)
    assert sizes == (40478, 768, 12, 12, 512)


def test_the_real_vocabulary_gives_the_ids_of_transformers(data_dir) -> None:
    transformers = pytest.importorskip("transformers")
    files = data_dir / "openai-gpt"
    vocab, merges = files / original.WORDS, files / original.MERGES
    ours = vocabulary.openai_bpe(vocab, merges)
    theirs = transformers.OpenAIGPTTokenizer(str(vocab), str(merges))
    text = (data_dir / "bert-sample" / "sample_text.txt").read_text("utf-8")
    lines = [
        *text.split("\n")[:200],
        "It's 3.14 o'clock -- isn't it?!",
        "naïve café",
        "Tokenizers, unite: #hash @home $5",
    ]
    for line in lines:
        assert ours.encode(line, add_special_tokens=False).ids == theirs.encode(line, add_special_tokens=False), line
    assert sum(len(theirs.tokenize(line)) for line in lines) > 1000
