"""Words as symbols, UTF-8 bytes or one a Hangul syllable; and numbers for words beyond the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from munmaek.core.contracts import Encoding, Tokenizer
from munmaek.core.errors import RequestError
from munmaek.data.korean import SYLLABLES
from munmaek.data.normalise import normalise

BYTES = 256
BEGIN_TEXT, END_TEXT, BEGIN_WORD, END_WORD, FILL = range(257, 262)
"""Symbols after the bytes, which are 1 to 256; 0 is no symbol (bilm-tf's numbers with its 1 added)."""
NUM_SYMBOLS = 262
JAMO = tuple(map(chr, (*range(0x1100, 0x1200), *range(0x3131, 0x3164))))
HANGUL = {character: NUM_SYMBOLS + place for place, character in enumerate((*JAMO, *SYLLABLES))}
KINDS = {"bytes": NUM_SYMBOLS, "syllable": NUM_SYMBOLS + len(HANGUL)}
"""Kind of characters -> how many symbols there are."""
MOST_UNSEEN = 1 << 21

_LEXICONS: WeakKeyDictionary[Tokenizer, list[str]] = WeakKeyDictionary()
_LOCK = Lock()


def spell(word: str, kind: str, room: int) -> list[int]:
    """A word's symbols between begin and end of word, at most `room` of them; what is longer is cut.

    "syllable" has a symbol for every jamo and composed syllable; any other character is its bytes.
    """
    if kind == "bytes":
        inner = [byte + 1 for byte in word.encode("utf-8", "replace")[: room - 2]]
    else:
        inner = []
        for character in word[: room - 2]:
            found = HANGUL.get(character)
            inner += [found] if found else [byte + 1 for byte in character.encode("utf-8", "replace")]
    return [BEGIN_WORD, *inner[: room - 2], END_WORD]


class Speller:
    """Ids to rows of symbols: every entry of a vocabulary is spelt as its own string, and words beyond it, too.

    A word that the vocabulary lacks gets the next id after it, for as long as the tokenizer lives, so that its
    characters are not lost where only ids are kept; all spellers of a tokenizer share them.

    Args:
        tokenizer: whose ids. kind: "bytes" or "syllable". room: symbols a word, begin and end counted.
    """

    def __init__(self, tokenizer: Tokenizer, kind: str, room: int) -> None:
        self.kind, self.room, self.size = kind, room, tokenizer.vocab_size
        self.ends = tokenizer.token_id("cls"), tokenizer.token_id("sep")
        self.unknown = tokenizer.token_id("unk")
        self._unseen = _LEXICONS.setdefault(tokenizer, [])
        self._places = {word: place for place, word in enumerate(self._unseen)}
        self.table = np.full((self.size, room), FILL, dtype=np.int16)
        for word, number in tokenizer.vocab().items():  # type: ignore[attr-defined]
            symbols = self._symbols(word, number)
            self.table[number, : len(symbols)] = symbols

    def _symbols(self, word: str, number: int) -> list[int]:
        if number in self.ends:
            return [BEGIN_WORD, BEGIN_TEXT if number == self.ends[0] else END_TEXT, END_WORD]
        return spell(word, self.kind, self.room)

    def rows(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """(words, room) symbols of ids, those of words beyond the vocabulary among them."""
        within = ids < self.size
        found = self.table[np.where(within, ids, 0)].astype(np.int64)
        for place in np.flatnonzero(~within).tolist():
            symbols = spell(self._unseen[int(ids[place]) - self.size], self.kind, self.room)
            found[place] = FILL
            found[place, : len(symbols)] = symbols
        return found

    def number(self, word: str) -> int:
        """The id of a word that the vocabulary lacks; past 2,097,152 such words, that of [UNK]."""
        found = self._places.get(word)
        if found is None:
            with _LOCK:
                for place in range(len(self._places), len(self._unseen)):
                    self._places[self._unseen[place]] = place  # met by another speller
                if word not in self._places:
                    if len(self._unseen) >= MOST_UNSEEN:
                        return self.unknown
                    self._places[word] = len(self._unseen)
                    self._unseen.append(word)
                found = self._places[word]
        return self.size + found

    def with_characters(self, encoding: Encoding, texts: Sequence[str]) -> Encoding:
        """An encoding whose unknown words have ids, and strings, of their own; `texts` are what was encoded."""
        if self.unknown not in encoding.ids:
            return encoding
        ids, tokens = list(encoding.ids), list(encoding.tokens)
        for place, number in enumerate(encoding.ids):
            start, end = encoding.offsets[place]
            if number == self.unknown and end > start:
                tokens[place] = normalise(texts[encoding.type_ids[place]][start:end])
                ids[place] = self.number(tokens[place])
        return Encoding(ids, encoding.offsets, tokens, encoding.special, encoding.type_ids)


def num_symbols(kind: str) -> int:
    """How many symbols a kind of characters has; RequestError for an unknown kind."""
    if kind not in KINDS:
        raise RequestError(f"no kind of characters {kind!r}", where="characters", fix=f"Kinds: {', '.join(KINDS)}.")
    return KINDS[kind]
