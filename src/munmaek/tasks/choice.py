"""Which of several continuations fits a context? Multiple choice (Radford 2018 §3.3 and figure 1; COPA)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from munmaek.core.errors import DataError
from munmaek.tasks import classify
from munmaek.tasks.task import Answers

MOST_ALTERNATIVES = 100


def fit(labels: Sequence[str], where: str) -> Answers:
    """The alternatives that labels number, from 0 where one of them is 0, else from 1: their names are the numbers.

    Raises:
        DataError: a label is no such number, or all labels name the first alternative.
    """
    wrong = [label for label in labels if not label.isdecimal() or int(label) > MOST_ALTERNATIVES]
    if wrong:
        raise DataError(
            f"{len(wrong):,} of {len(labels):,} labels are no number of an alternative, the first is {wrong[0]!r}",
            where=where,
            fix="Number the right alternative of each row from 0 or from 1, or choose another --label-column.",
        )
    numbers = {int(label) for label in labels}
    first = 0 if 0 in numbers else 1
    if not numbers or max(numbers) == first:
        found = f"every row has the label {labels[0]!r}" if numbers else "no row has a label"
        raise DataError(
            f"{found}; there is nothing to choose", where=where, fix="Give rows whose right alternatives differ."
        )
    return Answers(tuple(str(number) for number in range(first, max(numbers) + 1)))


TASK = dataclasses.replace(
    classify.TASK, name="choice", title="choose among alternatives", pairs=True, fit=fit, chooses=True
)
"""Each (context, alternative) is read as one input and the head gives one number; cross entropy of their softmax."""
