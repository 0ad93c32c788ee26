from __future__ import annotations

from itertools import islice

from munmaek.core.positions import EPOCH, walk


def epoch_of(epoch: int):
    """Epochs of 3, 4, 5 ... batches, each named by its epoch and number."""
    return 3 + epoch, lambda number, after: (epoch, number, after)


def test_every_batch_of_every_epoch_comes_once_and_knows_what_follows() -> None:
    found = list(islice(walk(0, epoch_of), 12))
    assert [(epoch, number) for epoch, number, _ in found] == [
        *((0, n) for n in range(3)), *((1, n) for n in range(4)), *((2, n) for n in range(5)),
    ]  # fmt: skip
    assert [after for *_, after in found[:4]] == [1, 2, EPOCH, EPOCH + 1]


def test_going_on_from_any_position_is_going_on() -> None:
    whole = list(islice(walk(0, epoch_of), 12))
    for place, (*_, after) in enumerate(whole[:-1]):
        assert list(islice(walk(after, epoch_of), 11 - place)) == whole[place + 1 :]


def test_an_epoch_is_made_when_it_is_reached() -> None:
    made: list[int] = []

    def watched(epoch: int):
        made.append(epoch)
        return epoch_of(epoch)

    list(islice(walk(0, watched), 3))
    assert made == [0]
