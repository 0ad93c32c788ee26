from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from munmaek.core.errors import RequestError
from munmaek.data.datasets import DATASETS, dataset, find, find_file, read_table


def test_the_register_is_whole() -> None:
    assert list(DATASETS) == ["nsmc", "kobest", "korsts", "klue-nli", "klue-ner", "chatbot"]
    for entry in DATASETS.values():
        assert entry.files
        for remote in entry.files:
            assert remote.url.startswith("https://raw.githubusercontent.com/")
            assert remote.sha256 is None or len(remote.sha256) == 64
            assert not Path(remote.path).is_absolute()
            assert ".." not in Path(remote.path).parts
    assert [remote.rows for remote in DATASETS["nsmc"].files] == [150_000, 50_000]


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(RequestError, match=r"no data set 'imdb'.*nsmc, kobest"):
        dataset("imdb")


def test_find_looks_in_the_named_folder_then_in_the_environment(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("MUNMAEK_DATA", raising=False)
    with pytest.raises(RequestError, match="No data folder was named"):
        find("nsmc")
    (tmp_path / "here" / "nsmc").mkdir(parents=True)
    (tmp_path / "there" / "nsmc").mkdir(parents=True)
    monkeypatch.setenv("MUNMAEK_DATA", str(tmp_path / "there"))
    assert find("nsmc") == tmp_path / "there" / "nsmc"
    assert find("nsmc", tmp_path / "here") == tmp_path / "here" / "nsmc"
    with pytest.raises(RequestError, match="munmaek fetch korsts"):
        find("korsts")


def test_a_file_is_found_compressed_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt.xz").write_bytes(b"")
    assert find_file(tmp_path, "a.txt") == tmp_path / "a.txt.xz"
    (tmp_path / "a.txt").write_bytes(b"")
    assert find_file(tmp_path, "a.txt") == tmp_path / "a.txt"
    assert find_file(tmp_path, "b.txt") is None


def test_the_real_reviews(data_dir: Path) -> None:
    table = read_table(data_dir / "nsmc" / "ratings_test.txt.xz")
    assert len(table) == 50_000
    assert Counter(table.labels) == {"0": 24_827, "1": 25_173}
    assert sum(not text for text in table.texts) == 3
    assert table.skipped == {}


@pytest.mark.parametrize(
    ("path", "pairs", "rows", "classes"),
    [
        ("klue-nli/dev.jsonl", True, 400, {"entailment", "neutral", "contradiction"}),
        ("kobest/WiC/dev.tsv", True, 610, {"True", "False"}),
        ("kobest/BoolQ/dev.tsv", True, 700, {"True", "False"}),
        ("kobest/SentiNeg/dev.tsv", False, 400, {"0", "1"}),
        ("chatbot/ChatbotData.csv", False, 11_823, {"0", "1", "2"}),
    ],
)
def test_the_other_real_sets(data_dir: Path, path: str, pairs: bool, rows: int, classes: set[str]) -> None:
    table = read_table(data_dir / path, pairs=pairs, labels=True)
    assert len(table) == rows
    assert set(table.labels or []) == classes
    assert all(table.texts)
    assert (table.pairs is not None) == pairs


def test_real_similarities_are_numbers(data_dir: Path) -> None:
    table = read_table(data_dir / "korsts" / "sts-dev.tsv")
    assert len(table) == 1_500
    assert table.columns.pair == "sentence2"
    assert all(0 <= float(label or "x") <= 5 for label in table.labels or [])
