"""`munmaek doctor`: what is in a corpus, how a tokenizer fares on it, and what it is good for, before any training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from munmaek.data.corpus import CorpusReport
from munmaek.data.kinds import MORPHEMES
from munmaek.data.korean import is_hangul, is_syllable
from munmaek.data.tokenizers import KINDS, TextTokenizer, load_tokenizer, train_tokenizer
from munmaek.data.vocab import WordCounts, count_characters
from munmaek.run.doctor_text import lines
from munmaek.run.prepare import Documents, Progress, open_corpus

HASHES_KEPT = 1 << 21
_WORDS_AT_ONCE = 20_000


@dataclass(frozen=True)
class TokenizerFigures:
    """How a tokenizer fares on the corpus.

    Attributes:
        name: the kind trained for this report, or the folder it came from. kind, vocab_size: of the tokenizer.
        num_tokens: tokens of the whole corpus. tokens_per_eojeol: their mean.
        unknown_tokens: [UNK] among the tokens. unknown_share: their share.
        syllables: Hangul syllables of the corpus. unknown_syllables: those inside an [UNK].
        unknown_syllable_share: the share of them. worst_syllables: those lost most often, with how often.
    """

    name: str
    kind: str
    vocab_size: int
    num_tokens: int
    tokens_per_eojeol: float
    unknown_tokens: int
    unknown_share: float
    syllables: int
    unknown_syllables: int
    unknown_syllable_share: float
    worst_syllables: Mapping[str, int]


@dataclass(frozen=True)
class Finding:
    """Something to act on: a code, whether it is "serious", a "hint" or just "good", and its figures."""

    code: str
    level: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Diagnosis:
    """The report on a corpus.

    Attributes:
        lines_read, lines_kept: `lines_read == lines_kept + sum(dropped.values())`. dropped: reason -> lines.
        repairs: what was mended -> times. layouts: file -> how documents were told apart.
        documents, sentences, characters, bytes: what was kept. eojeols: space-separated words; distinct_eojeols.
        duplicates: documents equal to an earlier one; an estimate where `duplicates_estimated`.
        sentences_not_nfc: sentences that came in another form than NFC. unicode: "NFC", "mixed" or "NFD".
        hangul_share: of the letters and syllables. distinct_syllables: different Hangul syllables.
        documents_of_two: documents of two sentences or more. nsp_possible: whether neighbours can be predicted.
        tokenizer: its figures. findings: what to act on.
    """

    lines_read: int
    lines_kept: int
    dropped: Mapping[str, int]
    repairs: Mapping[str, int]
    layouts: Mapping[str, str]
    documents: int
    sentences: int
    characters: int
    bytes: int
    eojeols: int
    distinct_eojeols: int
    duplicates: int
    duplicates_estimated: bool
    sentences_not_nfc: int
    unicode: str
    hangul_share: float
    distinct_syllables: int
    documents_of_two: int
    nsp_possible: bool
    tokenizer: TokenizerFigures
    findings: tuple[Finding, ...] = ()

    def lines(self, language: str = "en") -> list[str]:
        """The report as lines for a person, in English ("en") or Korean ("ko")."""
        return lines(self, language)


class Duplicates:
    """Counts texts seen before by a 64-bit hash; beyond a limit it follows a share of the hashes and estimates."""

    def __init__(self, kept: int = HASHES_KEPT) -> None:
        self._kept, self._seen, self._every = kept, set[int](), 1
        self._found = 0

    def add(self, document: list[str]) -> None:
        """Take in one document."""
        digest = hashlib.blake2b("\n".join(document).encode("utf-8", "replace"), digest_size=8).digest()
        number = int.from_bytes(digest, "little")
        if number % self._every:
            return
        if number in self._seen:
            self._found += self._every
            return
        self._seen.add(number)
        if len(self._seen) > self._kept:
            self._every *= 2
            self._seen = {n for n in self._seen if n % self._every == 0}

    @property
    def count(self) -> int:
        """How many documents equal an earlier one."""
        return self._found

    @property
    def estimated(self) -> bool:
        """Whether `count` is an estimate."""
        return self._every > 1


def diagnose(
    paths: Documents,
    *,
    tokenizer: str | Path | TextTokenizer | None = None,
    vocab_size: int = 16_000,
    text_column: str | None = None,
    split_sentences: bool = False,
    progress: Progress | None = None,
) -> Diagnosis:
    """Examine a corpus in one pass, and a tokenizer on its distinct words.

    Args:
        paths: what `prepare` takes. tokenizer: a folder, a kind, or a tokenizer; None trains a wordpiece on the corpus,
            as `prepare` would. vocab_size: of a trained one. text_column, split_sentences: as in `prepare`.
        progress: called with (what is being done, share done or a count).

    Raises:
        RequestError, DataError: a corpus or tokenizer that cannot be read at all.
    """
    tell = progress or (lambda _what, _share: None)
    ready = None if tokenizer is None or str(tokenizer) in KINDS else _ready(tokenizer)
    corpus = open_corpus(paths, text_column=text_column, split_sentences=split_sentences)
    counts, duplicates = WordCounts(), Duplicates()
    of_two = 0
    batch: list[str] = []
    tell("read", 0.0)
    for number, document in enumerate(corpus):
        duplicates.add(document)
        of_two += len(document) > 1
        for sentence in document:
            batch.extend(sentence.split())
        if len(batch) > 100_000:
            counts.add_words(batch)
            batch.clear()
            tell("read", float(number))
    counts.add_words(batch)
    if ready is None:
        kind = "wordpiece" if tokenizer is None else str(tokenizer)
        ready = (
            kind,
            train_tokenizer(
                counts if kind not in MORPHEMES else corpus,
                kind,
                vocab_size,
                progress=lambda n, of: tell("tokenizer", n / of),
            ),
        )
    tell("tokenise", 0.0)
    figures = examine(ready[1], counts, ready[0])
    return _conclude(corpus.report, counts, duplicates, of_two, figures)


def _ready(tokenizer: str | Path | TextTokenizer) -> tuple[str, TextTokenizer]:
    if isinstance(tokenizer, TextTokenizer):
        return tokenizer.kind, tokenizer
    return str(tokenizer), load_tokenizer(tokenizer)


def examine(tokenizer: TextTokenizer, counts: WordCounts, name: str) -> TokenizerFigures:
    """A tokenizer's figures on counted words; each distinct word is cut once."""
    unknown = tokenizer.special.get("unk", -1)
    num_tokens = unknown_tokens = 0
    lost: Counter[str] = Counter()
    for words in _batches(list(counts)):
        suspects: list[str] = []
        for word, ids in zip(words, tokenizer.encode_ids(words), strict=True):
            num_tokens += counts[word] * len(ids)
            if unknown in ids:
                unknown_tokens += counts[word] * ids.count(unknown)
                suspects.append(word)
        for word, encoding in zip(suspects, tokenizer.encode_batch(suspects, special=False), strict=True):
            for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
                for character in filter(is_syllable, word[start:end] if token == unknown else ""):
                    lost[character] += counts[word]
    characters = count_characters(counts.items())
    syllables = sum(count for character, count in characters.items() if is_syllable(character))
    return TokenizerFigures(
        name=name,
        kind=tokenizer.kind,
        vocab_size=tokenizer.vocab_size,
        num_tokens=num_tokens,
        tokens_per_eojeol=num_tokens / max(1, counts.total()),
        unknown_tokens=unknown_tokens,
        unknown_share=unknown_tokens / max(1, num_tokens),
        syllables=syllables,
        unknown_syllables=lost.total(),
        unknown_syllable_share=lost.total() / max(1, syllables),
        worst_syllables=dict(lost.most_common(20)),
    )


def _batches(words: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(words), _WORDS_AT_ONCE):
        yield words[start : start + _WORDS_AT_ONCE]


def _conclude(
    report: CorpusReport, counts: WordCounts, duplicates: Duplicates, of_two: int, figures: TokenizerFigures
) -> Diagnosis:
    characters = count_characters(counts.items())
    letters = sum(count for character, count in characters.items() if character.isalpha())
    hangul = sum(count for character, count in characters.items() if is_hangul(character))
    not_nfc = report.repairs.get("not_nfc", 0)
    values: dict[str, Any] = {
        "lines_read": report.lines_read,
        "lines_kept": report.lines_kept,
        "dropped": dict(report.dropped),
        "repairs": {reason: count for reason, count in report.repairs.items() if reason != "not_nfc"},
        "layouts": dict(report.layouts),
        "documents": report.documents,
        "sentences": report.sentences,
        "characters": report.characters,
        "bytes": report.bytes,
        "eojeols": counts.total() + counts.pruned,
        "distinct_eojeols": len(counts),
        "duplicates": duplicates.count,
        "duplicates_estimated": duplicates.estimated,
        "sentences_not_nfc": not_nfc,
        "unicode": "NFC" if not not_nfc else "NFD" if not_nfc > 0.9 * report.sentences else "mixed",
        "hangul_share": hangul / max(1, letters),
        "distinct_syllables": sum(map(is_syllable, characters)),
        "documents_of_two": of_two,
        "nsp_possible": of_two > 0 and report.documents > 1,
        "tokenizer": figures,
    }
    return Diagnosis(**values, findings=tuple(_findings(Diagnosis(**values))))


def _findings(d: Diagnosis) -> Iterator[Finding]:
    yield from _about_text(d)
    yield from _about_size(d)
    figures = d.tokenizer
    if figures.unknown_syllable_share > 0.001:
        worst = "".join(list(figures.worst_syllables)[:8])
        yield Finding("unknown_syllables", "serious", {"share": figures.unknown_syllable_share, "worst": worst})
    elif figures.unknown_share > 0.01:
        yield Finding("unknown_tokens", "serious", {"share": figures.unknown_share})
    if figures.tokens_per_eojeol > 3.5 and figures.kind not in ("syllable", "jamo"):
        yield Finding("many_tokens", "hint", {"mean": figures.tokens_per_eojeol})


def _about_text(d: Diagnosis) -> Iterator[Finding]:
    lost = d.lines_read - d.lines_kept - d.dropped.get("blank", 0) - d.dropped.get("header", 0)
    if lost > 0.05 * d.lines_read:
        yield Finding("many_dropped", "serious", {"share": lost / d.lines_read})
    if d.duplicates > 0.05 * d.documents:
        yield Finding("duplicates", "hint", {"share": d.duplicates / d.documents})
    damaged = d.repairs.get("invalid_utf8", 0) + d.repairs.get("lines_of_invalid_utf8", 0)
    if damaged:
        yield Finding("invalid_utf8", "hint", {"count": damaged})
    if d.unicode != "NFC":
        yield Finding("not_nfc", "good", {"count": d.sentences_not_nfc})
    if d.nsp_possible:
        yield Finding("nsp", "good", {"documents": d.documents_of_two})
    else:
        yield Finding("no_nsp", "hint", {"documents": d.documents})


def _about_size(d: Diagnosis) -> Iterator[Finding]:
    tokens = d.tokenizer.num_tokens
    if tokens < 200_000:
        yield Finding("too_small", "serious", {"tokens": tokens})
    else:
        size = "tiny" if tokens < 2_000_000 else "mini" if tokens < 30_000_000 else "small"
        size = "medium or base" if tokens > 300_000_000 else size
        yield Finding("size", "good", {"tokens": tokens, "size": size})
    if d.documents < 100:
        yield Finding("few_documents", "hint", {"documents": d.documents})
    if tokens < 100 * d.tokenizer.vocab_size and d.tokenizer.kind not in ("syllable", "jamo"):
        better = max(1000, tokens // 100 // 1000 * 1000)
        if better < d.tokenizer.vocab_size:
            yield Finding("vocabulary", "hint", {"now": d.tokenizer.vocab_size, "better": better})
