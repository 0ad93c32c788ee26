"""tour: the whole lineage on one text, in minutes, ending in the report of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from munmaek.data.homographs import HomographCorpus
from munmaek.run.compare import compare
from munmaek.run.comparison import Comparison
from munmaek.run.known_data import BUILT_IN, known_data
from munmaek.run.request import SIZES, Told

BUDGET = {BUILT_IN: "20s", "nsmc": "10m"}
SIZE = {BUILT_IN: "tiny", "nsmc": "mini"}
LABELS: dict[str, tuple[int | None, ...]] = {BUILT_IN: (100,), "nsmc": SIZES}
SEEDS = {BUILT_IN: 1, "nsmc": 5}
SMALL = {"tokenizer": "morpheme", "vocab_size": 4_000}
"""For the built-in corpus. Morphemes: in 눈이 and 눈을 the word is a token of its own, and its vector says nothing of
the particle."""
DOCUMENTS = 8_000
"""Of the built-in corpus: no network reads as many in twenty seconds of two cores, and all 20,000 would take fifteen
seconds more to cut into morphemes."""
FAST = {"optimizer": "muon", "muon_rate": 0.04, "batch_tokens": 1024}
OWN: dict[str, dict[str, Any]] = {
    "elmo": {"words": "auto",
             "settings": {**FAST, "learning_rate": 5e-3, "cells": 256, "dim": 256, "memory": 64,
                          "sampled_words": 512, "filters": ((1, 16), (2, 32), (3, 64), (4, 64), (5, 64))}},
    "ulmfit": {"words": "auto", "settings": {**FAST, "learning_rate": 1.2e-2, "memory": 32}},
    "gpt": {"words": "auto",
            "settings": {"num_layers": 4, "batch_tokens": 1024, "learning_rate": 1e-2}},
    "bert": {"words": "auto",
             "settings": {"num_layers": 4, "batch_tokens": 1024, "learning_rate": 5e-3, "mask_rate": 0.5,
                          "next_sentence": "off"}},
}  # fmt: skip
"""For what is learnt in seconds: more layers than tiny has, since the senses part from layer to layer; much hidden at a
time, so that a whole document is needed to fill it in, and no pairs; the cells of ELMo and ULMFiT remember a document
from the start, at the cost of the next word; all four start at word vectors, which take two of their seconds (senses of
GPT 0.93 against 0.73 on one day), and ELMo, which learns to spell them in six more, has filters enough for that, a
softmax over some of the words, and cells that are not projected; high rates and small batches, so many steps."""

QUICK = {"epochs": 10, "learning_rate": 8e-4}
OWN_TUNING = {"gpt": QUICK, "bert": QUICK}
"""For tiny networks on a hundred labels: what 25 epochs at 3e-4 give (three seeds: BERT 63.6 and 63.8 % of the topics,
GPT 63.8 and 62.8), in two fifths of the time."""


def tour(
    out: str | Path = "demo",
    *,
    data: str = BUILT_IN,
    budget: str | None = None,
    size: str | None = None,
    seed: int = 0,
    command: str = "",
    told: Told | None = None,
) -> Comparison:
    """Compare all systems on a data set known by name, by default the built-in corpus in less than five minutes.

    Args:
        out: the folder that gets everything; see `compare`, also for what is raised.
        data: "built-in", or "nsmc" for the real one, which takes hours.
    """
    known = known_data(data, Path(out), seed)
    built_in = data == BUILT_IN
    corpus = HomographCorpus(seed, DOCUMENTS) if built_in else known.corpus
    return compare(
        out=out, corpus=corpus, train=known.train, test=known.test, budget=budget or BUDGET[data],
        size=size or SIZE[data], labels=LABELS[data], seeds=SEEDS[data], scratch=not built_in,
        pretraining=SMALL if built_in else {}, own=OWN if built_in else {},
        own_tuning=OWN_TUNING if built_in else {}, seed=seed, command=command, told=told,
    )  # fmt: skip
