"""Self-training: a model fine-tuned on few labels labels more text, and its pupil learns from both (Scudder 1965)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import RequestError
from munmaek.core.runtime import permutation
from munmaek.data.corpus import TextCorpus
from munmaek.run.tuning import Fitted, Tuner, compute
from munmaek.tasks.examples import Examples
from munmaek.train.trainer import Event

MOST_TEXTS = 20_000
PER_LABEL = 20
"""Texts that the teacher labels: so many a label, at most MOST_TEXTS."""
SHARE = 0.5
"""Of those given to a class, the surest share is kept."""
TEXTS_STREAM = 0x5E1F


def read_texts(path: str | Path, text_column: str | None = None) -> list[str]:
    """The distinct documents of a text or table file, as `pretrain` reads a corpus, sentences joined by spaces."""
    return list(dict.fromkeys(" ".join(document) for document in TextCorpus([Path(path)], text_column=text_column)))


def surest(probabilities: NDArray[np.floating], share: float = SHARE) -> NDArray[np.int64]:
    """Rows `(kept,)`, ascending: of those whose likeliest class is the same, the surest share, rounded up."""
    likeliest, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    kept: list[NDArray[np.int64]] = []
    for each in np.unique(likeliest):
        rows = np.flatnonzero(likeliest == each)
        order = np.argsort(-sure[rows], kind="stable")
        kept.append(rows[order[: int(np.ceil(share * len(rows)))]])
    return np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.int64)


def self_trained(
    tuner: Tuner,
    texts: Sequence[str],
    seed: int,
    labels: int | None = None,
    *,
    folder: Path | None = None,
    identity: Mapping[str, Any] | None = None,
    progress: Callable[[Event], None] | None = None,
) -> Fitted:
    """Fine-tune, label some of the texts, and fine-tune the pre-trained model anew on the labels and those.

    The pupil has the teacher's settings and steps through its larger set as often as the defaults for its size say.

    Raises:
        RequestError: the task has no classes, or reads pairs; or there are no texts but those labelled.
    """
    if tuner.task.pairs or not tuner.task.classifies:
        raise RequestError(f"{tuner.task.name} cannot train itself", where="--unlabelled", fix="Use it with classify.")
    teacher = tuner.fit(seed, labels, folder=folder / "teacher" if folder else None, identity=identity,
                        progress=progress)  # fmt: skip
    chosen = tuner.examples.take(tuner.rows(labels, seed))
    asked = _drawn(texts, chosen.texts, min(MOST_TEXTS, PER_LABEL * len(chosen)), seed)
    if not asked:
        fix = "Give a file with other texts, one a line."
        raise RequestError("there are no texts beside those with labels", where="--unlabelled", fix=fix)
    tokens = tuner.read(Examples(asked, None, [], "--unlabelled"))
    probabilities = tuner.task.answer(teacher.answers, compute(tuner.model, teacher.network, tokens))
    rows = surest(probabilities)
    named = [teacher.answers.classes[place] for place in probabilities.argmax(axis=1)[rows].tolist()]
    together = Examples(chosen.texts + [asked[row] for row in rows.tolist()], None, chosen.labels + named, chosen.where)
    pupil = Tuner(tuner.model, tuner.task, together, tuner.dev, changes=tuner.changes, max_length=tuner.max_length,
                  folder=tuner.folder)  # fmt: skip
    return pupil.fit(seed, folder=folder / "pupil" if folder else None, identity=identity, progress=progress)


def _drawn(texts: Sequence[str], known: Iterable[str], count: int, seed: int) -> list[str]:
    """`count` of the texts that are not known, drawn by the seed, in their order."""
    seen = set(known)
    others = [text for text in texts if text.strip() and text not in seen]
    order = permutation(len(others), seed, TEXTS_STREAM)[:count]
    return [others[row] for row in np.sort(order).tolist()]
