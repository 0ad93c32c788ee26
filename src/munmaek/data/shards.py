"""Memory-mapped token ids with sentence and document borders: what every objective reads.

A folder holds `ids.bin` (uint16 or uint32, no special tokens), `word_starts.bin` (uint8), `sentence_offsets.bin` and
`document_offsets.bin` (int64, little-endian), `sentence_characters.bin` (uint32) and `shards.json`, the manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from munmaek.core.contracts import Corpus
from munmaek.core.errors import CheckpointError, DataError, RequestError
from munmaek.core.files import atomic_folder, read_json, require_room, write_json
from munmaek.core.runtime import permutation
from munmaek.data.normalise import Normaliser
from munmaek.data.tokenizers import TextTokenizer

VERSION = 1
MANIFEST = "shards.json"
_BATCH = 16_384  # sentences tokenised at once
_BATCH_CHARACTERS = 4 << 20
_COUNTED = 1 << 20  # tokens counted at once, and a sentence
_SPLIT_STREAM = 7_101
_AGAIN = "Delete the folder and run the same command again."


def shards_key(corpus_hash: str, tokenizer_hash: str, version: int = VERSION) -> str:
    """The name of a shard folder: equal exactly when text, tokenizer and format are."""
    return hashlib.sha256(f"{corpus_hash} {tokenizer_hash} {version}".encode()).hexdigest()[:24]


class Shards:
    """Token ids of a corpus, or a view of some of its documents; arrays are memory-mapped and read-only.

    Attributes:
        ids: (num_tokens of the whole,) uint16 or uint32, without special tokens.
        word_starts: (num_tokens of the whole,) bool, True where a token begins a word.
        sentence_offsets: (num_sentences + 1,) int64, index of each sentence's first token.
        document_offsets: (num_documents + 1,) int64, index of each document's first sentence.
        sentence_characters: (num_sentences,) uint32, characters of each sentence.
        documents: int64, the documents that this view covers, ascending.
        manifest: tokenizer and corpus hashes, counts, normaliser, and the corpus report.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.folder, self.manifest = folder, manifest
        self._arrays = arrays
        self.ids: NDArray[Any] = arrays["ids"]
        self.word_starts: NDArray[np.bool_] = arrays["word_starts"].view(np.bool_)
        self.sentence_offsets: NDArray[np.int64] = arrays["sentence_offsets"]
        self.document_offsets: NDArray[np.int64] = arrays["document_offsets"]
        self.sentence_characters: NDArray[np.uint32] = arrays["sentence_characters"]
        self.documents: NDArray[np.int64] = np.arange(len(self.document_offsets) - 1, dtype=np.int64)

    @classmethod
    def open(cls, folder: str | Path) -> Shards:
        """Map a folder written by `build_shards`; sizes and offsets are checked against the manifest.

        Raises:
            CheckpointError: a file is missing, of the wrong size, or another version's.
        """
        folder = Path(folder)
        found = read_json(folder / MANIFEST)
        manifest = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
        if manifest.get("version") != VERSION:
            raise CheckpointError("the prepared corpus is of another version", where=str(folder), fix=_AGAIN)
        arrays = {name: _mapped(folder, name, dtype, count) for name, dtype, count in _layout(manifest)}
        shards = cls(folder, manifest, arrays)
        ends = (int(shards.sentence_offsets[-1]), int(shards.document_offsets[-1]))
        if ends != (manifest["num_tokens"], manifest["num_sentences"]):
            raise CheckpointError(f"the borders end at {ends}, not where the ids do", where=str(folder), fix=_AGAIN)
        return shards

    @property
    def num_documents(self) -> int:
        """Documents of this view."""
        return len(self.documents)

    @property
    def num_sentences(self) -> int:
        """Sentences of this view."""
        return int(self._spans()[1].sum() - self._spans()[0].sum())

    @property
    def num_tokens(self) -> int:
        """Tokens of this view, special ones not counted."""
        first, last = self._spans()
        return int(self.sentence_offsets[last].sum() - self.sentence_offsets[first].sum())

    @property
    def num_characters(self) -> int:
        """Characters of this view's text, for bits per character."""
        if len(self.documents) == len(self.document_offsets) - 1:
            return int(self.manifest["num_characters"])
        return int(self.sentence_characters[self.sentences()].sum(dtype=np.int64))

    @property
    def vocab_size(self) -> int:
        """Size of the vocabulary that the ids are of."""
        return int(self.manifest["vocab_size"])

    @property
    def key(self) -> str:
        """What identifies text, tokenizer and format."""
        return shards_key(self.manifest["corpus_hash"], self.manifest["tokenizer_hash"])

    def sentences(self) -> NDArray[np.int64]:
        """(num_sentences,) the indices of this view's sentences, ascending."""
        first, last = self._spans()
        lengths = last - first
        total = int(lengths.sum())
        starts = np.cumsum(lengths) - lengths
        return np.arange(total, dtype=np.int64) + np.repeat(first - starts, lengths)

    def counts(self) -> NDArray[np.int64]:
        """(vocab_size,) how often each id occurs in this view, in bounded memory."""
        found = np.zeros(self.vocab_size, np.int64)
        sentences = self.sentences()
        starts, stops = self.sentence_offsets[sentences], self.sentence_offsets[sentences + 1]
        ends = np.cumsum(stops - starts)
        total = int(ends[-1]) if len(ends) else 0
        cuts = np.searchsorted(ends, np.arange(0, total, _COUNTED), side="right").tolist()
        for begin, end in pairwise([*cuts, len(ends)]):
            sizes = stops[begin:end] - starts[begin:end]
            shifts = np.repeat(starts[begin:end] - (np.cumsum(sizes) - sizes), sizes)
            found += np.bincount(self.ids[np.arange(len(shifts)) + shifts], minlength=len(found))
        return found

    def document(self, index: int) -> list[NDArray[Any]]:
        """The sentences of one document (an index of the whole corpus) as arrays of ids."""
        first, last = int(self.document_offsets[index]), int(self.document_offsets[index + 1])
        borders = self.sentence_offsets[first : last + 1].tolist()
        return [self.ids[start:end] for start, end in pairwise(borders)]

    def subset(self, documents: Sequence[int] | NDArray[np.integer[Any]]) -> Shards:
        """A view of some documents (indices of the whole corpus); the arrays are shared."""
        chosen = np.unique(np.asarray(documents, dtype=np.int64))
        if len(chosen) and not 0 <= chosen[0] <= chosen[-1] < len(self.document_offsets) - 1:
            raise RequestError(f"documents must be among the {len(self.document_offsets) - 1:,} of the corpus")
        view = Shards(self.folder, self.manifest, self._arrays)
        view.documents = chosen
        return view

    def split(self, share: float = 0.005, seed: int = 0, least: int = 1, most: int = 5000) -> tuple[Shards, Shards]:
        """Training and held-out documents: a pure function of the corpus's order, the share and the seed.

        About `share` of the documents are held out, between `least` and `most`, and never more than half.
        """
        count = len(self.documents)
        held = min(max(round(count * share), least), most, count // 2)
        order = permutation(count, seed, _SPLIT_STREAM)
        return self.subset(self.documents[order[held:]]), self.subset(self.documents[order[:held]])

    def _spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self.document_offsets[self.documents], self.document_offsets[self.documents + 1]


def _layout(manifest: dict[str, Any]) -> list[tuple[str, str, int]]:
    try:
        tokens, sentences = int(manifest["num_tokens"]), int(manifest["num_sentences"])
        documents, dtype = int(manifest["num_documents"]), str(manifest["dtype"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the manifest lacks {error}", where=MANIFEST, fix=_AGAIN) from error
    return [
        ("ids", "<u2" if dtype == "uint16" else "<u4", tokens),
        ("word_starts", "u1", tokens),
        ("sentence_offsets", "<i8", sentences + 1),
        ("document_offsets", "<i8", documents + 1),
        ("sentence_characters", "<u4", sentences),
    ]


def _mapped(folder: Path, name: str, dtype: str, count: int) -> NDArray[Any]:
    path = folder / f"{name}.bin"
    expected = count * np.dtype(dtype).itemsize
    actual = path.stat().st_size if path.is_file() else -1
    if actual != expected:
        found = "is missing" if actual < 0 else f"has {actual:,} bytes, expected {expected:,}"
        raise CheckpointError(f"the file {found}", where=str(path), fix=_AGAIN)
    return np.memmap(path, dtype=dtype, mode="r", shape=(count,))


class _Writer:
    """Appends tokenised sentences to the files of a shard folder."""

    def __init__(self, folder: Path, tokenizer: TextTokenizer) -> None:
        self.tokenizer = tokenizer
        self.dtype = np.dtype("<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4")
        names = ("ids", "word_starts", "sentence_offsets", "document_offsets", "sentence_characters")
        self.files: dict[str, BinaryIO] = {name: (folder / f"{name}.bin").open("wb") for name in names}
        self.counts = dict.fromkeys(("tokens", "sentences", "documents", "characters", "eojeol", "unknown", "empty"), 0)
        self._write("sentence_offsets", [0], "<i8")
        self._write("document_offsets", [0], "<i8")

    def _write(self, name: str, values: Any, dtype: str | np.dtype[Any]) -> None:
        self.files[name].write(np.asarray(values, dtype=dtype).tobytes())

    def add(self, documents: list[list[str]]) -> None:
        """Tokenise and append whole documents; sentences of no token, and documents of none, are left out."""
        texts = [sentence for document in documents for sentence in document]
        ids, lengths = self.tokenizer.encode_flat(texts)
        counts = self.counts
        kept = lengths > 0
        owner = np.repeat(np.arange(len(documents)), [len(document) for document in documents])
        in_document = np.bincount(owner[kept], minlength=len(documents))
        in_document = in_document[in_document > 0]
        self._write("ids", ids, self.dtype)
        self._write("word_starts", self.tokenizer.is_word_start(ids), "u1")
        self._write("sentence_offsets", counts["tokens"] + np.cumsum(lengths[kept]), "<i8")
        self._write("document_offsets", counts["sentences"] + np.cumsum(in_document), "<i8")
        characters = np.fromiter(map(len, texts), np.int64, len(texts))[kept]
        self._write("sentence_characters", np.minimum(characters, 0xFFFFFFFF), "<u4")
        counts["tokens"] += len(ids)
        counts["sentences"] += int(kept.sum())
        counts["documents"] += len(in_document)
        counts["characters"] += int(characters.sum())
        counts["eojeol"] += sum(len(text.split()) for text in texts)
        counts["unknown"] += int((ids == self.tokenizer.special.get("unk", -1)).sum())
        counts["empty"] += int((~kept).sum())

    def close(self) -> None:
        """Close every file."""
        for file in self.files.values():
            file.close()


def build_shards(
    corpus: Corpus | Iterable[list[str]],
    tokenizer: TextTokenizer,
    folder: str | Path,
    *,
    corpus_hash: str,
    progress: Callable[[int], None] | None = None,
) -> Shards:
    """Tokenise a corpus into a shard folder, in bounded memory; the folder appears whole or not at all.

    Args:
        corpus: documents. tokenizer: makes the ids. folder: where to write; an older folder there is replaced.
        corpus_hash: identifies the text. progress: called with the number of sentences done.

    Raises:
        DataError: no text. JobError: no room on the disk.
    """
    folder = Path(folder)
    require_room(folder, 64 << 20)
    with atomic_folder(folder, kind="shards") as temporary:
        writer = _Writer(temporary, tokenizer)
        try:
            _fill(writer, corpus, progress)
        finally:
            writer.close()
        counts = writer.counts
        if counts["tokens"] == 0:
            raise DataError("the corpus has no token: every sentence is empty", fix="Give a corpus with text in it.")
        report = getattr(corpus, "report", None)
        write_json(temporary / MANIFEST, _manifest(writer, corpus_hash, report.as_dict() if report else None))
    return Shards.open(folder)


def _fill(writer: _Writer, corpus: Iterable[list[str]], progress: Callable[[int], None] | None) -> None:
    batch: list[list[str]] = []
    sentences = characters = 0
    for document in corpus:
        batch.append(document)
        sentences += len(document)
        characters += sum(map(len, document))
        if sentences >= _BATCH or characters >= _BATCH_CHARACTERS:
            writer.add(batch)
            batch, sentences, characters = [], 0, 0
            if progress is not None:
                progress(writer.counts["sentences"])
    if batch:
        writer.add(batch)
    if progress is not None:
        progress(writer.counts["sentences"])


def _manifest(writer: _Writer, corpus_hash: str, report: dict[str, Any] | None) -> dict[str, Any]:
    tokenizer, counts = writer.tokenizer, writer.counts
    return {
        "version": VERSION,
        "corpus_hash": corpus_hash,
        "tokenizer_hash": tokenizer.hash,
        "tokenizer_kind": tokenizer.kind,
        "normaliser": (tokenizer.normaliser or Normaliser()).as_dict(),
        "vocab_size": tokenizer.vocab_size,
        "dtype": "uint16" if writer.dtype.itemsize == 2 else "uint32",
        "num_tokens": counts["tokens"],
        "num_sentences": counts["sentences"],
        "num_documents": counts["documents"],
        "num_characters": counts["characters"],
        "num_eojeol": counts["eojeol"],
        "num_unknown": counts["unknown"],
        "num_empty_sentences": counts["empty"],
        "report": report,
    }
