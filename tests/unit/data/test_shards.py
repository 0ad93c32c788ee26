import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from munmaek.core.errors import CheckpointError, DataError, RequestError
from munmaek.data.corpus import MemoryCorpus
from munmaek.data.shards import Shards, build_shards, shards_key
from munmaek.data.tokenizers import TextTokenizer, train_tokenizer

DOCUMENTS = [
    ["눈이 와서 너무 좋다", "너의 눈이 예쁘다ㅋㅋ", "배가 고프다"], ["말이 달린다!"],
    ["밤에 밤을 먹었다", "다리를 건너다"], ["[MASK] 은 글자다"],
    *[[f"문서 {number} 의 첫 문장", "둘째 문장"] for number in range(20)],
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return train_tokenizer(DOCUMENTS, "wordpiece", 200)


@pytest.fixture(scope="module")
def shards(tokenizer: TextTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    folder = tmp_path_factory.mktemp("shards") / "one"
    return build_shards(MemoryCorpus(DOCUMENTS), tokenizer, folder, corpus_hash="abc")


def test_ids_are_those_of_the_tokenizer_and_none_is_special(shards: Shards, tokenizer: TextTokenizer) -> None:
    for index, document in enumerate(DOCUMENTS):
        assert [ids.tolist() for ids in shards.document(index)] == tokenizer.encode_ids(document)
    assert not {0, 2, 3, 4} & set(shards.ids.tolist())
    assert shards.ids.dtype == np.uint16
    assert shards.word_starts.tolist() == tokenizer.is_word_start(shards.ids).tolist()


def test_counts(shards: Shards) -> None:
    assert shards.num_documents == len(DOCUMENTS)
    assert shards.num_sentences == sum(map(len, DOCUMENTS)) == len(shards.sentences())
    assert shards.num_tokens == len(shards.ids) == shards.sentence_offsets[-1]
    assert shards.num_characters == sum(len(s) for d in DOCUMENTS for s in d) == shards.sentence_characters.sum()
    assert shards.manifest["num_eojeol"] == sum(len(s.split()) for d in DOCUMENTS for s in d)
    assert shards.manifest["corpus_hash"] == "abc"
    assert shards.manifest["report"]["documents"] == len(DOCUMENTS)


def test_a_folder_opens_again_and_cannot_be_written_to(shards: Shards) -> None:
    again = Shards.open(shards.folder)
    assert again.ids.tolist() == shards.ids.tolist()
    assert again.key == shards.key == shards_key("abc", shards.manifest["tokenizer_hash"])
    with pytest.raises(ValueError, match="read-only"):
        again.ids[0] = 1


def test_views_count_only_their_documents(shards: Shards) -> None:
    view = shards.subset([2, 0])
    assert view.documents.tolist() == [0, 2]
    assert view.num_sentences == 5
    assert view.sentences().tolist() == [0, 1, 2, 4, 5]
    assert view.num_tokens == sum(len(ids) for index in (0, 2) for ids in shards.document(index))
    assert view.num_characters == sum(len(s) for index in (0, 2) for s in DOCUMENTS[index])
    assert shards.subset([]).num_tokens == 0
    with pytest.raises(RequestError, match="24"):
        shards.subset([24])


@pytest.mark.parametrize("at_once", [1, 7, 1 << 20])
def test_ids_are_counted_a_few_sentences_at_a_time(shards: Shards, at_once: int, monkeypatch) -> None:
    monkeypatch.setattr("munmaek.data.shards._COUNTED", at_once)
    size = shards.vocab_size
    assert shards.counts().tolist() == np.bincount(shards.ids, minlength=size).tolist()
    chosen = [0, 1, 5, 9, 23]
    ids = np.concatenate([part for index in chosen for part in shards.document(index)])
    assert shards.subset(chosen).counts().tolist() == np.bincount(ids, minlength=size).tolist()
    assert not shards.subset([]).counts().any()


def test_splits_are_repeatable_and_disjoint(shards: Shards) -> None:
    train, held = shards.split(share=0.25, seed=3)
    assert held.num_documents == 6
    assert sorted([*train.documents, *held.documents]) == list(range(24))
    assert shards.split(share=0.25, seed=3)[1].documents.tolist() == held.documents.tolist()
    assert shards.split(share=0.25, seed=4)[1].documents.tolist() != held.documents.tolist()
    assert shards.split(share=0.0, least=3)[1].num_documents == 3
    assert shards.split(share=0.9, most=2)[1].num_documents == 2
    assert shards.split(share=1.0)[1].num_documents == 12
    assert shards.subset([0]).split()[1].num_documents == 0


def test_large_vocabularies_take_four_bytes(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    big = train_tokenizer(DOCUMENTS, "wordpiece", 200)
    big.vocab_size = 70_000
    shards = build_shards(MemoryCorpus(DOCUMENTS), big, tmp_path / "s", corpus_hash="abc")
    assert shards.ids.dtype == np.uint32
    assert shards.ids.tolist() == tokenizer.encode_flat([s for d in DOCUMENTS for s in d])[0].tolist()


def test_sentences_without_a_token_are_left_out(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    documents = [["눈이", "\u200b"], ["\x00"], ["배가"]]
    shards = build_shards(documents, tokenizer, tmp_path / "s", corpus_hash="x")
    assert shards.num_documents == 2
    assert shards.num_sentences == 2
    assert shards.manifest["num_empty_sentences"] == 2
    assert shards.sentence_characters.tolist() == [2, 2]
    with pytest.raises(DataError, match="no token"):
        build_shards([["\x00"]], tokenizer, tmp_path / "t", corpus_hash="x")
    assert not (tmp_path / "t").exists()


def test_an_interrupted_build_leaves_nothing(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    def broken() -> Iterator[list[str]]:
        yield ["눈이 온다"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_shards(broken(), tokenizer, tmp_path / "s", corpus_hash="x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ids", "word_starts", "sentence_offsets", "document_offsets", "sentence_characters"])
def test_damaged_folders_are_refused(shards: Shards, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(shards.folder, folder)
    path = folder / f"{name}.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=rf"{name}\.bin.*expected"):
        Shards.open(folder)
    path.unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        Shards.open(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"version": 99}, "another version"), ({"num_tokens": None}, "manifest"), ({"num_tokens": 10**15}, "expected")],
)
def test_wrong_manifests_are_refused(shards: Shards, tmp_path: Path, change: dict, message: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(shards.folder, folder)
    manifest = json.loads((folder / "shards.json").read_text("utf-8")) | change
    (folder / "shards.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(CheckpointError, match=message):
        Shards.open(folder)


def test_borders_that_end_elsewhere_are_refused(shards: Shards, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(shards.folder, folder)
    offsets = np.fromfile(folder / "sentence_offsets.bin", "<i8")
    offsets[-1] += 1
    offsets.tofile(folder / "sentence_offsets.bin")
    with pytest.raises(CheckpointError, match="borders"):
        Shards.open(folder)


def test_progress_and_batches(tokenizer: TextTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build_shards(MemoryCorpus(DOCUMENTS), tokenizer, tmp_path / "a", corpus_hash="x")
    monkeypatch.setattr("munmaek.data.shards._BATCH", 3)
    told: list[int] = []
    pieces = build_shards(MemoryCorpus(DOCUMENTS), tokenizer, tmp_path / "b", corpus_hash="x", progress=told.append)
    assert told == sorted(told)
    assert told[-1] == whole.num_sentences
    for name in ("ids", "word_starts", "sentence_offsets", "document_offsets"):
        assert getattr(whole, name).tolist() == getattr(pieces, name).tolist()
