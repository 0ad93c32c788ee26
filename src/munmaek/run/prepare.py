"""`munmaek prepare`: text to a tokenizer and shards, kept in a cache that is never stale."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from munmaek.core.errors import MunmaekError
from munmaek.core.files import atomic_folder, read_json, sweep, write_json
from munmaek.data.collocations import check_phrasable, with_phrases
from munmaek.data.corpus import Layout, MemoryCorpus, TextCorpus
from munmaek.data.korean import split_sentences as split_text
from munmaek.data.morphemes import remembered
from munmaek.data.phrases import Phrasing, phrasing_of
from munmaek.data.reading import suffix_of
from munmaek.data.shards import VERSION, Shards, build_shards, shards_key
from munmaek.data.tokenizers import KINDS, TextTokenizer, load_tokenizer, train_tokenizer

Documents = str | Path | Sequence[str | Path] | Iterable[Sequence[str] | str]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Prepared:
    """A corpus ready for training.

    Attributes:
        tokenizer: what made the ids. shards: the memory-mapped ids.
        report: lines read, kept and dropped, repairs, documents, sentences (CorpusReport as a dictionary).
        folder: where the shards lie. reused: whether everything came from the cache.
    """

    tokenizer: TextTokenizer
    shards: Shards
    report: dict[str, Any]
    folder: Path
    reused: bool = False


def cache_folder(cache: str | Path | None = None) -> Path:
    """Where prepared corpora lie: the folder given, $MUNMAEK_CACHE, or ~/.cache/munmaek."""
    if cache is not None:
        return Path(cache)
    named = os.environ.get("MUNMAEK_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "munmaek"


def prepare(
    corpus: Documents,
    *,
    cache: str | Path | None = None,
    tokenizer: str | Path | TextTokenizer = "wordpiece",
    vocab_size: int = 16_000,
    min_count: int | None = None,
    text_column: str | None = None,
    split_sentences: bool = False,
    documents: Layout = "auto",
    phrases: Phrasing | int = 0,
    progress: Progress | None = None,
) -> Prepared:
    """Read a corpus, train a tokenizer on it (or take a ready one), and write its shards; a second call costs nothing.

    Args:
        corpus: paths (files, folders, patterns), or documents: lists of sentences, or strings.
        cache: where prepared corpora are kept. tokenizer: a kind, a folder with tokenizer.json, or a tokenizer.
        vocab_size: tokens of a trained tokenizer. min_count: see `train_tokenizer`. text_column: the column of tables.
        split_sentences: cut lines into sentences. documents: "auto", "blank" or "line", see TextCorpus.
        phrases: passes that join words into phrases, or all of `Phrasing`; for tokenizers of whole words.
        progress: called with (what is being done, share done or a count).

    Raises:
        RequestError, DataError: a corpus or tokenizer that cannot be used. JobError: no room.
    """
    source = open_corpus(corpus, text_column=text_column, split_sentences=split_sentences, documents=documents)
    root = cache_folder(cache)
    sweep(root / "tokenizers")
    sweep(root / "shards")
    tell = progress or (lambda _what, _share: None)
    tell("hash", 0.0)
    corpus_hash = source.hash()
    with remembered():
        made = _tokenizer(source, corpus_hash, root, tokenizer, vocab_size, min_count, tell)
        asked = phrasing_of(phrases)
        if asked.passes:
            made = _with_phrases(source, corpus_hash, root, made, asked, tell)
        shards, reused = _shards(source, corpus_hash, root, made, tell)
    return Prepared(made, shards, shards.manifest["report"] or {}, shards.folder, reused)


def open_corpus(
    corpus: Documents, *, text_column: str | None = None, split_sentences: bool = False, documents: Layout = "auto"
) -> TextCorpus | MemoryCorpus:
    """A corpus of paths, or of documents held in memory; see `prepare` for what is understood.

    Raises:
        RequestError, DataError: a path that is missing or of no known kind, or no text.
    """
    if isinstance(corpus, TextCorpus | MemoryCorpus):
        return corpus
    items: list[Any] = [corpus] if isinstance(corpus, str | Path) else list(corpus)
    if isinstance(corpus, str | Path) or (items and all(map(_is_path, items))):
        return TextCorpus(items, text_column=text_column, split_sentences=split_sentences, documents=documents)
    if split_sentences:
        items = [_split(item) for item in items]
    return MemoryCorpus(items)


def _split(document: Sequence[str] | str) -> list[str]:
    texts = [document] if isinstance(document, str) else document
    return [sentence for text in texts for sentence in split_text(text)]


def _is_path(item: Any) -> bool:
    """Whether an item of a list is a path: a Path, or a short string that ends like a corpus file or exists."""
    if isinstance(item, Path):
        return True
    if not isinstance(item, str) or len(item) > 1024 or not item.isprintable():
        return False
    return (suffix_of(Path(item)) is not None and " " not in item) or Path(item).exists()


def _tokenizer(
    source: TextCorpus | MemoryCorpus,
    corpus_hash: str,
    root: Path,
    tokenizer: str | Path | TextTokenizer,
    vocab_size: int,
    min_count: int | None,
    tell: Progress,
) -> TextTokenizer:
    if isinstance(tokenizer, TextTokenizer):
        return tokenizer
    if str(tokenizer) not in KINDS:
        return load_tokenizer(tokenizer)
    kind = str(tokenizer)
    wanted = f"{kind} {vocab_size}" + ("" if min_count is None else f" {min_count}")
    folder = root / "tokenizers" / shards_key(corpus_hash, wanted, VERSION)
    try:
        if read_json(folder / "request.json")["kind"] == kind:
            return load_tokenizer(folder)
    except MunmaekError:
        pass
    tell("count words", 0.0)
    trained = train_tokenizer(
        source, kind, vocab_size, min_count=min_count, progress=lambda done, size: tell("tokenizer", done / size)
    )
    with atomic_folder(folder, kind="tokenizer") as temporary:
        trained.save(temporary)
        request = {"kind": kind, "vocab_size": vocab_size, "min_count": min_count, "corpus_hash": corpus_hash}
        write_json(temporary / "request.json", request)
    return trained


def _with_phrases(
    source: TextCorpus | MemoryCorpus,
    corpus_hash: str,
    root: Path,
    tokenizer: TextTokenizer,
    phrasing: Phrasing,
    tell: Progress,
) -> TextTokenizer:
    """The tokenizer with the phrases of the corpus, which are looked for in the shards that it makes without them."""
    check_phrasable(tokenizer)
    wanted = " ".join(map(str, (tokenizer.hash, phrasing.passes, phrasing.threshold, phrasing.discount)))
    folder = root / "tokenizers" / shards_key(corpus_hash, wanted, VERSION)
    if (folder / "request.json").is_file():
        with suppress(MunmaekError):
            return load_tokenizer(folder)
    shards, _ = _shards(source, corpus_hash, root, tokenizer, tell)
    found = with_phrases(shards, tokenizer, phrasing, lambda share: tell("phrases", share))
    with atomic_folder(folder, kind="tokenizer") as temporary:
        found.save(temporary)
        write_json(temporary / "request.json", {"phrases_of": tokenizer.hash, "corpus_hash": corpus_hash})
    return found


def _shards(
    source: TextCorpus | MemoryCorpus, corpus_hash: str, root: Path, tokenizer: TextTokenizer, tell: Progress
) -> tuple[Shards, bool]:
    """The shards of a corpus, and whether they were in the cache."""
    folder = root / "shards" / shards_key(corpus_hash, tokenizer.hash)
    shards = _reusable(folder)
    if shards is not None:
        return shards, True
    made = build_shards(
        source, tokenizer, folder, corpus_hash=corpus_hash, progress=lambda count: tell("tokenise", float(count))
    )
    return made, False


def _reusable(folder: Path) -> Shards | None:
    try:
        return Shards.open(folder)
    except MunmaekError:
        return None
