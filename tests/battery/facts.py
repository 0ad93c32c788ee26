"""What the battery must know of each system: what a position sees, what the first loss is, and what is not asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Facts:
    """One system.

    Attributes:
        sees: what a state may depend on: "both" sides of a token, only what comes "before" it, or the token "alone".
        theory: loss part -> what an untrained system's must be near, in nats a target: "ln V" or "ln 2".
        smallest: settings of a model so small that it can be trained a thousand times.
        not_asked: test -> why it means nothing for this system; shown as the reason of a skip.
    """

    sees: str
    theory: Mapping[str, str]
    smallest: Mapping[str, Any]
    not_asked: Mapping[str, str] = field(default_factory=dict)


_ENTRIES = "a sample is an entry of a matrix: no padding, no classes; tests/unit/systems/glove asks instead"

_COUNTED = "counted in one pass, not trained step by step: no gradients, no steps, an interrupted counting starts again"
_NO_VECTORS = "an n-gram model has no vectors; tests/unit/systems/ngram asks for the refusal"

FACTS = {
    "ngram": Facts(
        "before",
        {"lm": "ln V"},
        {"order": 2},
        {
            "test_every_parameter_gets_a_gradient": _COUNTED,
            "test_one_batch_is_learnt_by_heart": _COUNTED,
            "test_resumed_equals_uninterrupted": _COUNTED,
            "test_the_loss_falls": _COUNTED,
            "test_killed_thirty_times_equals_uninterrupted": _COUNTED,
            "test_saved_and_loaded_is_the_same": _NO_VECTORS,
            "test_vectors_do_not_depend_on_neighbours_or_padding": _NO_VECTORS,
            "test_shapes_and_offsets": _NO_VECTORS,
            "test_what_a_position_sees": _NO_VECTORS,
            "test_long_texts_are_cut_not_refused": _NO_VECTORS,
            "test_an_epoch_has_every_sample_once_and_little_padding": "a sample is one prediction: there is no padding",
            "test_every_part_reacts_to_every_label_value": "before it is counted, every word is as likely as any other",
        },
    ),
    "word2vec": Facts(
        "alone",
        {"word": "6 ln 2"},
        {"dim": 24},
        {
            "test_every_parameter_gets_a_gradient": "outputs begin at 0, so inputs get theirs from the second step on",
            "test_one_batch_is_learnt_by_heart": "a word has many neighbours, so the least loss is far from 0",
            "test_rows_in_parts_equal_rows_together": "the rows of a batch are one text; no part stands for itself",
            "test_every_part_reacts_to_every_label_value": "the labels are the words around; a batch has no others",
        },
    ),
    "ulmfit": Facts(
        "before",
        {"lm": "ln V"},
        {"dim": 32, "hidden": 48, "num_layers": 2},
        {"test_epochs_differ": "a window of a stream is numbered by its place in the epoch; the text in it differs"},
    ),
    "elmo": Facts(
        "both",
        {"forward": "ln V", "backward": "ln V"},
        {"cells": 32, "dim": 16, "num_highway": 1, "filters": [[1, 8], [3, 16]]},
    ),
    "gpt": Facts("before", {"lm": "ln V"}, {"dim": 32, "num_layers": 2, "num_heads": 2}),
    "glove": Facts(
        "alone",
        {"glove": "f(X) ln²X / 2"},
        {"dim": 16},
        {
            "test_an_epoch_has_every_sample_once_and_little_padding": _ENTRIES,
            "test_the_first_loss_is_near_theory": _ENTRIES,
            "test_every_part_reacts_to_every_label_value": _ENTRIES,
        },
    ),
    "bert": Facts("both", {"mlm": "ln V", "nsp": "ln 2"}, {"dim": 32, "num_layers": 2, "num_heads": 2}),
}
