"""Compiled loops of GloVe: counting neighbours, shuffling, and the weighted least squares update.

Each has a slow plain twin in `tests/unit/systems/glove`. They run without Python's lock, so threads share the work.
"""

# numba compiles these functions; annotations and docstrings' shapes stand for the types it finds
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false
from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from munmaek.core.compiled import compiled

AHEAD = 8
"""Entries between the one that is learnt from and the one whose rows are fetched into the cache."""
LINE = 16
"""float32 values in a cache line."""
_HALF, _ONE = np.float32(0.5), np.float32(1)
_MIX_1, _MIX_2, _GOLDEN = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0x9E3779B97F4A7C15)


@intrinsic
@no_type_check
def _fetch(typing_context: Any, array: Any, row: Any, column: Any) -> Any:
    """Ask the processor for the cache line of array[row, column], to be written soon; nothing waits for it."""

    @no_type_check
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        place = cgutils.get_item_pointer(
            context, builder, kind, context.make_array(kind)(context, builder, arguments[0]), list(arguments[1:])
        )
        byte, number = cgutils.voidptr_t, cgutils.int32_t
        shape = cgutils.ir.FunctionType(cgutils.ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0")
        builder.call(function, [builder.bitcast(place, byte), number(1), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp), build


@compiled
@no_type_check
def fill(ids: Any, starts: Any, ends: Any, keep: Any, stream: Any) -> int:
    """Write the words of contexts ids[starts[k]:ends[k]] into `stream`, -1 before and after each; returns its length.

    `keep` (vocab,) says which word a token counts as; -1 leaves it out, and its neighbours become neighbours.
    """
    stream[0] = -1
    place = 1
    for context in range(len(starts)):
        for token in range(starts[context], ends[context]):
            word = keep[ids[token]]
            if word >= 0:
                stream[place] = word
                place += 1
        stream[place] = -1
        place += 1
    return place


@compiled
@no_type_check
def group(stream: Any, length: int, starts: Any, positions: Any) -> None:
    """Positions of each word: positions[starts[w]:starts[w + 1]], ascending. `starts` (vocab + 2,) comes zeroed."""
    for place in range(length):
        if stream[place] >= 0:
            starts[stream[place] + 2] += 1
    for word in range(2, len(starts)):
        starts[word] += starts[word - 1]
    for place in range(length):
        word = stream[place]
        if word >= 0:
            positions[starts[word + 1]] = place
            starts[word + 1] += 1


@compiled
@no_type_check
def count_rows(
    stream: Any, starts: Any, positions: Any, first: int, last: int, weights: Any, symmetric: bool, sums: Any,
    touched: Any, records: Any, values: Any, row_ends: Any,
) -> int:  # fmt: skip
    """Co-occurrences of the words from `first` up to `last`, one row of X after the other; returns how many.

    Args:
        weights: (window + 1,) what a neighbour at each distance counts. symmetric: right neighbours count, too.
        sums: (vocab,) float64 zeros, and zeros again afterwards. touched: (vocab,) scratch.
        records: (room, 3) uint32, filled with word, neighbour and, through its float32 view `values`, the count.
        row_ends: (last - first,) where each row ends.
    """
    place = 0
    for row in range(first, last):
        num = 0
        for occurrence in range(starts[row], starts[row + 1]):
            here = positions[occurrence]
            for step in range(-1, 2 if symmetric else 0, 2):
                for distance in range(1, len(weights)):
                    other = stream[here + step * distance]
                    if other < 0:
                        break
                    if sums[other] == 0.0:
                        touched[num] = other
                        num += 1
                    sums[other] += weights[distance]
        for number in range(num):
            other = touched[number]
            records[place, 0] = row
            records[place, 1] = other
            values[place, 2] = sums[other]
            sums[other] = 0.0
            place += 1
        row_ends[row - first] = place
    return place


@compiled
@no_type_check
def merge_rows(
    parts: Any, counts: Any, borders: Any, sums: Any, touched: Any, records: Any, values: Any
) -> int:  # fmt: skip
    """Add up the same rows of several runs; returns how many entries there are.

    Args:
        parts: (entries, 3) uint32, the runs' records one run after the other. counts: its float32 view.
        borders: (runs, rows + 1), where in `parts` each row of each run begins and ends.
        sums, touched, records, values: as for `count_rows`.
    """
    place = 0
    for row in range(borders.shape[1] - 1):
        num = 0
        word = np.uint32(0)
        for run in range(borders.shape[0]):
            for entry in range(borders[run, row], borders[run, row + 1]):
                word = parts[entry, 0]
                other = parts[entry, 1]
                if sums[other] == 0.0:
                    touched[num] = other
                    num += 1
                sums[other] += counts[entry, 2]
        for number in range(num):
            other = touched[number]
            records[place, 0] = word
            records[place, 1] = other
            values[place, 2] = sums[other]
            sums[other] = 0.0
            place += 1
    return place


@compiled
@no_type_check
def mix(number: Any) -> Any:
    """64 well-mixed bits of a number (SplitMix64's finaliser, Steele 2014)."""
    state = np.uint64(number) * _GOLDEN
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


@compiled
@no_type_check
def shuffle(records: Any, stream: int) -> None:
    """A random order of the records (rows, 3) in place, a pure function of `stream` and their number (Fisher-Yates)."""
    for place in range(len(records) - 1, 0, -1):
        other = np.int64(mix(np.uint64(stream) + np.uint64(place)) % np.uint64(place + 1))
        for part in range(3):
            held = records[place, part]
            records[place, part] = records[other, part]
            records[other, part] = held


@compiled
@no_type_check
def scatter(records: Any, num_piles: int, stream: int, sizes: Any, piled: Any) -> None:
    """Sort records (rows, 3) into `piled` by a random pile each; `sizes` (piles + 2,) comes zeroed, leaves as borders.

    The pile is a pure function of `stream` and of the record's word and neighbour.
    """
    for pass_number in range(2):
        for place in range(len(records)):
            key = (np.uint64(records[place, 0]) << np.uint64(32)) | np.uint64(records[place, 1])
            pile = np.int64(mix(mix(key) + np.uint64(stream)) % np.uint64(num_piles))
            if pass_number == 0:
                sizes[pile + 2] += 1
            else:
                for part in range(3):
                    piled[sizes[pile + 1], part] = records[place, part]
                sizes[pile + 1] += 1
        if pass_number == 0:
            for pile in range(2, num_piles + 2):
                sizes[pile] += sizes[pile - 1]


@compiled
@no_type_check
def gather(
    records: Any, values: Any, runs: Any, run: int, turn: int, start: int, places: Any, rows: Any, columns: Any,
    counts: Any,
) -> None:  # fmt: skip
    """Fill `places`, `rows`, `columns` and `counts` with what stands from `start` on in an epoch's order.

    Args:
        records: (entries, 3) uint32; `values` its float32 view. runs: which run stands at each place of the epoch; what
            is left over, less than a run, stays at the end. run: entries of a run. turn: where the epoch begins.
    """
    num = len(records)
    number, within = start // run, start % run
    for step in range(len(places)):
        place = (runs[number] if number < len(runs) else number) * run + within + turn
        if place >= num:
            place -= num
        places[step] = place
        rows[step] = records[place, 0]
        columns[step] = records[place, 1]
        counts[step] = values[place, 2]
        within += 1
        if within == run:
            number, within = number + 1, 0


@compiled(fastmath=True, error_model="numpy")
@no_type_check
def learn(
    words: Any, contexts: Any, word_squares: Any, context_squares: Any, rows: Any, columns: Any, targets: Any,
    weights: Any, rate: Any,
) -> float:  # fmt: skip
    """One AdaGrad step for each entry in turn (Pennington 2014 §3.1, eq. 8); returns the summed cost before each.

    Args:
        words, contexts: (vocab, dim + 1) float32, the last column the bias; changed in place.
        word_squares, context_squares: the accumulated squares of each, changed in place.
        rows, columns: (entries,) word and neighbour. targets: (entries,) ln X. weights: (entries,) f(X), eq. 9.
        rate: float32, the learning rate; it scales the gradient before that is squared, as in the released program.
    """
    dim = words.shape[1] - 1
    cost = 0.0
    num = len(rows)
    for entry in range(num):
        coming = entry + AHEAD
        if coming < num:
            for part in range(0, dim + 1, LINE):
                _fetch(words, rows[coming], part)
                _fetch(word_squares, rows[coming], part)
                _fetch(contexts, columns[coming], part)
                _fetch(context_squares, columns[coming], part)
        word, word_square = words[rows[entry]], word_squares[rows[entry]]
        context, context_square = contexts[columns[entry]], context_squares[columns[entry]]
        difference = word[dim] + context[dim] - targets[entry]
        for part in range(dim):
            difference += word[part] * context[part]
        slope = weights[entry] * difference
        cost += np.float64(_HALF * slope * difference)
        slope *= rate
        for part in range(dim):
            of_word, of_context = slope * context[part], slope * word[part]
            word[part] -= of_word * (_ONE / np.sqrt(word_square[part]))
            context[part] -= of_context * (_ONE / np.sqrt(context_square[part]))
            word_square[part] += of_word * of_word
            context_square[part] += of_context * of_context
        word[dim] -= slope * (_ONE / np.sqrt(word_square[dim]))
        context[dim] -= slope * (_ONE / np.sqrt(context_square[dim]))
        word_square[dim] += slope * slope
        context_square[dim] += slope * slope
    return cost
