"""The built-in corpus: synthetic Korean documents around homographs whose sense is known.

Not collected text. A grammar written for this project composes short scenes of 3 to 8 sentences; each scene uses one
sense of a homograph (눈 as snow, 눈 as eye), and marks every occurrence. The sentences are meant to read naturally, but
they are far more regular than real Korean: results on this corpus show that a system works, never how good it is.

A document is a pure function of (seed, index). The held-out part has documents of its own (by the hash of the text),
sentence templates and phrases that the training part never uses, and the two sentences of the project's motto.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from munmaek.core.errors import RequestError
from munmaek.data.homographs.grammar import (
    Draws,
    Grammar,
    Occurrence,
    Pieces,
    Scene,
    Speaker,
    Template,
    load_grammar,
    rows,
)
from munmaek.data.homographs.style import STYLES

__all__ = [
    "BORROWED",
    "MOTTO",
    "MOTTO_WORD",
    "NOTICE",
    "SENTIMENTS",
    "Document",
    "HomographCorpus",
    "Occurrence",
    "SenseExample",
    "Sentence",
    "documents",
    "held_out",
    "labelled",
    "motto_examples",
    "sense_examples",
    "senses",
    "topics",
]

NOTICE = (
    "The built-in corpus is synthetic: a grammar written for this project composes its documents; none was collected. "
    "Figures on it show that everything works, not how good a model is on real text."
)
BORROWED = (
    "The homographs are those of the built-in corpus, a synthetic one, on which these systems were not pre-trained."
)
MOTTO_WORD = "눈"
MOTTO = ("눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다")
SENTIMENTS = ("positive", "negative", "neutral")
_MOTTO_SENSES = ("snow", "eye")
PARTS = ("train", "held_out", "all")

MOST_REMEMBERED = 50_000
"""A corpus of so many documents is made once and remembered: whoever compares systems reads it once a system."""

FRAMED, DOUBLE, CUED = 70, 70, 50
"""Per cent: documents with a sentence whose phrases tell the sense, of these sentences those with two such phrases, and
of the others those that get one where there is room. So what follows a homograph says what it means, as what comes
before does: a reader of one side has either."""
_HELD_HASH = 8
_HELD_IN_ALL = 20
_STYLE_WEIGHTS = (0, 0, 0, 0, 1, 2, 2, 2, 3, 3)
_TRAIN_STREAM, _HELD_STREAM, _SENSE_STREAM = 1, 2, 3


@dataclass(frozen=True)
class Sentence:
    """One sentence, its homographs, and whether it was made from a template or phrase that training never shows."""

    text: str
    homographs: tuple[Occurrence, ...]
    unseen: bool = False


@dataclass(frozen=True)
class Document:
    """One scene: its sentences in order, its topic (Korean name), its sentiment, and the scene's name."""

    sentences: tuple[Sentence, ...]
    topic: str
    sentiment: str
    scene: str

    @property
    def text(self) -> str:
        """The sentences, joined by spaces."""
        return " ".join(sentence.text for sentence in self.sentences)


@dataclass(frozen=True)
class SenseExample:
    """A held-out document with one homograph at text[start:end], its sense, and the sentence that it stands in."""

    text: str
    word: str
    start: int
    end: int
    sense: str
    sentence: str


@dataclass(frozen=True)
class HomographCorpus:
    """The built-in corpus as a restartable stream of documents (contracts.Corpus).

    Args:
        seed, count: which documents, and how many. part: "train", "held_out", or "all" (train, then 1 in 20 held out).
    """

    seed: int = 0
    count: int = 20000
    part: str = "train"

    def __iter__(self) -> Iterator[list[str]]:
        made = (_remembered if self.count <= MOST_REMEMBERED else _lines)(self.part, self.seed, self.count)
        yield from map(list, made)


def documents(seed: int = 0, count: int = 20000) -> Iterator[Document]:
    """`count` distinct documents of the training part."""
    _check(count)
    return islice(_distinct(_train_candidates(load_grammar(), seed)), count)


def held_out(seed: int = 0, count: int = 1000) -> Iterator[Document]:
    """`count` distinct held-out documents; the two with the sentences of the motto come first, whatever the seed."""
    _check(count)
    return islice(_distinct(_held_candidates(load_grammar(), seed)), count)


def labelled(label: str = "topic", *, seed: int = 0, count: int = 2000, part: str = "train") -> list[tuple[str, str]]:
    """(text, label) of `count` documents, where `label` is "topic" or "sentiment"."""
    if label not in ("topic", "sentiment"):
        raise RequestError(f"no label {label!r} in the built-in corpus", fix="Ask for topic or sentiment.")
    return [(document.text, str(getattr(document, label))) for document in _part(part, seed, count)]


def senses() -> dict[str, dict[str, str]]:
    """The inventory: word -> sense -> gloss."""
    return {word: dict(glosses) for word, glosses in load_grammar().glosses.items()}


def topics() -> tuple[str, ...]:
    """The topic labels, sorted."""
    return tuple(sorted({scene.topic for scene in load_grammar().scenes}))


def _lines(part: str, seed: int, count: int) -> Iterator[tuple[str, ...]]:
    for document in _part(part, seed, count):
        yield tuple(sentence.text for sentence in document.sentences)


@lru_cache(maxsize=2)
def _remembered(part: str, seed: int, count: int) -> tuple[tuple[str, ...], ...]:
    return tuple(_lines(part, seed, count))


def sense_examples(per_sense: int = 10, *, seed: int = 0) -> list[SenseExample]:
    """`per_sense` distinct held-out documents of every sense that has a scene, sense by sense.

    The occurrence looked at stands in a sentence whose template or phrase the training part never uses; the other
    sentences of its document are new combinations of what training shows.
    """
    return list(_sense_examples(per_sense, seed))


@lru_cache(maxsize=2)
def _sense_examples(per_sense: int, seed: int) -> tuple[SenseExample, ...]:
    rules = load_grammar()
    examples: list[SenseExample] = []
    for number, scene in enumerate(rules.scenes):
        draws = rows(seed, _SENSE_STREAM, number, block=64)
        made = _distinct(_compose(rules, row, unseen=True, scene=scene) for row in draws)
        examples += [_looked_at(document, scene.word, scene.sense) for document in islice(made, per_sense)]
    return tuple(examples)


def motto_examples() -> list[SenseExample]:
    """The two occurrences of the motto's word, each in its held-out document."""
    return [
        _looked_at(document, "눈", sense) for document, sense in zip(_motto_documents(), _MOTTO_SENSES, strict=True)
    ]


def _looked_at(document: Document, word: str, sense: str) -> SenseExample:
    """The first occurrence of a sense in the document's unseen sentence."""
    place = next(place for place, sentence in enumerate(document.sentences) if sentence.unseen)
    sentence = document.sentences[place]
    spot = next(mark for mark in sentence.homographs if (mark.word, mark.sense) == (word, sense))
    before = sum(len(earlier.text) + 1 for earlier in document.sentences[:place])
    return SenseExample(document.text, word, before + spot.start, before + spot.end, sense, sentence.text)


def _check(count: int) -> None:
    if count < 0:
        raise RequestError(f"cannot make {count} documents", fix="Ask for 0 or more.")


def _part(part: str, seed: int, count: int) -> Iterator[Document]:
    if part == "train":
        return documents(seed, count)
    if part == "held_out":
        return held_out(seed, count)
    if part != "all":
        raise RequestError(f"no part {part!r} of the built-in corpus", fix=f"Ask for {', '.join(PARTS)}.")
    return _all(seed, count)


def _all(seed: int, count: int) -> Iterator[Document]:
    kept = count // _HELD_IN_ALL
    yield from documents(seed, count - kept)
    yield from held_out(seed, kept)


def _distinct(candidates: Iterator[Document]) -> Iterator[Document]:
    seen: set[int] = set()
    for document in candidates:
        key = _hash(document)
        if key not in seen:
            seen.add(key)
            yield document


def _hash(document: Document) -> int:
    return int.from_bytes(hashlib.blake2b(document.text.encode(), digest_size=8).digest(), "little")


def _train_candidates(rules: Grammar, seed: int) -> Iterator[Document]:
    for draws in rows(seed, _TRAIN_STREAM):
        document = _compose(rules, draws, unseen=False)
        if _hash(document) % _HELD_HASH:
            yield document


def _held_candidates(rules: Grammar, seed: int) -> Iterator[Document]:
    """The motto; then, by turns, documents with unseen templates and documents that only their hash holds out."""
    yield from _motto_documents()
    known = (d for d in (_compose(rules, row, unseen=False) for row in rows(seed, _HELD_STREAM, 0)) if _is_held(d))
    for draws in rows(seed, _HELD_STREAM, 1):
        yield _compose(rules, draws, unseen=True)
        yield next(known)


def _is_held(document: Document) -> bool:
    return _hash(document) % _HELD_HASH == 0


def _motto_documents() -> Iterator[Document]:
    snow = ("밤새 기온이 뚝 떨어졌다", MOTTO[0], "강아지와 함께 하얀 운동장을 오래 걸었다")
    eye = ("오랜만에 너와 마주 앉아 이야기를 나누었다", MOTTO[1], "그래서 자꾸만 너를 바라보게 된다")
    for lines, sense, topic in zip((snow, eye), _MOTTO_SENSES, ("자연", "가정"), strict=True):
        start = lines[1].index("눈")
        spot = (Occurrence("눈", start, start + 1, sense),)
        sentences = tuple(Sentence(line, spot if line in MOTTO else (), line in MOTTO) for line in lines)
        yield Document(sentences, topic, "positive", "표어")


def _speaker(rules: Grammar, scene: Scene, draws: Draws) -> Speaker:
    style = STYLES[draws.pick(_STYLE_WEIGHTS)]
    stop = "" if draws.below(100) < (40 if style == STYLES[3] else 8) else "."
    return Speaker(rules, scene, draws, style, stop)


def _compose(rules: Grammar, draws: Draws, *, unseen: bool, scene: Scene | None = None) -> Document:
    drawn = rules.scenes[draws.below(len(rules.scenes))]
    scene = scene or drawn
    sentiment = SENTIMENTS[draws.below(len(SENTIMENTS))]
    speaker = _speaker(rules, scene, draws)
    sentences = [_said(speaker, draws.pick(scene.opening))]
    held_cue = unseen and bool(scene.held_cues) and draws.below(2) == 1
    chosen = _some(draws, scene.body, 1 + draws.below(3 if unseen and not held_cue else 4))
    if unseen and not held_cue:
        chosen = sorted([*chosen, draws.pick(scene.held)], key=lambda line: line.place)
    sentences += [_said(speaker, line, unseen=line in scene.held) for line in chosen]
    if held_cue:
        _add_framed(speaker, sentences, scene.held_cues, unseen=True)
    elif scene.cues and draws.below(100) < FRAMED:
        _add_framed(speaker, sentences, scene.cues)
    own, shared = scene.verdicts[sentiment], rules.verdicts[sentiment]
    sentences.append(_said(speaker, draws.pick(own)))
    if draws.below(100) < 45:
        sentences.append(_said(speaker, draws.pick(shared)))
    return Document(tuple(sentences), scene.topic, sentiment, scene.name)


def _some(draws: Draws, lines: tuple[Template, ...], count: int) -> list[Template]:
    """`count` of the lines in their order (selection sampling)."""
    chosen: list[Template] = []
    for place, line in enumerate(lines):
        if draws.below(len(lines) - place) < count - len(chosen):
            chosen.append(line)
    return chosen


def _said(speaker: Speaker, line: Template, cues: Sequence[Pieces] = (), unseen: bool = False) -> Sentence:
    """A sentence; one that has no cue of its own may get one of the scene's, where its homograph has room for it."""
    if line.cued and speaker.draws.below(100) < CUED:
        line, cues = line.cued, (speaker.draws.pick(line.cues),)
    text, marks = speaker.say(line, cues)
    return Sentence(text, tuple(marks), unseen)


def _add_framed(speaker: Speaker, sentences: list[Sentence], cues: tuple[Pieces, ...], unseen: bool = False) -> None:
    """A sentence with one of the cues comes last, or one with that and then another of the scene's, at any place."""
    rules, scene, draws = speaker.grammar, speaker.scene, speaker.draws
    first = draws.pick(cues)
    if draws.below(100) < DOUBLE:
        place = 1 + draws.below(len(sentences))
        second = draws.pick([cue for cue in scene.cues if cue != first])
        frame = rules.frame(scene, draws.pick(rules.double_frames))
        sentences.insert(place, _said(speaker, frame, (first, second), unseen))
        return
    own = rules.word_frames.get(scene.word, ())
    source = draws.pick(own if own and draws.below(2) else rules.frames)
    sentences.append(_said(speaker, rules.frame(scene, source), (first,), unseen))
