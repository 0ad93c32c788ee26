"""The public data sets that the project knows: where they live, what whole files look like, and where ours are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from munmaek.core.errors import RequestError
from munmaek.data.reading import COMPRESSIONS
from munmaek.data.tables import Columns, Table, read_chunks, read_table

__all__ = ["DATASETS", "Columns", "Dataset", "RemoteFile", "Table", "dataset", "find", "find_file", "read_chunks",
           "read_table"]  # fmt: skip


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    Attributes:
        path: where it goes inside the data set's folder. url: its public home.
        sha256: of the published bytes; None where they are not known, then `rows` is what is checked.
        rows: data rows, the header left out; None where neither is known.
        reader: "table" where `rows` counts rows of a table, "sentences" where it counts lines that begin with "## ".
    """

    path: str
    url: str
    sha256: str | None = None
    rows: int | None = None
    reader: str = "table"


@dataclass(frozen=True)
class Dataset:
    """A public data set: its name here, what it is, its licence, its home page and its files."""

    name: str
    title: str
    licence: str
    home: str
    files: tuple[RemoteFile, ...]


_RAW = "https://raw.githubusercontent.com"
_NSMC = f"{_RAW}/e9t/nsmc/master"
_KOBEST = f"{_RAW}/SKT-LSL/KoBEST_datarepo/main/v1.0"
_KORNLU = f"{_RAW}/kakaobrain/KorNLUDatasets/master"
_KLUE = f"{_RAW}/KLUE-benchmark/KLUE/3efd98708a40ff49251fddde35453f8fbb11f536/klue_benchmark"
_CHATBOT = f"{_RAW}/songys/Chatbot_data/157bfbd9c354191bb4c546a8938e3862638ca7a3"


def _kobest(path: str, sha256: str | None = None, rows: int | None = None) -> RemoteFile:
    return RemoteFile(path, f"{_KOBEST}/{path}", sha256, rows)


_ALL = (
    Dataset(
        "nsmc", "Naver film reviews with sentiment", "CC0-1.0", "https://github.com/e9t/nsmc",
        (
            RemoteFile("ratings_train.txt", f"{_NSMC}/ratings_train.txt", rows=150_000),
            RemoteFile("ratings_test.txt", f"{_NSMC}/ratings_test.txt", rows=50_000),
        ),
    ),
    Dataset(
        "kobest", "KoBEST: word in context, negated sentiment, questions on paragraphs, plausible alternatives",
        "CC-BY-SA-4.0", "https://github.com/SKT-LSL/KoBEST_datarepo",
        (
            _kobest("WiC/train.tsv", "5ed29b813c0d2e6a417cec6087070e844765b11be005630ca59be6b3e7d22c2f", 3_318),
            _kobest("WiC/dev.tsv", "74b23183f0ad0a8387720b395ff775ae213b9474a9c1a465831f905ff23dbd05", 610),
            _kobest("WiC/test.tsv"),
            _kobest("SentiNeg/train.tsv", "07c8517ae035e400dc2ec8f9eb6a1d3c462c1758058c8f83ff4d1326eb80a5c7", 3_649),
            _kobest("SentiNeg/dev.tsv", "a64c8f70d11930222b0a356871512680a9ca230721ced23ffd73e14cf0478b79", 400),
            _kobest("SentiNeg/test.tsv"),
            _kobest("BoolQ/train.tsv", "c2342714366e2beef0d8bedeea64ab9aa315747c1e900da678714531ab1c0f75", 3_665),
            _kobest("BoolQ/dev.tsv", "946d62e3230b349a00a57b3ab2c4bef16b466ef05746f3082e817ddf889fc293", 700),
            _kobest("BoolQ/test.tsv"),
            _kobest("COPA/train.tsv", "a9eab9c902917ab20303f0c1cc8853d0f8f742b2368ea75588068e74a8a8ed6c", 3_076),
            _kobest("COPA/dev.tsv", "d3f2a03d0e76b4863358cb4c13688599e2bf00160e4287a432a790c3b681bd2e", 500),
            _kobest("COPA/test.tsv"),
        ),
    ),
    Dataset(
        "korsts", "KorSTS: similarity of two sentences, 0 to 5", "CC-BY-SA-4.0",
        "https://github.com/kakaobrain/KorNLUDatasets",
        (
            RemoteFile("sts-train.tsv", f"{_KORNLU}/KorSTS/sts-train.tsv", rows=5_749),
            RemoteFile("sts-dev.tsv", f"{_KORNLU}/KorSTS/sts-dev.tsv", rows=1_500),
            RemoteFile("sts-test.tsv", f"{_KORNLU}/KorSTS/sts-test.tsv", rows=1_379),
        ),
    ),
    Dataset(
        "klue-nli", "KLUE-NLI: does one sentence follow from another", "CC-BY-SA-4.0",
        "https://github.com/KLUE-benchmark/KLUE",
        (
            RemoteFile("klue-nli-v1.1_train.json", f"{_KLUE}/klue-nli-v1.1/klue-nli-v1.1_train.json", rows=24_998),
            RemoteFile(
                "klue-nli-v1.1_dev.json", f"{_KLUE}/klue-nli-v1.1/klue-nli-v1.1_dev.json",
                "0699db82be17766b26e199864e6260443e17ec6e91d1870e876419e388f245b1", 3_000,
            ),
        ),
    ),
    Dataset(
        "klue-ner", "KLUE-NER: names in sentences, tags a character", "CC-BY-SA-4.0",
        "https://github.com/KLUE-benchmark/KLUE",
        (
            RemoteFile("klue-ner-v1.1_train.tsv", f"{_KLUE}/klue-ner-v1.1/klue-ner-v1.1_train.tsv", None, 21_008,
                       "sentences"),
            RemoteFile("klue-ner-v1.1_dev.tsv", f"{_KLUE}/klue-ner-v1.1/klue-ner-v1.1_dev.tsv", None, 5_000,
                       "sentences"),
        ),
    ),
    Dataset(
        "chatbot", "Questions and answers of a chatbot, with their kind", "MIT",
        "https://github.com/songys/Chatbot_data",
        (
            RemoteFile(
                "ChatbotData.csv", f"{_CHATBOT}/ChatbotData%20.csv",
                "287eb129695b577321c80ad397bb3c2279164d4ca577874d129fd3db5b30afe2", 11_823,
            ),
        ),
    ),
)  # fmt: skip

DATASETS: Mapping[str, Dataset] = MappingProxyType({entry.name: entry for entry in _ALL})


def dataset(name: str) -> Dataset:
    """The entry of a data set; RequestError names those there are."""
    if name not in DATASETS:
        raise RequestError(f"no data set {name!r}", fix=f"Known: {', '.join(DATASETS)}.")
    return DATASETS[name]


def find(name: str, data_dir: str | Path | None = None) -> Path:
    """The folder of a data set inside `data_dir`, or else inside $MUNMAEK_DATA.

    Raises:
        RequestError: there is no such folder, or no data folder was named.
    """
    entry = dataset(name)
    given = data_dir or os.environ.get("MUNMAEK_DATA")
    if not given:
        fix = f"Give --data-dir, or set MUNMAEK_DATA; `munmaek fetch {entry.name} --out DIR` fills such a folder."
        raise RequestError(f"where is the data set {entry.name}? No data folder was named.", fix=fix)
    folder = Path(given) / entry.name
    if not folder.is_dir():
        fix = f"Fill it with: munmaek fetch {entry.name} --out {given}"
        raise RequestError(f"the data set {entry.name} is not there", where=str(folder), fix=fix)
    return folder


def find_file(folder: Path, path: str) -> Path | None:
    """A file of a data set's folder, plain or compressed; None where it is absent."""
    plain = folder / path
    candidates = (plain, *(plain.with_name(plain.name + suffix) for suffix in COMPRESSIONS))
    return next((candidate for candidate in candidates if candidate.is_file()), None)
