from pathlib import Path

import pytest

from munmaek.core.errors import DataError, RequestError
from munmaek.data.corpus import MemoryCorpus, TextCorpus
from munmaek.data.phrases import Phrasing
from munmaek.data.tokenizers import load_tokenizer
from munmaek.run import prepare as module
from munmaek.run.prepare import cache_folder, open_corpus, prepare

TEXT = "눈이 와서 너무 좋다\n너의 눈이 너무 예쁘다\n\n배가 고프다\n말이 달린다\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text(TEXT, "utf-8")
    return path


def test_text_becomes_shards(text: Path, tmp_path: Path) -> None:
    prepared = prepare(text, cache=tmp_path / "cache", vocab_size=100)
    assert prepared.shards.num_documents == 2
    assert prepared.shards.num_sentences == 4
    assert prepared.report["lines_read"] == 5
    assert prepared.tokenizer.decode(prepared.shards.document(0)[0].tolist()) == "눈이 와서 너무 좋다"
    assert not prepared.reused


def test_preparing_twice_costs_nothing(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(text, cache=tmp_path / "cache", vocab_size=100)

    def never(*_args: object, **_options: object) -> None:
        raise AssertionError("done again")

    monkeypatch.setattr(module, "build_shards", never)
    monkeypatch.setattr(module, "train_tokenizer", never)
    again = prepare([text], cache=tmp_path / "cache", vocab_size=100)
    assert again.reused
    assert again.folder == first.folder
    assert again.report == first.report
    assert again.tokenizer.hash == first.tokenizer.hash


def test_any_change_is_prepared_anew(text: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    folders = [prepare(text, cache=cache, vocab_size=100).folder]
    folders.append(prepare(text, cache=cache, vocab_size=40).folder)
    folders.append(prepare(text, cache=cache, vocab_size=100, tokenizer="jamo").folder)
    folders.append(prepare(text, cache=cache, vocab_size=100, documents="line").folder)
    text.write_text(TEXT + "한 줄 더\n", "utf-8")
    folders.append(prepare(text, cache=cache, vocab_size=100).folder)
    assert len(set(folders)) == 5


def test_a_damaged_cache_is_made_again(text: Path, tmp_path: Path) -> None:
    first = prepare(text, cache=tmp_path / "cache", vocab_size=100)
    ids = first.folder / "ids.bin"
    ids.write_bytes(ids.read_bytes()[:-2])
    (tmp_path / "cache" / "shards" / ".left.0.tmp").mkdir()
    again = prepare(text, cache=tmp_path / "cache", vocab_size=100)
    assert not again.reused
    assert again.shards.num_tokens == first.shards.num_tokens
    assert not (tmp_path / "cache" / "shards" / ".left.0.tmp").exists()


def test_a_ready_tokenizer_is_taken(text: Path, tmp_path: Path) -> None:
    first = prepare(text, cache=tmp_path / "cache", vocab_size=100)
    first.tokenizer.save(tmp_path / "tokenizer")
    other = prepare(["눈이 온다", ["너의 눈이"]], cache=tmp_path / "cache", tokenizer=tmp_path / "tokenizer")
    assert other.tokenizer.hash == load_tokenizer(tmp_path / "tokenizer").hash == first.tokenizer.hash
    assert other.shards.num_documents == 2
    assert prepare(text, cache=tmp_path / "cache", tokenizer=first.tokenizer).folder == first.folder
    with pytest.raises(RequestError, match="no such tokenizer"):
        prepare(text, cache=tmp_path / "cache", tokenizer="runes")


def test_documents_of_every_shape(text: Path) -> None:
    assert isinstance(open_corpus(str(text)), TextCorpus)
    assert isinstance(open_corpus([str(text), text.parent]), TextCorpus)
    assert isinstance(open_corpus(["눈이 온다", "배가 온다"]), MemoryCorpus)
    assert list(open_corpus([["눈이 온다"], "배가 온다. 말이 온다."], split_sentences=True)) == [
        ["눈이 온다"],
        ["배가 온다.", "말이 온다."],
    ]
    corpus = MemoryCorpus(["눈"])
    assert open_corpus(corpus) is corpus
    assert list(open_corpus(iter([["하나"], ["둘"]]))) == [["하나"], ["둘"]]


def test_a_mistyped_path_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file"):
        open_corpus(["absent.txt"])
    with pytest.raises(RequestError, match="no such file"):
        open_corpus(tmp_path / "absent")
    with pytest.raises(DataError, match="no document"):
        open_corpus([])


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder(tmp_path) == tmp_path
    monkeypatch.setenv("MUNMAEK_CACHE", str(tmp_path / "other"))
    assert cache_folder() == tmp_path / "other"
    monkeypatch.delenv("MUNMAEK_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "munmaek"


def test_progress_is_told(text: Path, tmp_path: Path) -> None:
    told: list[str] = []
    prepare(text, cache=tmp_path / "cache", vocab_size=100, progress=lambda what, _share: told.append(what))
    assert list(dict.fromkeys(told)) == ["hash", "count words", "tokenise"]


def test_phrases_are_found_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = [["한강 다리 위에", "한강 다리 밑에", "위에 눈 밑에 눈"]] * 20
    asked = {"cache": tmp_path / "cache", "tokenizer": "word", "phrases": Phrasing(1, 3.0)}
    without = prepare(text, cache=tmp_path / "cache", tokenizer="word")
    first = prepare(text, **asked)
    assert "한강_다리" in first.tokenizer.vocab()
    assert "한강_다리" not in without.tokenizer.vocab()
    assert first.shards.num_tokens == without.shards.num_tokens - 40
    assert first.shards.vocab_size == first.tokenizer.vocab_size
    stricter = prepare(text, **(asked | {"phrases": Phrasing(1, 3.0, 30.0)}))
    assert "한강_다리" not in stricter.tokenizer.vocab()
    monkeypatch.setattr(module, "with_phrases", None)
    again = prepare(text, **asked)
    assert again.reused
    assert again.folder == first.folder
    assert again.tokenizer.hash == first.tokenizer.hash
    ready = prepare(text, cache=tmp_path / "cache", tokenizer=first.tokenizer)
    assert ready.folder == first.folder
    with pytest.raises(RequestError, match="whole words"):
        prepare(text, cache=tmp_path / "cache", vocab_size=100, phrases=1)
