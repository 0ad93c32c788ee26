"""The grammar of the built-in corpus: templates, the scenes and lexica they come from, and how one is spoken.

A template is one sentence in the plain level without its full stop:

    {사람}         a slot, the same word all through a document; {사람2} is another word of the same category
    {*과일}        a slot drawn afresh every time
    [어제|그제]     one of these
    {눈:eye}       a homograph with its sense
    @              the scene's own homograph with the scene's sense
    ~              a phrase that goes before the scene's homograph and tells its sense (a cue); in shared frames only,
                   one or two, each a phrase of its own
    이/가          after a slot, a choice or a homograph: the particle that fits its last syllable
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

import numpy as np

from munmaek.core.runtime import draw
from munmaek.data.homographs.style import STYLES, restyle
from munmaek.data.korean import particle as particle_of

PAIRS = ("은/는", "이/가", "을/를", "과/와", "으로/로", "이랑/랑", "이나/나", "이라/라", "이었/였")
_TOKEN = re.compile(r"\{(?P<slot>[^{}]+)\}|\[(?P<choice>[^\[\]]+)\]|(?P<focus>@)|(?P<cue>~)|(?P<text>[^\[\]{}@~]+)")
_PAIR = re.compile("|".join(map(re.escape, (*PAIRS, "와/과"))))
_ROOM = re.compile(
    r"(?:^|(?:(?<!장)이|[가을를자니고며면]|에|에서|에게|으로|께서는|에는|은/는|이/가|을/를) )(?=@(?!하|되|받|액|인 ))"
)
"""Before a homograph that begins a noun phrase: at the start, or after a particle or an ending that closes what was
before; 은 and 는 alone may be a verb's (먹은 @), what qualifies the homograph already leaves no room, and neither does
what makes a verb of it (연기되었다)."""
_HELD_BODY = 2
_ROW = 96
_Option = TypeVar("_Option")


class Occurrence(NamedTuple):
    """A homograph in a sentence: sentence.text[start:end] == word, in this sense."""

    word: str
    start: int
    end: int
    sense: str


class Piece(NamedTuple):
    """A step of rendering. `kind` is text, slot, choice, mark or cue; `pair` the particle that follows, if any."""

    kind: str
    text: str
    sense: str = ""
    options: tuple[str, ...] = ()
    pair: str = ""


Pieces = tuple[Piece, ...]


@dataclass(frozen=True)
class Template:
    """One sentence as written, its pieces at each speech level, and its place among the lines of its scene.

    `cued` is the same sentence with room for a cue before its homograph, and `cues` are those that can stand there.
    """

    source: str
    pieces: Mapping[str, Pieces]
    place: int = 0
    cued: Template | None = None
    cues: tuple[Pieces, ...] = ()


@dataclass(frozen=True)
class Scene:
    """One situation around one homograph.

    Attributes:
        name, word, sense, topic: what it is.
        slots: categories of its own, before those of the lexicon.
        opening, body: what happens, in order; `held` are the body templates that only the held-out part uses.
        verdicts: sentiment -> closing sentences.
        cues, held_cues: phrases that go before the word and tell its sense.
    """

    name: str
    word: str
    sense: str
    topic: str
    slots: Mapping[str, tuple[str, ...]]
    opening: tuple[Template, ...]
    body: tuple[Template, ...]
    held: tuple[Template, ...]
    verdicts: Mapping[str, tuple[Template, ...]]
    cues: tuple[Pieces, ...]
    held_cues: tuple[Pieces, ...]


@dataclass
class Draws:
    """A row of random numbers that depends on its counters alone, read from left to right."""

    counters: tuple[int, ...]
    row: list[int]
    position: int = 0

    def below(self, high: int) -> int:
        """A number in [0, high)."""
        if self.position == len(self.row):
            self.row = self.row + draws_row(*self.counters, start=self.position)
        value = self.row[self.position]
        self.position += 1
        return ((value >> 11) * high) >> 53

    def pick(self, options: Sequence[_Option]) -> _Option:
        """One of the options."""
        return options[self.below(len(options))]


def draws_row(*counters: int, start: int = 0) -> list[int]:
    """The numbers from place `start` on of the row with these counters."""
    return [int(value) for value in draw(*counters, np.arange(start, start + _ROW))]


def rows(*counters: int, block: int = 256) -> Iterator[Draws]:
    """Rows of the counters (…, 0), (…, 1) and so on, made a block at a time."""
    first = 0
    while True:
        indices = np.arange(first, first + block)
        numbers = draw(*counters, indices[:, None], np.arange(_ROW)).tolist()
        for index, row in zip(indices.tolist(), numbers, strict=True):
            yield Draws((*counters, index), row)
        first += block


@dataclass
class Speaker:
    """Renders the templates of one document: keeps its words, its level and its full stops."""

    grammar: Grammar
    scene: Scene
    draws: Draws
    style: str
    stop: str = "."
    words: dict[str, str] = field(default_factory=dict[str, str])

    def say(self, template: Template, cues: Sequence[Pieces] = ()) -> tuple[str, list[Occurrence]]:
        """The sentence's text, with these cues in their order, and its marked homographs."""
        out: list[str] = []
        marks: list[Occurrence] = []
        self._render(template.pieces[self.style], iter(cues), out, marks, 0)
        text = "".join(out)
        return (text if text[-1] in "?!" else text + self.stop), marks

    def _render(
        self, pieces: Pieces, cues: Iterator[Pieces], out: list[str], marks: list[Occurrence], length: int
    ) -> int:
        for piece in pieces:
            if piece.kind == "cue":
                length = self._render(next(cues), cues, out, marks, length)
                continue
            word = self._word(piece)
            if piece.kind == "mark":
                marks.append(Occurrence(word, length, length + len(word), piece.sense))
            if piece.pair:
                word += particle(word, piece.pair)
            out.append(word)
            length += len(word)
        return length

    def _word(self, piece: Piece) -> str:
        if piece.kind == "choice":
            return self.draws.pick(piece.options)
        if piece.kind != "slot":
            return piece.text
        category = piece.text.strip("*0123456789")
        options = self.scene.slots.get(category) or self.grammar.lexicon[category]
        if piece.text[0] == "*":
            return self.draws.pick(options)
        if piece.text not in self.words:
            taken = {word for name, word in self.words.items() if name.strip("0123456789") == category}
            self.words[piece.text] = self.draws.pick([word for word in options if word not in taken])
        return self.words[piece.text]


@lru_cache(maxsize=65536)
def particle(word: str, pair: str) -> str:
    """The one of the pair that fits the word's last syllable."""
    return particle_of(word, pair)


@dataclass(frozen=True)
class Grammar:
    """All scenes, the lexicon, the shared sentences, and the inventory of senses.

    Attributes:
        glosses: word -> sense -> what it means.
        lexicon: category -> words.
        verdicts: sentiment -> closing sentences that fit any scene.
        frames: sentences that fit any homograph with a cue; `word_frames` those of one word.
        double_frames: sentences with two cues, in which the homograph stands twice.
    """

    glosses: Mapping[str, Mapping[str, str]]
    lexicon: Mapping[str, tuple[str, ...]]
    scenes: tuple[Scene, ...]
    verdicts: Mapping[str, tuple[Template, ...]]
    frames: tuple[str, ...]
    double_frames: tuple[str, ...]
    word_frames: Mapping[str, tuple[str, ...]]
    _framed: dict[tuple[str, str, str], Template] = field(default_factory=dict[tuple[str, str, str], Template])

    def frame(self, scene: Scene, source: str) -> Template:
        """A shared frame around the scene's homograph."""
        key = (source, scene.word, scene.sense)
        if key not in self._framed:
            self._framed[key] = template(source, scene.word, scene.sense)
        return self._framed[key]


def template(source: str, word: str = "", sense: str = "", place: int = 0) -> Template:
    """Compile a sentence at every level; `@` stands for the word in that sense."""
    return Template(source, {style: pieces_of(restyle(source, style, word), word, sense) for style in STYLES}, place)


def with_cues(line: Template, word: str, sense: str, cues: Mapping[str, Pieces]) -> Template:
    """A line of a scene, and itself with room for a cue where a noun phrase begins with its homograph.

    Only cues none of whose words stands in the line already.
    """
    room = _ROOM.search(line.source)
    fitting = tuple(pieces for cue, pieces in cues.items() if not set(cue.split()) & set(line.source.split()))
    if room is None or not fitting:
        return line
    source = f"{line.source[: room.end()]}~ {line.source[room.end() :]}"
    return replace(line, cued=template(source, word, sense, line.place), cues=fitting)


def pieces_of(source: str, word: str = "", sense: str = "") -> Pieces:
    """The pieces of a sentence or phrase; ValueError where the notation is wrong."""
    pieces: list[Piece] = []
    place = 0
    while place < len(source):
        match = _TOKEN.match(source, place)
        if match is None:
            raise ValueError(f"cannot read {source[place:]!r} in {source!r}")
        place = match.end()
        piece = _piece(match, word, sense, source)
        pair = _PAIR.match(source, place)
        if pair and piece.kind != "text":
            piece = piece._replace(pair=pair[0])
            place = pair.end()
        pieces.append(piece)
    return tuple(pieces)


def _piece(match: re.Match[str], word: str, sense: str, source: str) -> Piece:
    if match["slot"]:
        marked, colon, its_sense = match["slot"].partition(":")
        return Piece("mark", marked, its_sense) if colon else Piece("slot", marked)
    if match["choice"]:
        return Piece("choice", match["choice"], options=tuple(match["choice"].split("|")))
    if match["focus"]:
        if not word:
            raise ValueError(f"@ in a sentence without a word of its own: {source!r}")
        return Piece("mark", word, sense)
    return Piece("cue", "~") if match["cue"] else Piece("text", match["text"])


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def _lines(block: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in block.strip().split("\n") if line.strip())


def _phrases(line: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in line.split(" | "))


def _hold(items: tuple[str, ...], eligible: Callable[[str], bool], count: int) -> set[str]:
    """The `count` eligible items that are kept for the held-out part: those of the smallest hash."""
    return set(sorted(filter(eligible, items), key=_digest)[:count])


def scene_of(table: Mapping[str, Any]) -> Scene:
    """A [[scene]] table of a scenes file."""
    word, _, sense = str(table["sense"]).partition(":")
    body = _lines(table["body"])
    held = _hold(body, lambda line: "@" in line, _HELD_BODY)
    cues = _phrases(table["cues"]) if "cues" in table else ()
    held_cues = _hold(cues, bool, 1)
    shown = {cue: pieces_of(cue) for cue in cues if cue not in held_cues}

    def compiled(lines: tuple[str, ...]) -> tuple[Template, ...]:
        made = (template(line, word, sense, place) for place, line in enumerate(lines))
        return tuple(with_cues(line, word, sense, shown) for line in made)

    return Scene(
        name=str(table["name"]),
        word=word,
        sense=sense,
        topic=str(table["topic"]),
        slots={name: _phrases(words) for name, words in table.get("slots", {}).items()},
        opening=compiled(_lines(table["open"])),
        body=tuple(line for line in compiled(body) if line.source not in held),
        held=tuple(line for line in compiled(body) if line.source in held),
        verdicts={
            "positive": compiled(_lines(table["good"])),
            "negative": compiled(_lines(table["bad"])),
            "neutral": compiled(_lines(table["flat"])),
        },
        cues=tuple(shown.values()),
        held_cues=tuple(pieces_of(cue) for cue in cues if cue in held_cues),
    )


def _tables(folder: str) -> Iterator[dict[str, Any]]:
    for entry in sorted(files("munmaek.data.homographs").joinpath(folder).iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".toml"):
            yield tomllib.loads(entry.read_text("utf-8"))


@lru_cache(maxsize=1)
def load_grammar() -> Grammar:
    """The project's grammar, read once."""
    glosses: dict[str, dict[str, str]] = {}
    lexicon: dict[str, tuple[str, ...]] = {}
    verdicts: dict[str, tuple[Template, ...]] = {}
    frames: tuple[str, ...] = ()
    double_frames: tuple[str, ...] = ()
    word_frames: dict[str, tuple[str, ...]] = {}
    for table in _tables("lexicon"):
        lexicon.update({name: _phrases(line) for name, line in table.get("slots", {}).items()})
        verdicts.update({name: tuple(map(template, _lines(text))) for name, text in table.get("verdicts", {}).items()})
        frames += _lines(table.get("frames", ""))
        double_frames += _lines(table.get("double_frames", ""))
        for word, entry in table.get("words", {}).items():
            glosses[word] = dict(entry["senses"])
            word_frames[word] = _lines(entry.get("frames", ""))
    scenes = tuple(scene_of(entry) for table in _tables("scenes") for entry in table["scene"])
    return Grammar(glosses, lexicon, scenes, verdicts, frames, double_frames, word_frames)
