import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Plain
from tokenizers import models, normalizers, pre_tokenizers, processors

from munmaek.core.errors import FormatError
from munmaek.data.tokenizers import TextTokenizer, load_tokenizer, train_tokenizer

CORPUS = [["눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다ㅋㅋ", "배가 고프다!"] * 4]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(CORPUS, "wordpiece", 100).save(folder)
    return folder


def lower_casing_bert(folder: Path) -> Plain:
    """A tokenizer as published BERTs have them: other ids, lower-casing, padding and truncation switched on."""
    words = [
        "[PAD]",
        *[f"[unused{i}]" for i in range(5)],
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "snow",
        "is",
        "##y",
        "!",
    ]
    vocabulary = {word: number for number, word in enumerate(words)}
    plain = Plain(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    plain.normalizer = normalizers.BertNormalizer(lowercase=True)
    plain.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    plain.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    plain.post_processor = processors.BertProcessing(("[SEP]", 8), ("[CLS]", 7))
    plain.save(str(folder / "tokenizer.json"))
    plain.enable_truncation(4)
    plain.enable_padding(length=16)
    (folder / "cut").mkdir()
    plain.save(str(folder / "cut" / "tokenizer.json"))
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return Plain.from_file(str(folder / "tokenizer.json"))


def test_the_files_that_other_tools_read(folder: Path) -> None:
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert config["model_input_names"] == ["input_ids", "token_type_ids", "attention_mask"]
    assert {config[f"{role}_token"] for role in ("pad", "unk", "cls", "sep", "mask")} == {
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
    }  # fmt: skip
    vocabulary = (folder / "vocab.txt").read_text("utf-8").split("\n")
    assert vocabulary[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = load_tokenizer(folder)
    assert {word: number for number, word in enumerate(vocabulary[:-1])} == tokenizer.vocab()


def test_transformers_gives_the_same_ids(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(str(folder))
    ours = load_tokenizer(folder)
    for text in ("눈이 와서 너무 좋다", "배가 [MASK]!", "ㅋㅋ", "모르는 글"):
        assert theirs(text)["input_ids"] == ours.encode(text).ids
    pair = theirs("눈이 좋다", "배가 고프다")
    assert pair["input_ids"] == ours.encode("눈이 좋다", "배가 고프다").ids
    assert pair["token_type_ids"] == ours.encode("눈이 좋다", "배가 고프다").type_ids
    assert theirs.mask_token_id == ours.special["mask"]


@pytest.mark.parametrize("part", ["", "cut", "tokenizer.json"])
def test_a_published_tokenizer_keeps_its_own_ways(tmp_path: Path, part: str) -> None:
    plain = lower_casing_bert(tmp_path)
    ours = load_tokenizer(tmp_path / part)
    assert ours.kind == "wordpiece"
    assert ours.special == {"pad": 0, "unk": 6, "cls": 7, "sep": 8, "mask": 9}
    for text in ("SNOWy is Snow!", "é", "is\ud800"[:2], "is is is is is is"):
        assert ours.encode(text).ids == plain.encode(text).ids
        assert ours.encode_ids([text])[0] == plain.encode(text, add_special_tokens=False).ids
    assert ours.is_word_start(ours.encode_ids(["snowy is"])[0]).tolist() == [True, False, True]
    assert ours.encode("snow\ud800").ids[0] == 7


def test_a_vocabulary_alone_is_enough(tmp_path: Path) -> None:
    plain = lower_casing_bert(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    for text in ("SNOWy is Snow!", "[MASK] is"):
        assert load_tokenizer(tmp_path).encode(text).ids == plain.encode(text).ids
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert load_tokenizer(tmp_path).encode("SNOW").ids == [7, 6, 8]
    (tmp_path / "vocab.txt").write_text("snow\n")
    with pytest.raises(FormatError, match="UNK"):
        load_tokenizer(tmp_path)


def test_special_tokens_of_other_names_are_found(tmp_path: Path) -> None:
    vocabulary = {word: number for number, word in enumerate(["<s>", "</s>", "<unk>", "<pad>", "<mask>", "가"])}
    Plain(models.WordLevel(vocab=vocabulary, unk_token="<unk>")).save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "special_tokens_map.json").write_text('{"cls_token": {"content": "<s>"}, "sep_token": "</s>"}')
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.kind == "word"
    assert tokenizer.special == {"pad": 3, "unk": 2, "cls": 0, "sep": 1, "mask": 4}


def test_a_foreign_tokenizer_can_be_saved_and_read_again(tmp_path: Path) -> None:
    lower_casing_bert(tmp_path)
    ours = load_tokenizer(tmp_path)
    ours.save(tmp_path / "again")
    again = load_tokenizer(tmp_path / "again")
    assert isinstance(again, TextTokenizer)
    assert again.hash == ours.hash
    assert again.encode("SNOWy").ids == ours.encode("SNOWy").ids
