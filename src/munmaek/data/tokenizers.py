"""Tokenizers: trained here or read from other tools' folders, with offsets into the text that was given."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding as RawEncoding
from tokenizers import Tokenizer as Backend
from tokenizers import normalizers

from munmaek.core.contracts import Corpus, Encoding, Span, Tokenizer
from munmaek.core.errors import RequestError
from munmaek.core.files import write_atomic, write_json
from munmaek.data import kinds
from munmaek.data.eojeols import EojeolMemory, GreedyPieces
from munmaek.data.normalise import Normaliser, align, normalise, without_surrogates
from munmaek.data.phrases import Phrases
from munmaek.data.vocab import WordCounts, count_words

FILE = "tokenizer.json"
SETTINGS = "munmaek_tokenizer.json"
ROLES = ("pad", "unk", "cls", "sep", "mask")
KINDS = tuple(kinds.TRAINERS)


class TextTokenizer:
    """Text to ids with character offsets, and back.

    Args:
        backend: the `tokenizers` object that does the work.
        kind: one of KINDS.
        special: role (pad, unk, cls, sep, mask) -> token string; a role that the vocabulary lacks is left out.
        normaliser: settings of text made here; None for tokenizers of other tools, whose own files say it all.
        settings: further facts to keep beside the tokenizer (how it was trained).
        phrases: words of the backend that are read as one, where there are any.
    """

    def __init__(
        self,
        backend: Backend,
        kind: str,
        *,
        special: dict[str, str] | None = None,
        normaliser: Normaliser | None = None,
        settings: dict[str, Any] | None = None,
        phrases: Phrases | None = None,
    ) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.backend, self.kind, self.normaliser, self.phrases = backend, kind, normaliser, phrases
        self.settings = settings or {}
        self.special_tokens = special or dict(zip(ROLES, kinds.SPECIALS, strict=True))
        vocabulary = backend.get_vocab(with_added_tokens=True)
        self.special = {r: vocabulary[token] for r, token in self.special_tokens.items() if token in vocabulary}
        self.vocab_size: int = phrases.size if phrases else max(vocabulary.values(), default=-1) + 1

    @cached_property
    def hash(self) -> str:
        """SHA-256 of everything that decides the ids."""
        facts = [json.loads(self.backend.to_str()), self.kind, self.special, self.normaliser is not None]
        facts += [self.phrases.as_dict()] if self.phrases else []
        return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def vocab(self) -> dict[str, int]:
        """Every token string and its id, special ones included, in the order of the ids."""
        vocabulary = self.backend.get_vocab(with_added_tokens=True)
        ordered = sorted(vocabulary.items(), key=lambda entry: entry[1])  # the backend's order is never the same
        return {token: number for token, number in ordered if number < self.vocab_size}

    def token_id(self, name: str) -> int:
        """The id of a special token by its role ("mask") or of any token by its string.

        Raises:
            RequestError: the vocabulary has no such token.
        """
        if name in self.special:
            return self.special[name]
        number = self.backend.token_to_id(name)
        if number is None or number >= self.vocab_size:
            raise RequestError(f"the vocabulary has no token {name!r}", where=f"tokenizer ({self.kind})")
        return number

    def encode(self, text: str, pair: str | None = None, *, special: bool = True) -> Encoding:
        """Tokens of a text or a pair; see `encode_batch`."""
        return self.encode_batch([text], None if pair is None else [pair], special=special)[0]

    def encode_batch(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, special: bool = True
    ) -> list[Encoding]:
        """Tokens of texts, or of pairs as [CLS] A [SEP] B [SEP]; offsets count characters of the texts as given.

        The strings of special tokens in a text ("[MASK]") are read as those tokens.

        Raises:
            RequestError: not as many second texts as first ones.
        """
        if pairs is not None and len(pairs) != len(texts):
            raise RequestError(f"{len(texts)} first texts came with {len(pairs)} second texts")
        first, first_maps = self._prepared(texts)
        if pairs is None:
            raw = self.backend.encode_batch(first, add_special_tokens=special)
            found = [_plain(r, m, None) for r, m in zip(raw, first_maps, strict=True)]
        else:
            second, second_maps = self._prepared(pairs)
            raw = self.backend.encode_batch(list(zip(first, second, strict=True)), add_special_tokens=special)
            found = [_plain(r, a, b) for r, a, b in zip(raw, first_maps, second_maps, strict=True)]
        return [self.phrases.join_encoding(encoding) for encoding in found] if self.phrases else found

    def encode_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids without special tokens and offsets: the fast path. "[MASK]" in a text is ordinary characters here."""
        if self.normaliser is None:
            return self._encode_literally(texts)
        ids, lengths = self.encode_flat(texts)
        flat, ends = ids.tolist(), np.cumsum(lengths).tolist()
        return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def encode_flat(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The ids of `encode_ids` in a row: (num_tokens,) ids, and (num_texts,) how many each text has."""
        if self.normaliser is None:
            found = self._encode_literally(texts)
            lengths = np.fromiter(map(len, found), np.int64, len(found))
            return np.fromiter(chain.from_iterable(found), np.int32, int(lengths.sum())), lengths
        if self.kind in kinds.MORPHEMES:
            texts = _bordered([normalise(text) for text in texts])
        ids, lengths = self._memory.flat(texts)
        return self.phrases.join_flat(ids, lengths) if self.phrases else (ids, lengths)

    def _encode_literally(self, texts: Sequence[str]) -> list[list[int]]:
        try:
            found = self._literal.encode_batch_fast(texts, add_special_tokens=False)
        except (TypeError, UnicodeEncodeError):  # a lone surrogate somewhere
            mended = [without_surrogates(text) for text in texts]
            found = self._literal.encode_batch_fast(mended, add_special_tokens=False)
        return [encoding.ids for encoding in found]

    @cached_property
    def _literal(self) -> Backend:
        """The backend, reading the strings of special tokens in a text as ordinary characters."""
        backend = Backend.from_str(self.backend.to_str())
        backend.encode_special_tokens = True
        return backend

    @cached_property
    def _memory(self) -> EojeolMemory:
        if self.kind == "wordpiece":
            cut = GreedyPieces(self.vocab(), self.special["unk"], self._encode_literally)
            return EojeolMemory(self._encode_literally, cut)
        if self.kind in ("jamo", *kinds.MORPHEMES):
            return EojeolMemory(self._encode_literally, self._encode_literally)
        bare = Backend.from_str(self.backend.to_str())
        bare.normalizer = normalizers.Sequence([])  # type: ignore[assignment]
        bare.encode_special_tokens = True
        return EojeolMemory(
            self._encode_literally,
            lambda words: [e.ids for e in bare.encode_batch_fast(words, add_special_tokens=False)],
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens left out."""
        ids = self.phrases.apart(ids) if self.phrases else list(ids)
        return normalise(self.backend.decode(ids, skip_special_tokens=True))

    def is_word_start(self, ids: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """For each id, whether such a token begins a word: (num_tokens,) booleans."""
        return self._word_starts[np.asarray(ids, dtype=np.int64)]

    @cached_property
    def _word_starts(self) -> NDArray[np.bool_]:
        flags = np.ones(self.vocab_size, dtype=bool)
        if self.kind in kinds.WHOLE and self.normaliser is not None:
            return flags
        vocabulary = self.vocab()
        marks = _start_marks(self.backend, self.kind)
        special = set(self.special.values())
        for token, number in vocabulary.items():
            if number in special:
                flags[number] = number != self.special.get("unk") or not marks
            else:
                flags[number] = token.startswith(marks) if marks else not token.startswith(kinds.INSIDE)
        return flags

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and the files that other tools read beside it; each is replaced as a whole."""
        from munmaek.data.tokenizer_files import companions

        folder = Path(folder)
        write_atomic(folder / FILE, self.backend.to_str(pretty=True) + "\n")
        for name, content in companions(self).items():
            write_json(folder / name, content)
        if self.kind == "wordpiece":
            write_atomic(folder / "vocab.txt", "".join(f"{token}\n" for token in self.vocab()))

    def _prepared(self, texts: Sequence[str]) -> tuple[list[str], list[Sequence[Span] | None]]:
        """Texts as the backend gets them, and where that differs from the given text, a span for each character."""
        if self.normaliser is None:
            return [without_surrogates(text) for text in texts], [None] * len(texts)
        prepared: list[str] = []
        maps: list[Sequence[Span] | None] = []
        for text in texts:
            if self.normaliser(text) == text:
                prepared.append(text)
                maps.append(None)
            else:
                clean, starts, ends = align(text)
                prepared.append(clean)
                maps.append(list(zip(starts, ends, strict=True)))
        if self.kind not in kinds.MORPHEMES:
            return prepared, maps
        whole = re.compile("|".join(f"{kinds.BORDER}?".join(map(re.escape, t)) for t in self.special_tokens.values()))
        bordered = [whole.sub(lambda m: m[0].replace(kinds.BORDER, ""), text) for text in _bordered(prepared)]
        return bordered, [_through_borders(b, m) for b, m in zip(bordered, maps, strict=True)]


def _bordered(texts: list[str]) -> list[str]:
    from munmaek.data.morphemes import cut_morphemes

    return cut_morphemes(texts)


def _through_borders(text: str, spans: Sequence[Span] | None) -> Sequence[Span] | None:
    if spans is None and kinds.BORDER not in text:
        return None
    result: list[Span] = []
    place = 0
    for character in text:
        here = (place, place + 1) if spans is None else spans[min(place, len(spans) - 1)]
        result.append(here)
        place += character != kinds.BORDER
    return result


def _plain(raw: RawEncoding, first: Sequence[Span] | None, second: Sequence[Span] | None) -> Encoding:
    special = [bool(flag) for flag in raw.special_tokens_mask]
    offsets: list[Span] = raw.offsets
    if first is not None or second is not None:
        maps = (first, second)
        parts = raw.sequence_ids
        offsets = [_mapped(o, None if p is None else maps[p]) for o, p in zip(offsets, parts, strict=True)]
    return Encoding(raw.ids, offsets, raw.tokens, special, raw.type_ids)


def _mapped(span: Span, spans: Sequence[Span] | None) -> Span:
    start, end = span
    if spans is None or start >= end:
        return span
    return spans[start][0], spans[end - 1][1]


def _start_marks(backend: Backend, kind: str) -> tuple[str, ...]:
    if kind in ("wordpiece", "word"):
        return ()
    return ("\u0120", kinds.SPACE) if "ByteLevel" in str(backend.pre_tokenizer) else (kinds.SPACE,)


def train_tokenizer(
    corpus: Corpus | Iterable[list[str]] | WordCounts,
    kind: str = "wordpiece",
    vocab_size: int = 16_000,
    *,
    min_count: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TextTokenizer:
    """Train a tokenizer from a corpus, or from words that are counted already.

    Args:
        corpus: documents. kind: one of KINDS. vocab_size: tokens, special ones included.
        min_count: characters (kinds of whole words: words) rarer than this get no token; by default 3, or what
            `kinds.MIN_COUNT` says of the kind.
        progress: called with (tokens so far, vocab_size).

    Raises:
        RequestError: an unknown kind, a vocabulary too small to hold anything. DataError: no text.
    """
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise RequestError(f"there is no tokenizer kind {kind!r}", where="--tokenizer", fix=f"Use one of {known}.")
    if vocab_size < 32:
        raise RequestError(f"{vocab_size} tokens are too few", where="--vocab-size", fix="Use 1,000 or more.")
    if kind in kinds.MORPHEMES and not isinstance(corpus, WordCounts):
        corpus = _morphemes_of(corpus)
    counts = corpus if isinstance(corpus, WordCounts) else count_words(corpus)
    if kind == "jamo":
        counts = _decomposed(counts)
    words = kinds.cut_words(counts, kind)
    usual = kinds.MIN_COUNT.get(kind, 3) if len(words) > 1000 else 1
    least = usual if min_count is None else min_count
    backend = kinds.TRAINERS[kind](kinds.Training(words, vocab_size, least, progress))
    facts = {
        "vocab_size": vocab_size,
        "min_count": least,
        "distinct_words": len(counts),
        "words": counts.total(),
        "words_left_out": counts.pruned,
    }
    return TextTokenizer(kinds.finish(backend, kind), kind, normaliser=Normaliser(), settings=facts)


def _decomposed(counts: WordCounts) -> WordCounts:
    result = WordCounts()
    for word, count in counts.items():
        result[normalise(word, "NFD")] += count
    result.pruned, result.least = counts.pruned, counts.least
    return result


def _morphemes_of(corpus: Corpus | Iterable[list[str]]) -> WordCounts:
    counts = WordCounts()
    batch: list[str] = []
    for document in corpus:
        batch.extend(document)
        if len(batch) >= 20_000:
            counts.update(word for text in _bordered(batch) for word in text.split(" ") if word)
            batch.clear()
    counts.update(word for text in _bordered(batch) for word in text.split(" ") if word)
    return counts


def tokenizer_of_words(words: Iterable[str]) -> TextTokenizer:
    """A tokenizer of the word kind with these words, in their order, after the special tokens.

    Words that hold white space are left out, since no text's word does.
    """
    chosen = [word for word in words if word and not any(map(str.isspace, word))]
    return TextTokenizer(kinds.finish(kinds.backend_of_words(chosen), "word"), "word", normaliser=Normaliser())


def unknown_id(tokenizer: Tokenizer) -> int:
    """The id that stands for what the vocabulary lacks; -1 where it knows every text (byte-level ones)."""
    try:
        return tokenizer.token_id("unk")
    except RequestError:
        return -1


def special_ids(tokenizer: Tokenizer) -> list[int]:
    """Ids that stand for no word, ascending: the special tokens that the vocabulary has, the unknown one among them."""
    found: list[int] = []
    for role in ROLES:
        try:
            found.append(tokenizer.token_id(role))
        except RequestError:  # a vocabulary of another tool may lack one
            continue
    return sorted(set(found))


def load_tokenizer(path: str | Path) -> TextTokenizer:
    """Read a tokenizer from a folder or a tokenizer.json: one saved here, or any BERT's of another tool.

    Raises:
        RequestError: there is none. FormatError: the file is damaged or not a tokenizer.
    """
    from munmaek.data.tokenizer_files import read_tokenizer

    return read_tokenizer(Path(path))
