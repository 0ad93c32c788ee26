"""Where a training stands in its data: one integer, an epoch and the number of a batch in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

EPOCH = 2**32
"""A position is epoch * EPOCH + batch."""

Item = TypeVar("Item")


def walk(position: int, epoch_of: Callable[[int], tuple[int, Callable[[int, int], Item]]]) -> Iterator[Item]:
    """Endless batches from a position on, each epoch's after the one before.

    Args:
        epoch_of: epoch -> how many batches it has, and (a batch's number, the position after it) -> the batch.
    """
    epoch, first = divmod(position, EPOCH)
    while True:
        num, batch_at = epoch_of(epoch)
        for number in range(first, num):
            yield batch_at(number, epoch * EPOCH + number + 1 if number + 1 < num else (epoch + 1) * EPOCH)
        epoch, first = epoch + 1, 0
