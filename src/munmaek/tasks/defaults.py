"""How to fine-tune, by the number of labels: one table, and the reasons for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from munmaek.core.config import ABOVE_0, FROM_0, SHARE, Range, check_values
from munmaek.core.errors import RequestError
from munmaek.core.recipe import DECAYS, OPTIMIZERS, Recipe
from munmaek.nn.pooling import POOLINGS

REFERENCE_DIM = 256
"""Width of the encoder that the rates below are for; see `settings_for`."""


@dataclass(frozen=True)
class Settings:
    """How one fine-tuning goes.

    Attributes:
        epochs: passes over the training rows.
        batch_rows: rows of an optimiser step.
        learning_rate: peak rate of the encoder. head_rate: the head's, as a multiple of it.
        layer_decay: factor on the rate from each layer to the one below it (Howard 2018 §3.2).
        warmup: share of the training in which the rate rises from 0; then it falls to 0 in a straight line.
        decay: another shape of that fall, as in a Recipe.
        unfreeze: epochs after which one more layer begins to learn, from the top: first what stands on the encoder
            (Howard 2018 §3.3: 1); 0 is all from the start. In the second half of the training all learn.
        pooling: how token states become a text's vector. dropout: before the head. weight_decay: of matrices.
        optimizer, muon_rate: as in a Recipe. network_dropout: of every dropout while training; below 0 leaves its own.
        subword_dropout: chance that a subword is passed over when a text is cut, anew each epoch (data/variation.py).
        probe: the head, one linear map, starts where it fits the rows best with the encoder as it is (tasks/probe.py).
        fresh_layers: so many top layers begin from new random weights (Zhang 2021 §4).
        frozen: the encoder stays as it is, and only what stands on it learns.
        reader: options of the system's own reader of an encoder's layers, where it has one.
        early_stopping: end after the epoch in which the gradients of the rows say no more than noise would
            (train/evidence.py), where no dev set tells.
        apart: the two texts of a row are read one by one, and how their vectors meet is answered (Conneau 2017 §3.1,
            Reimers 2019 §3); else as one text, as Devlin 2018 and Radford 2018 read them.
        auxiliary: weight of the system's auxiliary loss (Radford 2018 equation 5: 0.5); 0 where it has none.
    """

    epochs: float
    batch_rows: int
    learning_rate: float
    head_rate: float = 5.0
    layer_decay: float = 1.0
    warmup: float = 0.1
    pooling: str = "mean"
    dropout: float = 0.1
    weight_decay: float = 0.01
    optimizer: str = "adamw"
    muon_rate: float = 0.002
    network_dropout: float = -1.0
    subword_dropout: float = 0.0
    decay: str = "linear"
    unfreeze: float = 0.0
    auxiliary: float = 0.0
    probe: bool = False
    fresh_layers: int = 0
    frozen: bool = False
    early_stopping: bool = False
    apart: bool = False
    reader: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def recipe(self, max_length: int) -> Recipe:
        """The trainer's recipe; a step is counted in rows, `batch_tokens` only bounds its memory."""
        return Recipe(
            learning_rate=self.learning_rate, warmup=self.warmup, decay=self.decay, batch_tokens=32_768,
            micro_tokens=16_384, max_length=max_length, weight_decay=self.weight_decay, beta_2=0.999, clip=1.0,
            optimizer=self.optimizer, muon_rate=self.muon_rate, dropout=self.network_dropout,
        )  # fmt: skip


_RANGES = {
    "epochs": ABOVE_0, "batch_rows": ABOVE_0, "learning_rate": ABOVE_0, "head_rate": ABOVE_0,
    "layer_decay": ABOVE_0, "warmup": SHARE, "dropout": SHARE, "weight_decay": FROM_0, "muon_rate": FROM_0,
    "network_dropout": Range(below=1), "subword_dropout": SHARE, "unfreeze": FROM_0, "auxiliary": FROM_0,
    "fresh_layers": FROM_0,
}  # fmt: skip
_CHOICES = {"pooling": POOLINGS, "optimizer": OPTIMIZERS, "decay": DECAYS}


def known_settings(changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Changes to settings, by name, without those that are None; numbers of numpy's are Python's then.

    RequestError for a name that is no setting's and a value that it cannot have, given at `where`.
    """
    known = [each.name for each in fields(Settings)]
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise RequestError(f"no setting {unknown[0]!r}", where=where, fix=f"Settings: {', '.join(known)}.")
    found = {name: value.item() if isinstance(value, np.generic) else value for name, value in changes.items()}
    found = {name: value for name, value in found.items() if value is not None}
    check_values(Settings, found, where, _RANGES, _CHOICES)
    return found


_BY_LABELS: tuple[tuple[int, Settings], ...] = (
    (300, Settings(epochs=25, batch_rows=16, learning_rate=3e-4)),
    (3_000, Settings(epochs=8, batch_rows=32, learning_rate=3e-4)),
    (30_000, Settings(epochs=3, batch_rows=32, learning_rate=1.5e-4)),
    (10**12, Settings(epochs=3, batch_rows=64, learning_rate=1.5e-4)),
)
"""Up to so many labels: the settings.

A new head on 100 rows needs 150 or more steps to settle, which is 25 epochs of small batches. From a few thousand rows
on the danger is the other one: at 4e-4 and four epochs on 10,000 reviews the network learns its rows by heart (training
loss 0.1) and loses 1.4 points against 1.5e-4 and three epochs. The head starts from nothing and learns five times as
fast as the encoder. Vectors are the mean over tokens: the first token's state was trained by next sentence prediction
at most.
"""


PROBED_PER_CLASS = 30
"""Labels a class from which a head starts at the probe. With six (100 labels, 17 topics of the built-in corpus) the
probe and its short fine-tuning lose ten points to a random head."""

_PROBED: tuple[tuple[int, Settings], ...] = (
    *((most, replace(settings, probe=True, epochs=epochs, learning_rate=1e-4, head_rate=1.0, dropout=0.0,
                     network_dropout=0.0))
      for (most, settings), epochs in zip(_BY_LABELS, (8, 4), strict=False)),
    *((most, replace(settings, learning_rate=1e-4, network_dropout=0.0)) for most, settings in _BY_LABELS[2:]),
)  # fmt: skip
"""The same for single texts where one linear map stands on a pre-trained encoder and starts at the probe (Kumar 2022).

On 6,000 rows held out of NSMC's training split, a BERT of ten minutes, five and three seeds: with 100 labels the table
above has 71.8 %, the probe alone 75.1, with fine-tuning after it 75.7 (3e-5, 25 epochs), and at 1e-4 8 epochs are as
good as 25; with 1,000 labels 77.4, 78.0, and 78.1 at 1e-4 or 78.3 at 3e-4 after 4 epochs. Without any dropout: a probe
fits the states as they are, and under dropout those of a network that was pre-trained without have other means, which
can tip every answer to one side (a longer trained BERT with 100 labels, one seed: 61.5 % with it, 77.6 without, 74.5
the probe alone; with 1,000, two seeds, 82.3 without it, 80.4 without it at 3e-4, and 81.4 with it there).

Past 3,000 labels the head starts at random, and the network still learns better without dropout and at this rate: two
BERTs, one seed, 10,000 labels, scored on 50,000 others, 83.7 and 85.7 % in the table above, 84.0 and 85.9 here.
"""


_ONE_VECTOR: tuple[tuple[int, Settings], ...] = tuple(
    (
        most,
        replace(settings, dropout=0.0, warmup=0.0, learning_rate=rate, head_rate=head / rate, frozen=most <= 3_000),
    )
    for (most, settings), rate, head in zip(_BY_LABELS, (3e-4, 3e-4, 1e-3, 1e-3), (0.03, 0.03, 0.01, 0.01), strict=True)
)
"""The same for systems with one vector a word: no layers to upset, so what is learnt bears high rates.

With few labels the vectors had better stay what pre-training made them, and a head on small numbers must learn fast.
On 4,000 reviews, three seeds, 100 and 1,000 labels: frozen with a head at 0.03 76.8 and 81.3 %; trained at 3e-4 with a
head at 0.003 76.5 and 80.5; the same with a head at 0.03 75.6 and 81.1. On the 17 topics of the built-in corpus at 50
and 200 labels 39 and 58 % against 18 and 38. With more labels they learn: on 8,000 reviews 1e-3 gave 81.7 and 4e-3
80.6, after 3 epochs as after 8.
"""


_MARKED = Settings(epochs=1, batch_rows=32, learning_rate=3e-5, head_rate=10.0, dropout=0.0, probe=True, frozen=True)
"""Where two usages of a marked word are compared: what the vectors know is weighed, and they stay as they are.

Which answer a word has more often in KB-WiC's training rows is right for 45 % of its dev rows, so what is learnt by
heart misleads. A BERT of ten minutes of general text has 62.0 % on dev this way (57.3 on 818 rows held out of
training), 48.2 (52.0) after three epochs of all layers at 3e-5, 44.6 (51.3) at 1e-4; a map of the word's own vectors,
|u - v| and u * v, had 45.4 (46.8).
"""


def settings_for(
    num_labels: int, dim: int, *, static: bool = False, probed: bool = False, marked: bool = False
) -> Settings:
    """Settings for a number of labels and the width of an encoder.

    `static`: it has one vector a word; `probed`: the head may start at a probe, as it does where labels are few;
    `marked`: a marked word's usages are compared.

    The rate of layers falls with the power 1.5 of the width past 256: 1.5e-4 there is 2.9e-5 at 768 and 3e-4 is 5.8e-5,
    about the range that Devlin 2018 §A.3 recommends for BERT-base (2e-5 to 5e-5); narrow networks bear, and need,
    larger rates.
    """
    if marked:
        return _MARKED
    if static:
        return next(settings for most, settings in _ONE_VECTOR if num_labels <= most)
    settings = next(settings for most, settings in (_PROBED if probed else _BY_LABELS) if num_labels <= most)
    factor = min(1.0, (REFERENCE_DIM / dim) ** 1.5)
    return replace(settings, learning_rate=settings.learning_rate * factor)


def steps_of(settings: Settings, num_rows: int) -> int:
    """About how many optimiser steps some settings mean."""
    return max(1, round(settings.epochs * math.ceil(num_rows / settings.batch_rows)))
