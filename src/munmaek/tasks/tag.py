"""Which parts of a text are named entities? A BIO tag a token, cross entropy (Devlin 2018 §5.3); F1 over entities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from munmaek.core.errors import DataError
from munmaek.data import tagged
from munmaek.data.tagged import OUTSIDE, Entity
from munmaek.tasks import classify
from munmaek.tasks.labelled import characters
from munmaek.tasks.task import NO_TARGET, Answers, PerToken, Task, Tokens, lost_notes

SHOWN = 8


def fit(labels: Sequence[str], where: str) -> Answers:
    """O, then B- and I- of each type that some row has; DataError where none has an entity."""
    types = sorted({kind for label in labels for *_, kind in tagged.split(label)})
    if not types:
        found = f"none of {len(labels):,} rows has an entity"
        raise DataError(
            f"{found}; there is nothing to find", where=where, fix="Give rows with entities, tagged B-TYPE."
        )
    return Answers((OUTSIDE, *(f"{part}-{kind}" for kind in types for part in "BI")))


def targets(answers: Answers, labels: Sequence[str], where: str = "") -> NDArray[Any]:
    """(rows,) the entities of each text, those of types unseen in training too."""
    return _rows([tagged.split(label) for label in labels])


def _rows(entities: Sequence[Sequence[Entity]]) -> NDArray[Any]:
    found = np.empty(len(entities), dtype=object)
    for row, each in enumerate(entities):
        found[row] = tuple(each)
    return found


def strata(labels: Sequence[str]) -> NDArray[np.int64]:
    """A group a type: that of a row's rarest entity; one for rows without an entity."""
    rows = [{kind for *_, kind in tagged.split(label)} for label in labels]
    counts = Counter(kind for kinds in rows for kind in kinds)
    order = {kind: place for place, kind in enumerate(sorted(counts, key=lambda kind: (counts[kind], kind)))}
    return np.array([min((order[kind] for kind in kinds), default=-1) for kinds in rows], dtype=np.int64)


# ---- entities and tokens --------------------------------------------------------------------------------------------


def _touched(entity: Entity, spans: NDArray[np.int32]) -> NDArray[np.int64]:
    """The tokens of a text that hold characters of an entity."""
    return np.flatnonzero((spans[:, 0] < entity[1]) & (spans[:, 1] > entity[0]))


def token_targets(answers: Answers, wanted: NDArray[Any], tokens: Tokens) -> NDArray[np.int64]:
    """(tokens,) class numbers: B- where an entity begins in a token, I- where one goes on, else O.

    Of two entities that begin in one token it is the first one's. A token without characters has no target.
    """
    places = {name: place for place, name in enumerate(answers.classes)}
    spans = tokens.spans
    found = np.where(spans[:, 1] > spans[:, 0], places[OUTSIDE], NO_TARGET).astype(np.int64)
    for row, part in tokens.readings():
        tags, begun = found[part], set[int]()
        for entity in wanted[row]:
            inside = _touched(entity, spans[part]) if f"B-{entity[2]}" in places else np.zeros(0, np.int64)
            free = inside[tags[inside] == places[OUTSIDE]]
            tags[free] = places.get(f"I-{entity[2]}", NO_TARGET)
            if len(inside) and int(inside[0]) not in begun:
                tags[inside[0]] = places[f"B-{entity[2]}"]
                begun.add(int(inside[0]))
    return found


def loss(outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed cross entropy in nats of the tokens `(texts, seq)` that have a target, and how many are right."""
    real = targets != NO_TARGET
    return classify.loss(outputs[real], targets[real])


def count(targets: Any) -> int:
    """Tokens that have a target."""
    return int((targets != NO_TARGET).sum())


def collect(answers: Answers, probabilities: NDArray[np.float32], tokens: Tokens) -> NDArray[Any]:
    """(rows,) the entities that the likeliest tag of each token makes, in characters; see `tagged.entities_of`.

    Of several tokens of the same characters (bytes, contracted morphemes) the first one's tag counts.
    """
    likeliest = probabilities.argmax(axis=1)
    found: list[list[Entity]] = []
    for _, part in tokens.readings():
        spans = tokens.spans[part]
        reached = np.maximum.accumulate(np.concatenate([[0], spans[:, 1]]))
        chosen = reached[1:] > reached[:-1]
        tags = [answers.classes[place] for place in likeliest[part][chosen].tolist()]
        found.append(tagged.entities_of(tags, [(start, end) for start, end in spans[chosen].tolist()]))
    return _rows(found)


def unreachable(wanted: NDArray[Any], tokens: Tokens) -> tuple[int, int, int]:
    """Of some texts' entities: how many there are, begin or end inside a token, and end past what is read."""
    total = inside = past = 0
    for row, part in tokens.readings():
        for entity in wanted[row]:
            total += 1
            touched = tokens.spans[part][_touched(entity, tokens.spans[part])]
            if not len(touched) or touched[:, 1].max() < entity[1]:
                past += 1
            elif touched[:, 0].min() < entity[0] or touched[:, 1].max() > entity[1]:
                inside += 1
    return total, inside, past


def chance(answers: Answers, texts: Sequence[str], wanted: NDArray[Any], asked: Sequence[str]) -> NDArray[Any]:
    """(asked,) what the commonest tag of all characters that are no spaces makes of other texts."""
    tags = token_targets(answers, wanted, characters(texts))
    commonest = np.bincount(tags[tags != NO_TARGET], minlength=answers.num_outputs).argmax()
    places = characters(asked)
    every = np.eye(answers.num_outputs, dtype=np.float32)[np.full(len(places.spans), commonest)]
    return collect(answers, every, places)


# ---- scores ---------------------------------------------------------------------------------------------------------


def evidence(answers: Answers, found: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.float64]:
    """(rows, 3): entities found exactly (start, end and type), entities predicted, entities wanted."""
    rows = [(len({*a} & {*b}), len({*a}), len({*b})) for a, b in zip(found, wanted, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def figure(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of the entities of all rows together; 0 where there are none."""
    return 2 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1.0)


def score(answers: Answers, found: NDArray[Any], wanted: NDArray[Any]) -> dict[str, float]:
    """F1, precision and recall over exact entities, 0 to 1."""
    sums = evidence(answers, found, wanted).sum(axis=0)
    precision, recall = sums[0] / max(1.0, sums[1]), sums[0] / max(1.0, sums[2])
    return {"entity_f1": float(figure(sums)), "precision": float(precision), "recall": float(recall)}


def by_class(answers: Answers, found: NDArray[Any], wanted: NDArray[Any]) -> dict[str, float]:
    """F1 of each type that is predicted or wanted."""
    types = sorted({kind for rows in (found, wanted) for row in rows for *_, kind in row})
    return {kind: score(answers, _only(found, kind), _only(wanted, kind))["entity_f1"] for kind in types}


def _only(rows: NDArray[Any], kind: str) -> NDArray[Any]:
    return _rows([[entity for entity in row if entity[2] == kind] for row in rows])


def about(labels: Sequence[str], dev: Sequence[str] | None) -> list[str]:
    """How many entities of which types there are, in sentences for a person."""
    counts = _counts(labels)
    listed = ", ".join(f"{kind} {count:,}" for kind, count in counts.most_common(SHOWN))
    more = " ..." if len(counts) > SHOWN else ""
    notes = [f"{counts.total():,} entities of {len(counts)} types in {len(labels):,} texts: {listed}{more}"]
    unseen = {kind: count for kind, count in _counts(dev or []).items() if kind not in counts}
    if unseen:
        names = ", ".join(sorted(unseen))
        notes.append(f"{sum(unseen.values()):,} dev entities have types that no training row has ({names}): missed")
    return notes


def _counts(labels: Sequence[str]) -> Counter[str]:
    return Counter(kind for label in labels for *_, kind in tagged.split(label))


def lost(wanted: NDArray[Any], tokens: Tokens, name: str) -> list[str]:
    """What no answer can get right, in sentences."""
    return lost_notes(
        name, "entities", unreachable(wanted, tokens), "lie past the tokens that are read, and count as missed"
    )


TASK = Task(
    "tag", "find named entities", False, "entity_f1", fit, targets, loss, classify.answer, score, strata,
    evidence, figure, per_token=PerToken(token_targets, count, collect, by_class, about, lost, chance),
)  # fmt: skip
"""`answer` gives tokens their probabilities, and `per_token.collect` makes entities of them."""
