"""tour: the whole path on the built-in corpus, in minutes, ending in numbers that can be looked at."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core.files import write_atomic, write_json
from munmaek.data import homographs
from munmaek.run.evaluate import evaluate
from munmaek.run.finetune import finetune
from munmaek.run.model import Model, load
from munmaek.run.pretrain import PretrainResult, pretrain
from munmaek.tasks.sense import separation

WORD = "눈"
PER_SENSE = 12
NUM_DOCUMENTS = 20_000
TOKENIZER, VOCAB_SIZE = "morpheme", 4_000
"""Morphemes: in 눈이 and 눈을 the word is a token of its own, and its vector says nothing of the particle."""
SETTINGS = {"num_layers": 6, "mask_rate": "0.30-0.15"}
"""Three times the layers of tiny: the senses part from layer to layer."""
NUM_LABELS = 100
NUM_TEST = 1_000


@dataclass(frozen=True)
class Occurrences:
    """Held-out occurrences of one word, the sentence of each, and its vector there, in its document.

    `vectors` are `(layers, occurrences, dim)`.
    """

    word: str
    texts: list[str]
    senses: list[str]
    vectors: NDArray[np.float32]


@dataclass(frozen=True)
class TourResult:
    """What the tour found.

    Attributes:
        separation: layer -> mean over homographs of the area under the curve (tasks/sense.py), 0.5 is blindness.
        untrained: the same for the last layer of the same network with random weights.
        static: the same for one vector a word for ever, as Word2Vec has it.
        word: the occurrences of 눈, the motto's two last.
        motto: layer -> cosine of 눈 in the two sentences of the motto.
        labels: what was labelled -> {"pre-trained" | "from scratch": accuracy with 100 labels}.
    """

    folder: Path
    notice: str
    pretrained: PretrainResult
    num_homographs: int
    separation: list[float]
    untrained: float
    static: float
    word: Occurrences
    motto: list[float]
    labels: dict[str, dict[str, float]]


def tour(
    out: str | Path = "demo",
    *,
    size: str = "tiny",
    budget: str = "150s",
    seed: int = 0,
    progress: Callable[[Any], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> TourResult:
    """Pre-train a small BERT on the built-in corpus and ask what it understands of 눈, and of 100 labels.

    Args:
        out: the folder that gets the model, the labelled files, and `tour.json`.
        say: called with one line before each part.
    """
    out = Path(out)
    say(homographs.NOTICE)
    corpus = homographs.HomographCorpus(seed, NUM_DOCUMENTS)

    def train(name: str, budget: str, **settings: float) -> PretrainResult:
        return pretrain("bert", corpus=corpus, out=out / name, size=size, budget=budget, seed=seed,
                        tokenizer=TOKENIZER, vocab_size=VOCAB_SIZE, settings=SETTINGS | settings,
                        progress=progress if name == "bert" else None)  # fmt: skip

    pretrained = train("bert", budget)
    start = train("untrained", "1 steps", learning_rate=1e-12, muon_rate=0.0)
    model, untrained = load(pretrained.folder), load(start.folder)
    say(f"{len(homographs.senses())} homographs, {PER_SENSE} held-out documents a sense")
    groups = _by_word(homographs.sense_examples(PER_SENSE, seed=seed))
    found = [occurrences(model, examples) for examples in groups]
    blank = [occurrences(untrained, examples) for examples in groups]
    result = TourResult(
        folder=out,
        notice=homographs.NOTICE,
        pretrained=pretrained,
        num_homographs=len(groups),
        separation=[_mean_separation(found, layer) for layer in range(model.num_layers)],
        untrained=_mean_separation(blank, -1),
        static=float(np.mean([separation(np.ones((len(o.senses), 1)), o.senses) for o in found])),
        word=_with_motto(model, next(group for group in groups if group[0].word == WORD)),
        motto=model.similar(*homographs.MOTTO, word=WORD).layers,
        labels={label: _few_labels(label, out, pretrained.folder, seed, say) for label in ("topic", "sentiment")},
    )
    write_json(out / "tour.json", _plain(result))
    return result


def occurrences(model: Model, examples: list[homographs.SenseExample]) -> Occurrences:
    """A word's vectors in its documents, at the place that each example names."""
    vectors = [model.span_layers(e.text, e.start, e.end) for e in examples]
    return Occurrences(
        examples[0].word, [e.sentence for e in examples], [e.sense for e in examples], np.stack(vectors, axis=1)
    )


def _with_motto(model: Model, examples: list[homographs.SenseExample]) -> Occurrences:
    return occurrences(model, [*examples, *homographs.motto_examples()])


def _by_word(examples: list[homographs.SenseExample]) -> list[list[homographs.SenseExample]]:
    words: dict[str, list[homographs.SenseExample]] = {}
    for example in examples:
        words.setdefault(example.word, []).append(example)
    return [group for group in words.values() if len({e.sense for e in group}) > 1]


def _mean_separation(found: list[Occurrences], layer: int) -> float:
    return float(np.mean([separation(o.vectors[layer], o.senses) for o in found]))


def _few_labels(label: str, out: Path, model: Path, seed: int, say: Callable[[str], None]) -> dict[str, float]:
    """Accuracy on held-out documents after 100 labels, with the pre-trained weights and with fresh ones."""
    say(f"{NUM_LABELS} labels: {label}")
    paths = {}
    for part, count in (("train", NUM_LABELS * 4), ("held_out", NUM_TEST)):
        paths[part] = out / f"{label}-{part}.tsv"
        text = StringIO()
        rows = csv.writer(text, delimiter="\t", lineterminator="\n")
        rows.writerow(("text", "label"))
        rows.writerows(homographs.labelled(label, seed=seed, count=count, part=part))
        write_atomic(paths[part], text.getvalue())
    scores = {}
    for name, scratch in (("pre-trained", False), ("from scratch", True)):
        tuned = finetune("classify", model=model, train=paths["train"], labels=NUM_LABELS, from_scratch=scratch,
                         out=out / f"{label}-{'scratch' if scratch else 'bert'}", seed=seed)  # fmt: skip
        scores[name] = evaluate(tuned.folder, paths["held_out"]).scores["accuracy"]
    return scores


def _plain(result: TourResult) -> dict[str, Any]:
    return {
        "notice": result.notice,
        "homographs": result.num_homographs,
        "separation": {"static": result.static, "untrained": result.untrained, "layers": result.separation},
        "motto": dict(zip(("first", "second"), homographs.MOTTO, strict=True)) | {"cosines": result.motto},
        "labels": result.labels,
        "training": {"steps": result.pretrained.steps, "tokens": result.pretrained.tokens,
                     "seconds": result.pretrained.seconds, "validation": result.pretrained.validation},
    }  # fmt: skip
