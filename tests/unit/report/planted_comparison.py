"""A planted comparison: seven systems, the same from scratch, two floors and four numbers of labels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import image

from munmaek.data.homographs import MOTTO
from munmaek.run.comparison import (
    Arm,
    Comparison,
    Contrast,
    ModelCard,
    Neighbours,
    Row,
    Separation,
    Standing,
    WordMap,
    WordPair,
)  # fmt: skip

TITLES = {"ngram": "n-gram", "word2vec": "Word2Vec", "glove": "GloVe", "elmo": "ELMo", "ulmfit": "ULMFiT",
          "gpt": "GPT", "bert": "BERT"}  # fmt: skip
SIZES = (30, 100, 1_000, None)
ALL = 8_000


def score(arm: Arm, place: int, count: int) -> float:
    """A smooth curve; the arms with few labels lie close together, with many far apart."""
    if arm.name == "chance":
        return 0.5
    gain = {"tfidf": 0.062}.get(arm.name, 0.045 + 0.008 * place - (0.03 if arm.scratch else 0.0))
    return 0.5 + gain * math.log(count / 12) / 1.5


def planted(margin: float = 0.03, **changes: Any) -> Comparison:
    """The comparison; a difference is decided where it exceeds `margin`."""
    arms = [Arm("chance", "", "chance"), Arm("tfidf", "", "TF-IDF")]
    arms += [Arm(name, name, title) for name, title in TITLES.items()]
    arms += [
        Arm(f"{name} from scratch", name, f"{TITLES[name]} from scratch", True) for name in ("ulmfit", "gpt", "bert")
    ]
    places = {name: place for place, name in enumerate(TITLES)}
    standings, contrasts, rows = [], [], []
    for labels in SIZES:
        count = labels or ALL
        means = {arm.name: score(arm, places.get(arm.system, 0), count) for arm in arms}
        standings += [Standing(name, labels, count, 3, mean, mean - 0.02, mean + 0.015) for name, mean in means.items()]
        names = list(means)
        for place, first in enumerate(names):
            contrasts += [
                Contrast(first, second, labels, gap := means[first] - means[second], gap - margin, gap + margin)
                for second in names[place + 1 :]
            ]
        rows += [
            Row(name, labels, count, seed, {"accuracy": mean}, 0.3 + count / (90 if name != "tfidf" else 4_000), 2**29,
                "answers.npz", {"munmaek": "0.1.0", "torch": "2.13.0"})
            for name, mean in means.items() for seed in range(3)
        ]  # fmt: skip
    values: dict[str, Any] = {
        "command": "munmaek compare --corpus built-in --train train.tsv --test test.tsv --out cmp",
        "made": "2026-11-25 10:00", "corpus": "built-in", "train": "train.tsv", "test": "test.tsv", "budget": "10min",
        "size": "tiny", "threads": 2, "task": "classify", "metric": "accuracy", "num_train": ALL, "num_test": 1_000,
        "num_seeds": 3, "arms": arms, "models": cards(), "rows": rows, "standings": standings, "contrasts": contrasts,
        "separations": [Separation(name, "built-in", [0.5] if static(name) else [0.5, 0.62, 0.81]) for name in TITLES],
        "pairs": [WordPair(name, "눈", *MOTTO, [1.0] if static(name) else [1.0, 0.7, 0.3 + 0.05 * place])
                  for name, place in places.items()],
        "maps": maps(), "notices": ["합성 말뭉치입니다."],
        "neighbours": [Neighbours(name, "눈", text, [("눈", "코와 눈이 크다", 0.91), ("비", "비가 와서 좋다", 0.84)])
                       for name in ("word2vec", "bert") for text in MOTTO],
    }  # fmt: skip
    return Comparison(**(values | changes))


def static(name: str) -> bool:
    return name in ("word2vec", "glove")


def cards() -> list[ModelCard]:
    return [
        ModelCard(name, title, "Devlin et al. 2018", f"cmp/{name}", "tiny", 1_234_567, 9_876_543, 4_321,
                  40.0 if static(name) else 600.0, 2**30, "morpheme", 4_000, {"loss": 2.345},
                  1.987 if name in ("ngram", "gpt") else None)
        for name, title in TITLES.items()
    ]  # fmt: skip


def maps() -> list[WordMap]:
    """눈 in forty texts, the motto's two last; the senses lie apart in contextual systems."""
    made = np.random.default_rng(0)
    senses = ["snow", "eye"] * 20
    found = []
    for name in ("word2vec", "elmo", "gpt", "bert"):
        points = made.normal(size=(40, 2)) + np.array(
            [[3.0, 0.0] if sense == "eye" else [0.0, 0.0] for sense in senses]
        )
        points = np.zeros((40, 2)) if static(name) else points
        texts = [f"글 {number}" for number in range(38)] + list(MOTTO)
        found.append(WordMap(name, "눈", 2, [tuple(map(float, point)) for point in points], texts, senses, [0] * 40))
    return found


def is_drawn(path: Path | None) -> bool:
    """Whether a PNG opens and has more than a few colours."""
    assert path is not None
    pixels = image.imread(path)
    return len(np.unique(pixels.reshape(-1, pixels.shape[-1])[::7], axis=0)) > 10
