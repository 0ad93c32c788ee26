"""The kinds of tokenizer and how each is trained from counted words; each ends as a `tokenizers` file of its own.

No lower-casing, no limit to the alphabet: every character seen at least `min_count` times has a token, and every Hangul
syllable among them both at the start of a word and inside one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from munmaek.data.eojeols import punctuation
from munmaek.data.korean import SYLLABLES, is_syllable
from munmaek.data.merges import Merges, learn_merges
from munmaek.data.normalise import INVISIBLE
from munmaek.data.vocab import count_characters

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SPACE = "▁"
INSIDE = "##"
CHUNK = 64  # characters; longer runs without a space are cut, so that one hostile line costs linear time
BORDER = "\x1f"  # stands between morphemes in the text that a morpheme tokenizer's file is given
CUTS: dict[str, tuple[str, Any]] = {
    "morpheme": (BORDER, "removed"), "morpheme-word": (BORDER, "removed"), "unigram": ("[", "isolated"),
}  # fmt: skip
"""Where a kind cuts inside words; unigram at brackets, so that no piece of a text can be the string of [MASK]."""
MORPHEMES = ("morpheme", "morpheme-word")
"""Kinds whose text kiwipiepy cuts first."""
WHOLE = ("word", "eojeol", "morpheme-word")
"""Kinds whose every token is a word, one vector each; nothing marks where an eojeol begins."""
MIN_COUNT = {"eojeol": 5, "morpheme-word": 5}
"""Least count of a token where it is not the usual 3 (word vectors: Mikolov 2013b §3)."""
UNIGRAM_WORDS = 100_000
_JAMO = [chr(c) for c in (*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3))]
_COMPATIBILITY = [chr(c) for c in range(0x3131, 0x3164)]
_ASCII = [chr(c) for c in range(0x21, 0x7F)]

Words = Mapping[str, int]


@dataclass(frozen=True)
class Training:
    """What a kind is trained with.

    Attributes:
        words: distinct words (split as the kind's pre-tokenizer splits) and counts.
        size: how many tokens there may be, special ones included.
        min_count: characters (kinds of whole words: words) rarer than this get no token.
        progress: called with (tokens so far, size).
    """

    words: Words
    size: int
    min_count: int = 3
    progress: Callable[[int, int], None] | None = None


def pre_tokenizer(kind: str) -> pre_tokenizers.PreTokenizer:
    """How a kind cuts text before its model sees it: at white space, wordpiece and word also at punctuation.

    An eojeol is what white space leaves, with all its marks.
    """
    chunks = pre_tokenizers.Split(Regex(f".{{1,{CHUNK}}}"), "isolated")
    if kind in ("wordpiece", "word"):
        return pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), chunks])
    marks = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=False)
    parts: list[Any] = [pre_tokenizers.WhitespaceSplit(), *([] if kind in WHOLE else [marks]), chunks]
    if kind in CUTS:
        parts.insert(len(parts) - 1, pre_tokenizers.Split(*CUTS[kind]))
    return pre_tokenizers.Sequence(parts)


def normaliser(kind: str) -> normalizers.Normalizer:
    """Removal of invisible characters and NFC (jamo: NFD), as it stands in `tokenizer.json`."""
    invisible = INVISIBLE.replace("\x0e-\x1f", "\x0e-\x1e") if kind in MORPHEMES else INVISIBLE
    remove = normalizers.Replace(Regex(f"[{invisible}]"), "")
    return normalizers.Sequence([remove, normalizers.NFD() if kind == "jamo" else normalizers.NFC()])


def finish(backend: Tokenizer, kind: str) -> Tokenizer:
    """The backend with the kind's normaliser, cutting, template of special tokens and decoder."""
    backend.normalizer = normaliser(kind)  # type: ignore[assignment]
    backend.pre_tokenizer = pre_tokenizer(kind)  # type: ignore[assignment]
    cast(Any, backend).add_special_tokens(list(SPECIALS))
    backend.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    if kind == "wordpiece":
        backend.decoder = decoders.WordPiece(prefix=INSIDE, cleanup=True)  # type: ignore[assignment]
    elif kind not in WHOLE:
        backend.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")  # type: ignore[assignment]
    return backend


def cut_words(counts: Words, kind: str) -> Counter[str]:
    """Counted eojeols as the counted pieces that the kind's pre-tokenizer makes of them."""
    cutter = pre_tokenizer(kind)
    simple = kind in ("wordpiece", "word")
    mark, start = CUTS.get(kind, (BORDER, ""))[0], "" if kind in WHOLE else SPACE
    pieces: dict[str, int] = {}
    known = pieces.get
    for word, count in counts.items():
        if len(word) < CHUNK and mark not in word:
            if not simple:
                pieces[start + word] = known(start + word, 0) + count
                continue
            if word.isalnum():
                pieces[word] = known(word, 0) + count
                continue
            if word.isprintable():
                for piece in punctuation().findall(word):
                    pieces[piece] = known(piece, 0) + count
                continue
        for piece, _ in cutter.pre_tokenize_str(word):
            pieces[piece] = known(piece, 0) + count
    return Counter(pieces)


def _numbered(tokens: Iterable[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}


def _alphabet(training: Training) -> list[str]:
    """Characters seen often enough, the most frequent first."""
    characters = count_characters(training.words.items())
    return [c for c, count in characters.most_common() if count >= training.min_count]


def _codes(words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """All words end to end as code points, and the length of each."""
    codes = np.frombuffer("".join(words).encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.int64)
    return codes, np.fromiter(map(len, words), dtype=np.int64, count=len(words))


def train_wordpiece(training: Training) -> Tokenizer:
    """WordPiece (Schuster 2012; the vocabulary by frequency of pairs, as the `tokenizers` library has it).

    A piece inside a word begins with ##; a word is cut greedily into the longest pieces (Devlin 2018 §3, Wu 2016 §4.1).
    """
    words = list(training.words)
    codes, lengths = _codes(words)
    inside = np.ones(len(codes), dtype=np.int64)
    inside[(np.cumsum(lengths) - lengths)[lengths > 0]] = 0
    forms, symbols = np.unique(codes * 2 + inside, return_inverse=True)
    weights = np.repeat(np.fromiter(training.words.values(), np.int64, len(words)), lengths)
    found = np.bincount(symbols, weights, len(forms))
    counts = dict(zip(forms.tolist(), found.astype(np.int64).tolist(), strict=True))
    alphabet = _forms(counts, training.min_count, training.size - len(SPECIALS))
    numbers = {form: number for number, form in enumerate(alphabet)}
    table = np.asarray([numbers.get(form, -1) for form in forms.tolist()], dtype=np.int32)
    strings = [INSIDE * (form & 1) + chr(form >> 1) for form in alphabet]
    merges = _learn(training, table[symbols], lengths, strings, lambda a, b: a + b.removeprefix(INSIDE))
    vocabulary = _numbered(chain(SPECIALS, merges.symbols))
    return Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]", max_input_chars_per_word=CHUNK))


def _forms(counts: Mapping[int, int], least: int, room: int) -> list[int]:
    """Character forms (code * 2 + inside) that get a token, the most frequent first, at most `room`.

    Every form of a character that occurs `least` times; then, up to a sixteenth of the room, the forms in which the
    frequent syllables of Hangul happen not to occur, since other texts will have them.
    """
    totals: Counter[int] = Counter()
    for form, count in counts.items():
        totals[form >> 1] += count
    seen = [form for form in counts if totals[form >> 1] >= least]
    unseen = [form ^ 1 for form in seen if form ^ 1 not in counts and is_syllable(chr(form >> 1))]
    seen.sort(key=lambda form: (-counts[form], form))
    unseen.sort(key=lambda form: (-totals[form >> 1], form))
    return [*seen, *unseen[: room // 16]][:room]


def _learn(
    training: Training,
    symbols: np.ndarray,
    lengths: np.ndarray,
    strings: list[str],
    join: Callable[[str, str], str],
) -> Merges:
    counts = np.fromiter(training.words.values(), np.int64, len(lengths))
    size = training.size - len(SPECIALS)
    return learn_merges(symbols, lengths, counts, strings, size, join=join, progress=training.progress)


def train_bpe(training: Training, kind: str = "bpe") -> Tokenizer:
    """Byte-pair encoding of characters (Sennrich 2016); ▁ stands for the space before a word.

    For "jamo" the characters are conjoining jamo, all 67 of them known, so every syllable can be spelt.
    """
    words = list(training.words)
    always = [SPACE, *(_JAMO if kind == "jamo" else ())]
    room = max(len(always), training.size - len(SPECIALS))
    alphabet = list(dict.fromkeys([*always, *_alphabet(training)]))[:room]
    codes, lengths = _codes(words)
    forms, symbols = np.unique(codes, return_inverse=True)
    numbers = {character: number for number, character in enumerate(alphabet)}
    table = np.asarray([numbers.get(chr(form), -1) for form in forms.tolist()], dtype=np.int32)
    merges = _learn(training, table[symbols], lengths, alphabet, lambda a, b: a + b)
    vocabulary = _numbered(chain(SPECIALS, merges.symbols))
    pairs = [(merges.symbols[left], merges.symbols[right]) for left, right in merges.pairs]
    return Tokenizer(models.BPE(vocab=vocabulary, merges=pairs, unk_token="[UNK]"))


def train_syllable(training: Training) -> Tokenizer:
    """One token a character: all 11,172 syllables, letters, and what the corpus holds; ▁ is the space before a word.

    The vocabulary grows past the size asked for where the syllables alone need it.
    """
    alphabet = dict.fromkeys([SPACE, *_ASCII, *_COMPATIBILITY, *SYLLABLES])
    room = max(training.size - len(SPECIALS), len(alphabet))
    for character in _alphabet(training):
        if len(alphabet) >= room:
            break
        alphabet.setdefault(character)
    vocabulary = _numbered(chain(SPECIALS, alphabet))
    return Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="[UNK]"))


def train_word(training: Training) -> Tokenizer:
    """One token a word, the most frequent ones; the rest are [UNK]."""
    frequent = sorted(training.words.items(), key=lambda item: (-item[1], item[0]))
    chosen = [word for word, count in frequent[: max(0, training.size - len(SPECIALS))] if count >= training.min_count]
    return backend_of_words(chosen)


def backend_of_words(words: Iterable[str]) -> Tokenizer:
    """One token a word, after the special ones."""
    return Tokenizer(models.WordLevel(vocab=_numbered(chain(SPECIALS, words)), unk_token="[UNK]"))


def train_unigram(training: Training) -> Tokenizer:
    """Unigram language model (Kudo 2018), by the `tokenizers` library, on the 100,000 most frequent words.

    Deviates: rarer words are left out, and a count above 100 enters as 100 (1 + ln(count / 100)), so that the stream
    the library is fed follows the number of distinct words; both change the pieces little and the time much.
    """
    frequent = sorted(training.words.items(), key=lambda item: (-item[1], item[0]))[:UNIGRAM_WORDS]
    backend = Tokenizer(models.Unigram())
    trainer = trainers.UnigramTrainer(
        vocab_size=training.size,
        special_tokens=list(SPECIALS),
        unk_token="[UNK]",
        initial_alphabet=[SPACE, *_alphabet(training)],
        show_progress=False,
    )
    stream = ([word] * _damped(count) for word, count in frequent)
    backend.train_from_iterator(chain.from_iterable(stream), trainer)
    return backend


def _damped(count: int) -> int:
    return count if count <= 100 else int(100 * (1 + np.log(count / 100)))


TRAINERS: dict[str, Callable[[Training], Tokenizer]] = {
    "wordpiece": train_wordpiece,
    "bpe": train_bpe,
    "unigram": train_unigram,
    "syllable": train_syllable,
    "jamo": lambda training: train_bpe(training, "jamo"),
    "morpheme": lambda training: train_bpe(training, "morpheme"),
    "word": train_word,
    "eojeol": train_word,
    "morpheme-word": train_word,
}
