"""The compiled loop over sentences: which words are kept, which meet, and what each meeting changes.

The plain twin, step by step the same with the same random numbers, is in `tests/unit/systems/word2vec/plain.py`.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from numba import njit

from munmaek.core.compiled import compiled
from munmaek.systems.word2vec.tiles import LANES, OUTPUTS, prefetch, tile_2, tile_4

LONGEST = 1_000
"""Words of the longest sentence; a longer one is cut there (MAX_SENTENCE_LENGTH of the original program)."""
TRIES = 10
"""How often a negative that stands there already is drawn again before it is left out."""
_FOLD = 50  # tiles until the product of factors up to 4 is taken into the loss, well below the largest float32
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@no_type_check
@njit
def mixed(state: Any) -> Any:
    """64 random bits from a counter (Steele 2014, SplitMix64's finaliser)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@no_type_check
@njit
def _below(bits: Any, size: Any) -> Any:
    """A whole number in [0, size) from the upper half of 64 random bits."""
    return np.int64(((bits >> _HALF) * np.uint64(size)) >> _HALF)


@no_type_check
@njit
def _keep(ids: Any, keep: Any, words: Any, state: Any) -> Any:
    """The words of a sentence that stay: (how many, the random state after them)."""
    size = 0
    for word in ids:
        state += _GOLDEN
        if keep[word] != 0 and (mixed(state) >> _HALF) <= keep[word]:
            words[size] = word
            size += 1
    return size, state


@no_type_check
@njit
def _draw(words: Any, size: Any, window: Any, alias: Any, reach: Any, negatives: Any, state: Any) -> None:
    """The reach of every position's window, 1 to `window`, and the negatives it meets, -1 where one is left out.

    A negative is neither the word itself nor another of the same position.
    """
    for place in range(size):
        state += _GOLDEN
        reach[place] = 1 + _below(mixed(state), window)
        for number in range(negatives.shape[1]):
            negatives[place, number] = -1
            for _ in range(TRIES):
                state += _GOLDEN
                bits = mixed(state)
                column = _below(bits, alias.shape[0])
                word = column if (bits & _LOW) < alias[column, 0] else np.int64(alias[column, 1])
                fresh = word != words[place]
                for earlier in range(number):
                    fresh = fresh and negatives[place, earlier] != word
                if fresh:
                    negatives[place, number] = word
                    break


@no_type_check
@njit
def _fetch(address: Any, blocks: Any) -> None:
    for line in range(blocks):
        prefetch(address + line * 4 * LANES)


@no_type_check
@njit
def _meet(left: Any, num_left: Any, right: Any, labels: Any, num_right: Any, work: Any, blocks: Any, rate: Any) -> Any:
    """Every input row against every output row, tile by tile; returns the number of tiles.

    A tile takes up to four inputs, of which no two are the same row, and up to six outputs; it sees what the tiles
    before it have changed.
    """
    near, far, given, totals, spare_row = work
    place, tiles, spare = 0, 0, spare_row.ctypes.data
    while place < num_left:
        size = 0
        while size < 4 and place + size < num_left:
            seen = False
            for earlier in range(size):
                seen = seen or near[earlier] == left[place + size]
            if seen:
                break
            near[size] = left[place + size]
            size += 1
        place += size
        for number in range(4):
            given[2, number] = number < size
            if number >= size:
                near[number] = spare
        for first in range(0, num_right, OUTPUTS):
            for number in range(OUTPUTS):
                there = first + number < num_right
                far[number] = right[first + number] if there else spare
                given[0, number] = labels[first + number] if there else 0.0
                given[1, number] = there
            if size > 2:
                tile_4(near.ctypes.data, far.ctypes.data, given.ctypes.data, blocks, rate, totals.ctypes.data)
            else:
                tile_2(near.ctypes.data, far.ctypes.data, given.ctypes.data, blocks, rate, totals.ctypes.data)
            tiles += 1
    return tiles


@no_type_check
@njit
def _fold(totals: Any) -> Any:
    """Take the loss out of the tiles' totals (see `tiles._steps`) and clear them."""
    loss = 0.0
    for lane in range(LANES):
        loss += np.log(np.float64(totals[0, lane])) + totals[1, lane]
        totals[0, lane] = 1.0
        totals[1, lane] = 0.0
    return loss


@no_type_check
@njit
def _outputs(word: Any, negatives: Any, paths: Any, base: Any, stride: Any, right: Any, labels: Any) -> Any:
    """Addresses and labels of the output rows that a word's neighbours meet; returns how many.

    The word and its negatives, or where there is a tree the nodes on the word's way, label 1 where it goes left.
    """
    offsets, nodes, turns = paths
    if len(offsets) > 1:
        start, stop = offsets[word], offsets[word + 1]
        for number in range(stop - start):
            right[number] = base + stride * nodes[start + number]
            labels[number] = turns[start + number] == 0
        return stop - start
    right[0] = base + stride * word
    labels[0] = 1.0
    size = 1
    for other in negatives:
        if other >= 0:
            right[size] = base + stride * other
            labels[size] = 0.0
            size += 1
    return size


@no_type_check
@njit
def _compose(words: Any, size: Any, grams: Any, inputs: Any, buffer: Any, before: Any) -> None:
    """The rows of a sentence's words, twice: the mean of the word's own row and those of its n-grams."""
    offsets, rows = grams
    for place in range(size):
        start, stop = offsets[words[place]], offsets[words[place] + 1]
        target, twin = buffer[place], before[place]
        for number in range(len(target)):
            target[number] = 0.0
        share = np.float32(1.0 / (stop - start))
        for row in rows[start:stop]:
            source = inputs[row]
            for number in range(len(target)):
                target[number] += share * source[number]
        for number in range(len(target)):
            twin[number] = target[number]


@no_type_check
@njit
def _spread(words: Any, size: Any, grams: Any, inputs: Any, buffer: Any, before: Any) -> None:
    """What each composed row moved by, added to every row that it was composed of (Bojanowski 2017's program)."""
    offsets, rows = grams
    for place in range(size):
        moved, was = buffer[place], before[place]
        for row in rows[offsets[words[place]] : offsets[words[place] + 1]]:
            target = inputs[row]
            for number in range(len(target)):
                target[number] += moved[number] - was[number]


@no_type_check
@njit
def _mean(addresses: Any, size: Any, base: Any, rows: Any, hidden: Any) -> None:
    """The mean of the rows at some addresses, twice: to be changed, and as it was."""
    stride, target, twin = 4 * rows.shape[1], hidden[0], hidden[1]
    for number in range(len(target)):
        target[number] = 0.0
    share = np.float32(1.0 / size)
    for address in addresses[:size]:
        source = rows[(address - base) // stride]
        for number in range(len(target)):
            target[number] += share * source[number]
    for number in range(len(target)):
        twin[number] = target[number]


@no_type_check
@njit
def _give_back(addresses: Any, size: Any, base: Any, rows: Any, hidden: Any) -> None:
    """What the mean moved by, added to every row that it is the mean of (the original program's neu1e)."""
    stride, moved, was = 4 * rows.shape[1], hidden[0], hidden[1]
    for address in addresses[:size]:
        target = rows[(address - base) // stride]
        for number in range(len(target)):
            target[number] += moved[number] - was[number]


@no_type_check
@njit
def _sentence(
    words: Any, size: Any, reach: Any, negatives: Any, rows: Any, outputs: Any, paths: Any, own_rows: Any, window: Any,
    cbow: Any, hidden: Any, room: Any, work: Any, tiles: Any, rate: Any,
) -> Any:  # fmt: skip
    """Learn from one sentence, whose place n has row n where `own_rows`, else its word's.

    Returns the loss taken in, the targets, and the tiles whose loss is still in the totals.
    """
    blocks, stride = rows.shape[1] // LANES, 4 * rows.shape[1]
    left_base, right_base = rows.ctypes.data, outputs.ctypes.data
    left, mean, right, labels = room
    mean[0] = hidden.ctypes.data
    loss, targets = 0.0, 0
    for place in range(size):
        if place + 1 < size:
            _ahead(words, place + 1, size, window, negatives, left_base, right_base, stride, blocks, own_rows)
        num_left = 0
        for other in range(max(0, place - reach[place]), min(size, place + reach[place] + 1)):
            if other != place:
                left[num_left] = left_base + stride * (other if own_rows else words[other])
                num_left += 1
        if num_left == 0:
            continue
        num_right = _outputs(words[place], negatives[place], paths, right_base, stride, right, labels)
        if cbow:
            _mean(left, num_left, left_base, rows, hidden)
            tiles += _meet(mean, len(mean), right, labels, num_right, work, blocks, rate)
            _give_back(left, num_left, left_base, rows, hidden)
            targets += 1
        else:
            tiles += _meet(left, num_left, right, labels, num_right, work, blocks, rate)
            targets += num_left
        if tiles >= _FOLD:
            loss += _fold(work[3])
            tiles = 0
    return loss, targets, tiles


@no_type_check
@compiled
def learn(
    ids: Any, offsets: Any, samples: Any, base_seed: Any, keep: Any, inputs: Any, outputs: Any, alias: Any, paths: Any,
    grams: Any, window: Any, num_negatives: Any, cbow: Any, rate: Any,
) -> Any:  # fmt: skip
    """Learn from some sentences in place.

    Args:
        ids: (tokens,) int32. offsets: (sentences + 1,) int64, where each begins. samples: (sentences,) int64, numbers
            that their random draws follow, with `base_seed` (uint64).
        keep: (vocabulary,) uint32, a word stays where 32 random bits are at most this; 0 is never.
        inputs: (rows, row) float32. outputs: (vocabulary, row) float32. A row is padded to 16 floats.
        alias: (vocabulary, 2) uint32, see `tables.alias_table`; unused with a tree.
        paths: offsets, nodes, turns of every word's way in the tree; offsets of length 1 for negative sampling.
        grams: offsets, rows of `inputs` that every word is the mean of; offsets of length 1 where it is its own row.
        window: most words to each side. num_negatives: a position's. cbow: whether the neighbours' mean predicts the
            word (else each neighbour does). rate: of learning; 0 measures only.
    Returns:
        The summed loss in nats, its targets (pairs; with cbow words), and the words kept.
    """
    row, subwords = inputs.shape[1], len(grams[0]) > 1
    words, reach = np.empty(LONGEST, np.int32), np.empty(LONGEST, np.int32)
    negatives = np.empty((LONGEST, 0 if len(paths[0]) > 1 else num_negatives), np.int32)
    buffer = np.empty((2, LONGEST if subwords else 1, row), np.float32)
    spare, hidden = np.zeros(row, np.float32), np.empty((2, row), np.float32)
    near, far = np.empty(4, np.int64), np.empty(OUTPUTS, np.int64)
    given, totals = np.zeros((3, LANES), np.float32), np.empty((2, LANES), np.float32)
    work = near, far, given, totals, spare  # arrays, not addresses: numba frees what is not used any more
    most = max(96, num_negatives + 1)  # a Huffman tree of 2^63 words is less deep
    left, mean = np.empty(2 * window, np.int64), np.empty(1, np.int64)
    room = left, mean, np.empty(most, np.int64), np.empty(most, np.float32)
    _fold(totals)
    loss, targets, kept, tiles = 0.0, 0, 0, 0
    for sentence in range(len(samples)):
        state = mixed(base_seed + _GOLDEN * np.uint64(samples[sentence] + 1))
        size, state = _keep(ids[offsets[sentence] : offsets[sentence + 1]], keep, words, state)
        _draw(words, size, window, alias, reach, negatives, state)
        kept += size
        if subwords:
            _compose(words, size, grams, inputs, buffer[0], buffer[1])
        rows = buffer[0] if subwords else inputs
        more, met, tiles = _sentence(
            words, size, reach, negatives, rows, outputs, paths, subwords, window, cbow, hidden, room, work, tiles, rate
        )
        loss, targets = loss + more, targets + met
        if subwords:
            _spread(words, size, grams, inputs, buffer[0], buffer[1])
    return loss + _fold(totals), targets, kept


@no_type_check
@njit
def _ahead(
    words: Any, place: Any, size: Any, window: Any, negatives: Any, left_base: Any, right_base: Any, stride: Any,
    blocks: Any, subwords: Any,
) -> None:  # fmt: skip
    """Ask the memory for the rows that a position is about to meet."""
    if not subwords and place + window < size:
        _fetch(left_base + stride * words[place + window], blocks)
    if negatives.shape[1] > 0:
        _fetch(right_base + stride * words[place], blocks)
        for other in negatives[place]:
            if other >= 0:
                _fetch(right_base + stride * other, blocks)


@no_type_check
@compiled
def pairs(
    ids: Any, offsets: Any, samples: Any, base_seed: Any, keep: Any, alias: Any, paths: Any, window: Any,
    num_negatives: Any, cbow: Any,
) -> Any:  # fmt: skip
    """What `learn` would let meet, in its order: (targets, 1 or 2 window) words, (targets, most) output rows, labels.

    Arguments are those of `learn`; -1 fills up both.
    """
    words, reach = np.empty(LONGEST, np.int32), np.empty(LONGEST, np.int32)
    negatives = np.empty((LONGEST, num_negatives), np.int32)
    most = 1 + num_negatives
    for word in range(len(paths[0]) - 1):
        most = max(most, paths[0][word + 1] - paths[0][word])
    right, labels = np.empty(most, np.int64), np.empty(most, np.float32)
    room = 1 if cbow else 2 * window
    all_left = np.full((len(ids) * room, 2 * window if cbow else 1), -1, np.int64)
    all_right, all_labels = (
        np.full((len(ids) * room, most), -1, np.int64),
        np.zeros((len(ids) * room, most), np.float32),
    )
    targets = 0
    for sentence in range(len(samples)):
        state = mixed(base_seed + _GOLDEN * np.uint64(samples[sentence] + 1))
        size, state = _keep(ids[offsets[sentence] : offsets[sentence + 1]], keep, words, state)
        _draw(words, size, window, alias, reach, negatives, state)
        for place in range(size):
            num_right = _outputs(words[place], negatives[place], paths, 0, 1, right, labels)
            near = 0
            for other in range(max(0, place - reach[place]), min(size, place + reach[place] + 1)):
                if other != place:
                    all_left[targets, near if cbow else 0] = words[other]
                    for number in range(num_right):
                        all_right[targets, number] = right[number]
                        all_labels[targets, number] = labels[number]
                    near += 1
                    targets += 0 if cbow else 1
            targets += 1 if cbow and near > 0 else 0
    return all_left[:targets], all_right[:targets], all_labels[:targets]
