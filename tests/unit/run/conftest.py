"""A model folder with random weights and a small vocabulary, and labelled files that it can learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from munmaek import systems
from munmaek.data.tokenizers import train_tokenizer
from munmaek.run import folder as model_folder

GOOD = ("정말 좋다", "너무 재미있다", "최고의 영화", "감동적이다", "다시 보고 싶다")
BAD = ("정말 싫다", "너무 지루하다", "최악의 영화", "실망스럽다", "돈이 아깝다")
THINGS = ("배우", "음악", "대사", "결말", "화면", "연출", "줄거리", "분위기")
Write = Callable[..., Path]


def reviews(count: int) -> list[tuple[str, str]]:
    """Reviews and their labels 1 and 0 in turn, all different for a while."""
    rows: list[tuple[str, str]] = []
    for number in range(count):
        thing, other = THINGS[number % 8], THINGS[number // 8 % 8]
        opinion = (GOOD, BAD)[number % 2][number // 2 % 5]
        rows.append((f"{thing} {other} {opinion}", str(1 - number % 2)))
    return rows


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT folder as `pretrain` writes it."""
    folder = tmp_path_factory.mktemp("models") / "bert"
    tokenizer = train_tokenizer([[text] for text, _ in reviews(400)], "wordpiece", 300, min_count=1)
    card = systems.load("bert")
    torch.manual_seed(7)
    model = card.build(card.config(**card.presets["tiny"], vocab_size=tokenizer.vocab_size, max_positions=64))
    facts = {"size": "tiny", "recipe": {"max_length": 32}}
    return model_folder.write(folder, card, model, tokenizer, facts)


@pytest.fixture(scope="session")
def network() -> Callable[[Path, str, list[str]], Path]:
    """Writes a folder of a tiny network from random weights that knows some words: network(folder, system, words)."""

    def write(folder: Path, name: str, words: list[str]) -> Path:
        card = systems.load(name)
        tokenizer = train_tokenizer([[" ".join(words)]] * 5, "word", 100, min_count=1)
        torch.manual_seed(7)
        module = card.build(card.config(**card.presets["tiny"], vocab_size=tokenizer.vocab_size))
        facts = {"size": "tiny", "recipe": {"max_length": 32}}
        return model_folder.write(folder / name, card, module, tokenizer, facts)

    return write


@pytest.fixture
def fresh(tmp_path: Path, network: Callable[[Path, str, list[str]], Path]) -> Callable[[str, list[str]], Path]:
    """The same in the test's own folder: fresh(system, words)."""
    return lambda name, words: network(tmp_path, name, words)


@pytest.fixture
def tsv(tmp_path: Path) -> Write:
    """Writes a table with a header: tsv(name, header, rows)."""

    def write(name: str, header: str, rows: list[tuple[str, ...]]) -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *("\t".join(row) for row in rows)]) + "\n", "utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A training file of 160 reviews and a dev file of 40 others."""
    folder = tmp_path_factory.mktemp("tables")
    rows = list(dict.fromkeys(reviews(400)))
    for name, part in (("train.tsv", rows[:160]), ("dev.tsv", rows[160:200])):
        lines = ["document\tlabel", *(f"{text}\t{label}" for text, label in part)]
        (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return folder / "train.tsv", folder / "dev.tsv"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, labelled: tuple[Path, Path]) -> Path:
    """The labelled files' texts, without their labels."""
    path = tmp_path_factory.mktemp("text") / "corpus.txt"
    rows = [line.split("\t")[0] for part in labelled for line in part.read_text("utf-8").splitlines()[1:]]
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path
