"""What a comparison found, as data: written by `run.compare`, read by `report.page`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from munmaek.core import files
from munmaek.core.errors import CheckpointError

FILE = "comparison.json"
FLOORS = ("chance", "tfidf")
SCRATCH = "from scratch"


@dataclass(frozen=True)
class Arm:
    """One way of answering: a system pre-trained, the same network from scratch, or a floor that knows no text.

    Attributes:
        name: key of the arm, such as "bert", "bert from scratch", "tfidf" or "chance".
        system: the system's name, or what a given model is called; "" for a floor. title: for people.
        scratch: without pre-training.
    """

    name: str
    system: str
    title: str
    scratch: bool = False


@dataclass(frozen=True)
class ModelCard:
    """One model's pre-training.

    Attributes:
        system: as of an arm. parameters: numbers it holds.
        tokens, steps, seconds: what the training took, 0 where nobody knows; seconds are of the wall clock.
        peak_memory: bytes, of the whole process; 0 where it is unknown.
        joules: energy that the machine took meanwhile (core/energy.py); None where it counts none.
        validation: metric -> value on held-out documents, losses in nats a target.
        bits_per_character: of the next-token model on held-out text; None where it has none. pseudo: of a masked model,
            each token predicted from both sides.
        at_words: whether its embeddings started at word vectors, learnt in the same time.
    """

    system: str
    title: str
    paper: str
    folder: str
    size: str
    parameters: int
    tokens: int
    steps: int
    seconds: float
    peak_memory: int
    tokenizer: str
    vocab_size: int
    validation: dict[str, float]
    bits_per_character: float | None = None
    pseudo: bool = False
    joules: float | None = None
    at_words: bool = False


@dataclass(frozen=True)
class Row:
    """One finished run: an arm, a number of labels, a seed, and the test scores it got.

    Attributes:
        labels: labels asked for; None is all. num_labels: labels used.
        scores: metric -> value. seconds, joules: of training and scoring, joules as a card has them.
        peak_memory: bytes, of the process meanwhile.
        answers: file with what each test row adds to the metric (tasks/task.py), beside the rows.
        shares: the weight learnt of each layer, where the arm weighs layers (`compare --layers`).
    """

    arm: str
    labels: int | None
    num_labels: int
    seed: int
    scores: dict[str, float]
    seconds: float
    peak_memory: int
    answers: str
    versions: dict[str, str] = field(default_factory=dict[str, str])
    shares: list[float] = field(default_factory=list[float])
    joules: float | None = None


@dataclass(frozen=True)
class Standing:
    """An arm at a number of labels: the mean over its seeds and a 95 % interval, over test rows and seeds both."""

    arm: str
    labels: int | None
    num_labels: int
    num_seeds: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Contrast:
    """The first arm's score less the second's , paired by test row and seed, with a 95 % interval."""

    first: str
    second: str
    labels: int | None
    difference: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """Whether the interval excludes zero: only then is a win said."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class WordMap:
    """One word's occurrences in one system, laid in a plane by principal components.

    Attributes:
        layer: which layer's vectors. points: (x, y) an occurrence. texts, senses: of each; a sense is "" where unknown.
        starts: where the word begins in each text.
    """

    system: str
    word: str
    layer: int
    points: list[tuple[float, float]]
    texts: list[str]
    senses: list[str]
    starts: list[int]


@dataclass(frozen=True)
class Separation:
    """How well a system tells senses apart, by layer: area under the curve, 0.5 is blindness (tasks/sense.py)."""

    system: str
    source: str
    layers: list[float]


@dataclass(frozen=True)
class WordPair:
    """One word in two sentences: the cosine of its two vectors in each layer."""

    system: str
    word: str
    first: str
    second: str
    layers: list[float]


@dataclass(frozen=True)
class Neighbours:
    """The nearest words to a word in a sentence: (word, the sentence it stands in, cosine)."""

    system: str
    word: str
    text: str
    found: list[tuple[str, str, float]]


@dataclass(frozen=True)
class WayScore:
    """One way of taking vectors from one system's layers, scored at a number of labels (`run.layers`).

    Attributes:
        way: its name in `run.ways`. layers: the layers it takes; 0 is the embeddings.
        mean, low, high: as of a Standing. shares: the weight learnt of each of them, mean over seeds; empty where none.
        ahead: its paired difference from every other way of this system excludes zero, above it.
    """

    system: str
    way: str
    layers: list[int]
    labels: int | None
    num_labels: int
    num_seeds: int
    mean: float
    low: float
    high: float
    shares: list[float]
    ahead: bool


@dataclass(frozen=True)
class WaySense:
    """How well a way's vectors tell senses apart: area under the curve, 0.5 is blindness; a sum is unweighted here."""

    system: str
    way: str
    layers: list[int]
    area: float


@dataclass(frozen=True)
class LayerStudy:
    """Which vectors to take: what `compare --layers` found.

    Attributes:
        command, made, train, test, metric, num_train, num_test: as of a Comparison.
        cells: of each direction in each layer of the tagger. num_words: homographs whose senses were told apart.
        notices: what a reader must know first. rows: every run, its arm being "system way".
    """

    command: str
    made: str
    train: str
    test: str
    metric: str
    num_train: int
    num_test: int
    cells: int
    num_words: int
    scores: list[WayScore]
    senses: list[WaySense]
    rows: list[Row]
    notices: list[str] = field(default_factory=list[str])

    @property
    def sizes(self) -> list[int | None]:
        """The numbers of labels, ascending, all last."""
        return _ascending({each.labels for each in self.scores})

    def score(self, system: str, way: str, labels: int | None) -> WayScore | None:
        """A way's score at a number of labels; None where nothing was run."""
        asked = (system, way, labels)
        return next((each for each in self.scores if (each.system, each.way, each.labels) == asked), None)

    def sense(self, system: str, way: str) -> WaySense | None:
        """How well a way tells senses apart; None where that is not known."""
        return next((each for each in self.senses if (each.system, each.way) == (system, way)), None)


@dataclass(frozen=True)
class Comparison:
    """Everything a report shows.

    Attributes:
        command: what made it. made: date and time. notices: what a reader must know first (that a corpus is synthetic).
        corpus, train, test: names of the files. budget, size: of every pre-training. threads: of the machine.
        task, metric: what was learnt and the metric that decides. num_train, num_test, num_seeds: rows and seeds.
        arms, models, rows, standings, contrasts: see there; `rows` in the order they were done.
        separations, pairs, maps, neighbours: the vectors of words in context.
        layers: what `compare --layers` found in this folder; None where it was not asked.
    """

    command: str
    made: str
    corpus: str
    train: str
    test: str
    budget: str
    size: str
    threads: int
    task: str
    metric: str
    num_train: int
    num_test: int
    num_seeds: int
    arms: list[Arm]
    models: list[ModelCard]
    rows: list[Row]
    standings: list[Standing]
    contrasts: list[Contrast]
    separations: list[Separation] = field(default_factory=list["Separation"])
    pairs: list[WordPair] = field(default_factory=list["WordPair"])
    maps: list[WordMap] = field(default_factory=list["WordMap"])
    neighbours: list[Neighbours] = field(default_factory=list["Neighbours"])
    notices: list[str] = field(default_factory=list[str])
    layers: LayerStudy | None = None

    def standing(self, arm: str, labels: int | None) -> Standing | None:
        """An arm's standing at a number of labels; None where nothing was run."""
        return next((each for each in self.standings if (each.arm, each.labels) == (arm, labels)), None)

    def contrast(self, first: str, second: str, labels: int | None) -> Contrast | None:
        """The difference of two arms, in that order; None where either is missing."""
        for each in self.contrasts:
            if (each.first, each.second, each.labels) == (first, second, labels):
                return each
            if (each.second, each.first, each.labels) == (first, second, labels):
                return Contrast(first, second, labels, -each.difference, -each.high, -each.low)
        return None

    @property
    def sizes(self) -> list[int | None]:
        """The numbers of labels, ascending, all last."""
        return _ascending({each.labels for each in self.standings})

    def write(self, folder: Path) -> Path:
        """Write `comparison.json`."""
        path = folder / FILE
        files.write_json(path, {"format_version": files.FORMAT_VERSION} | dataclasses.asdict(self))
        return path


def _ascending(labels: set[int | None]) -> list[int | None]:
    return sorted(n for n in labels if n is not None) + ([None] if None in labels else [])


_PARTS: dict[str, type[Any]] = {
    "arms": Arm, "models": ModelCard, "rows": Row, "standings": Standing, "contrasts": Contrast,
    "separations": Separation, "pairs": WordPair, "maps": WordMap, "neighbours": Neighbours,
}  # fmt: skip
_STUDY_PARTS: dict[str, type[Any]] = {"scores": WayScore, "senses": WaySense, "rows": Row}


def read(folder: str | Path) -> Comparison:
    """What `Comparison.write` wrote; CheckpointError where it is missing or something else."""
    path = Path(folder) / FILE
    if not path.is_file():
        raise CheckpointError("no comparison is there", where=str(folder), fix="Give the --out of munmaek compare.")
    values = files.read_json(path)
    try:
        if values.pop("format_version") != files.FORMAT_VERSION:
            raise CheckpointError("written by another version of munmaek", where=str(path))
        _build(values, _PARTS)
        if values.get("layers") is not None:  # comparisons of earlier versions have no such field
            _build(values["layers"], _STUDY_PARTS)
            values["layers"] = LayerStudy(**values["layers"])
        return Comparison(**values)
    except (AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(f"the comparison cannot be read: {error}", where=str(path)) from error


def _build(values: dict[str, Any], parts: dict[str, type[Any]]) -> None:
    for name, kind in parts.items():
        values[name] = [kind(**each) for each in values[name]]


def study_of(folder: Path) -> LayerStudy | None:
    """The study of layers that a folder's comparison holds already; None without one, or without a readable one."""
    try:
        return read(folder).layers
    except CheckpointError:
        return None
