"""Which part of a paragraph answers a question? Start and end among its tokens (Devlin 2018 §4.2, §4.3).

Question and paragraph are read as one pair; each token of the paragraph has two outputs, and so has the first position,
which stands for "no answer": for a question without one (SQuAD 2.0), and in a window that does not hold the answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from munmaek.core.errors import DataError
from munmaek.data import questions
from munmaek.data.questions import Gold
from munmaek.tasks.overlap import bare, by_characters, overlap
from munmaek.tasks.task import NO_TARGET, Answers, PerToken, Task, Tokens, lost_notes

NEITHER, START, END = 0, 1, 2
"""A token's class number: that it may be an answer's start or end, and the sum of what it is."""
MOST = 0.99
"""Answers are looked for up to the length that this share of the training answers does not pass, LEAST or more."""
LEAST = 30
"""Characters."""
FAR = -1e9
"""The output of what cannot be a start or an end."""
ANSWERED, UNANSWERABLE = "answered", "unanswerable"

Found = tuple[int, int, str, float]
"""Characters [start, end) of the paragraph, its text, and how sure: 0 to 1. (0, 0, "") is no answer."""


def fit(labels: Sequence[str], where: str) -> Answers:
    """How long answers are, and whether some question has none; DataError where none has one."""
    rows = [questions.split(label) for label in labels]
    lengths = [end - start for golds in rows for start, end, _ in golds]
    if not lengths:
        found = f"none of {len(labels):,} questions has an answer"
        raise DataError(f"{found}; there is nothing to find", where=where, fix="Give questions with answers.")
    longest = int(np.quantile(lengths, MOST, method="higher"))
    return Answers(("start", "end"), longest=max(LEAST, longest), empty=any(not golds for golds in rows))


def targets(answers: Answers, labels: Sequence[str], where: str = "") -> NDArray[Any]:
    """(rows,) the answers that count as right, a tuple of `Gold` each; none where a question has no answer."""
    return _rows([questions.split(label) for label in labels])


def _rows(values: Sequence[Any]) -> NDArray[Any]:
    found = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        found[row] = value
    return found


def strata(labels: Sequence[str]) -> NDArray[np.int64]:
    """Two groups: questions with an answer, and without."""
    return np.array([bool(questions.split(label)) for label in labels], dtype=np.int64)


# ---- answers and tokens ---------------------------------------------------------------------------------------------


def _edges(gold: Gold, spans: NDArray[np.int32]) -> tuple[int, int] | None:
    """First and last token that hold characters of an answer; None where a window does not hold all of it."""
    inside = np.flatnonzero((spans[:, 0] < gold[1]) & (spans[:, 1] > gold[0]))
    if not len(inside) or spans[inside, 0].min() > gold[0] or spans[inside, 1].max() < gold[1]:
        return None
    return int(inside[0]), int(inside[-1])


def token_targets(answers: Answers, wanted: NDArray[Any], tokens: Tokens) -> NDArray[np.int64]:
    """(tokens,) START, END, their sum or NEITHER, and NO_TARGET for what is no token of the paragraph.

    Of several right answers the first one that a window holds is learnt; where it holds none, the first position, if it
    is no token of the paragraph, is start and end (run_squad.py's rule).
    """
    found = np.where(tokens.spans[:, 1] > tokens.spans[:, 0], NEITHER, NO_TARGET).astype(np.int64)
    for row, part in tokens.readings():
        spans, here = tokens.spans[part], found[part]
        edges = next(filter(None, (_edges(gold, spans) for gold in wanted[row])), None)
        if len(here) and here[0] == NO_TARGET:
            here[0] = NEITHER if edges else START + END
        if edges:
            here[edges[0]] += START
            here[edges[1]] += END
    return found


def loss(outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed over readings, in nats and float32: the mean of the cross entropies of start and end; and how many
    readings have both right. Outputs `(readings, seq, 2)`, targets `(readings, seq)`.
    """
    real = (targets != NO_TARGET).unsqueeze(2)
    marks = torch.stack([targets & START, targets & END], 2).bool() & real
    logits = outputs.float().masked_fill(~real, FAR)
    nats = torch.where(marks, logits.logsumexp(1, keepdim=True) - logits, 0.0)
    likeliest = marks.gather(1, logits.detach().argmax(1, keepdim=True))
    return nats.sum() / 2, likeliest.all(2).sum()


def answer(answers: Answers, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outputs as they are: only a whole reading makes probabilities of them."""
    return outputs


def collect(answers: Answers, outputs: NDArray[np.float32], tokens: Tokens) -> NDArray[Any]:
    """(rows,) the likeliest `Found` of each paragraph over its windows.

    A pair is as likely as its start times its end, each a softmax over a window's paragraph and its first position. No
    answer is the answer, where training had such questions, if in every window the first position is likelier than the
    best pair of all (Devlin 2018 §4.3 with a threshold of 0; over windows the least likely counts, as in run_squad.py).
    """
    best: list[Found] = [(0, 0, "", -math.inf)] * len(tokens.texts)
    none = [0.0] * len(tokens.texts)
    for row, part in tokens.readings():
        nothing, (first, last, nats) = _best(answers, outputs[part], tokens.spans[part])
        none[row] = min(none[row], nothing)
        if nats > best[row][3]:
            best[row] = (first, last, tokens.texts[row][first:last], nats)
    found: list[Found] = []
    for (first, last, text, nats), nothing in zip(best, none, strict=True):
        empty = not text or (answers.empty and nothing > nats)
        found.append((0, 0, "", math.exp(nothing)) if empty else (first, last, text, math.exp(nats)))
    return _rows(found)


def _best(
    answers: Answers, outputs: NDArray[np.float32], spans: NDArray[np.int32]
) -> tuple[float, tuple[int, int, float]]:
    """Log probability of no answer in a window, and its best pair: characters [first, last) and log probability."""
    places = np.flatnonzero(spans[:, 1] > spans[:, 0])
    if not len(places):
        return 0.0, (0, 0, -math.inf)
    has_first = bool(places[0] > 0)
    logits = outputs[np.concatenate([[0], places]) if has_first else places].astype(np.float64)
    logits -= logits.max(0)
    logs = logits - np.log(np.exp(logits).sum(0))
    nothing = float(logs[0].sum()) if has_first else -math.inf
    start, end = logs[int(has_first) :].T
    lengths = spans[places, 1][None, :] - spans[places, 0][:, None]
    fits = (lengths <= answers.longest) & (places[None, :] >= places[:, None])
    pairs = np.where(fits, start[:, None] + end[None, :], -math.inf)
    first, last = np.unravel_index(int(pairs.argmax()), pairs.shape)
    return nothing, (int(spans[places[first], 0]), int(spans[places[last], 1]), float(pairs[first, last]))


def chance(answers: Answers, texts: Sequence[str], wanted: NDArray[Any], asked: Sequence[str]) -> NDArray[Any]:
    """(asked,) the first word of each paragraph; no answer, where most of the questions had none."""
    if 2 * sum(not golds for golds in wanted) > len(wanted):
        return _rows([(0, 0, "", 1.0)] * len(asked))
    words = [re.search(r"\S+", text) for text in asked]
    return _rows([(*word.span(), word.group(), 1.0) if word else (0, 0, "", 1.0) for word in words])


def unreachable(wanted: NDArray[Any], tokens: Tokens) -> tuple[int, int, int]:
    """Questions with an answer; those whose answers all begin or end inside a token; those that no window holds."""
    ways: list[set[str]] = [set() for _ in wanted]
    for row, part in tokens.readings():
        spans = tokens.spans[part]
        for gold in wanted[row]:
            edges = _edges(gold, spans)
            if edges is not None:
                exact = (spans[edges[0], 0], spans[edges[1], 1]) == gold[:2]
                ways[row].add("exact" if exact else "inside")
    asked = [found for found, golds in zip(ways, wanted, strict=True) if golds]
    return len(asked), sum(found == {"inside"} for found in asked), sum(not found for found in asked)


# ---- scores ---------------------------------------------------------------------------------------------------------


def _each(found: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.float64]:
    """(rows, 2): exact match and F1 of each answer, the best over the right ones.

    As in SQuAD 2.0's script, what is only punctuation and articles is no right answer, none at all is the empty one.
    """
    characters = by_characters(text for golds in wanted for *_, text in golds)
    rows: list[tuple[float, float]] = []
    for (_, _, text, _), golds in zip(found, wanted, strict=True):
        right = [gold for *_, gold in golds if bare(gold, characters)] or [""]
        exact = max(float(bare(text, characters) == bare(gold, characters)) for gold in right)
        rows.append((exact, max(overlap(text, gold, characters) for gold in right)))
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def evidence(answers: Answers, found: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.float64]:
    """(rows, 2): a row's F1, and 1."""
    f1 = _each(found, wanted)[:, 1]
    return np.stack([f1, np.ones(len(f1))], axis=1)


def figure(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean F1 of rows."""
    return sums[..., 0] / np.maximum(sums[..., 1], 1.0)


def score(answers: Answers, found: NDArray[Any], wanted: NDArray[Any]) -> dict[str, float]:
    """Mean F1 and the share of exact matches, 0 to 1."""
    each = _each(found, wanted)
    exact, f1 = each.sum(0) / max(1, len(each))
    return {"f1": float(f1), "exact": float(exact)}


def by_class(answers: Answers, found: NDArray[Any], wanted: NDArray[Any]) -> dict[str, float]:
    """F1 of the questions with and without an answer, where there are both."""
    has = np.array([bool(golds) for golds in wanted], dtype=bool)
    if has.all() or not has.any():
        return {}
    f1 = _each(found, wanted)[:, 1]
    return {ANSWERED: float(f1[has].mean()), UNANSWERABLE: float(f1[~has].mean())}


# ---- what a person is told ------------------------------------------------------------------------------------------


def about(labels: Sequence[str], dev: Sequence[str] | None) -> list[str]:
    """How many questions there are, how many without an answer, and how long answers are."""
    rows = [questions.split(label) for label in labels]
    lengths = [end - start for golds in rows for start, end, _ in golds]
    without = sum(not golds for golds in rows)
    longest = fit(labels, "").longest
    notes = [
        f"{len(rows):,} questions, {without:,} without an answer; answers have {np.median(lengths):.0f} characters in "
        f"the middle, and are looked for up to {longest}"
    ]
    unseen = 0 if without else sum(not questions.split(label) for label in dev or [])
    if unseen:
        notes.append(f"{unseen:,} dev questions have no answer, but every training question has one: counted wrong")
    return notes


def lost(wanted: NDArray[Any], tokens: Tokens, name: str) -> list[str]:
    """What no answer can get right, in sentences."""
    return lost_notes(name, "answers", unreachable(wanted, tokens), "are in no window whole, and cannot be learnt")


TASK = Task(
    "span", "answer questions from a paragraph", True, "f1", fit, targets, loss, answer, score, strata, evidence,
    figure, per_token=PerToken(token_targets, len, collect, by_class, about, lost, chance, windows=True),
    chance="First word",
)  # fmt: skip
"""`answer` leaves outputs as they are, and `per_token.collect` makes an answer of a paragraph's windows."""
