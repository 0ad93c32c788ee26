"""The innermost step of every kernel, in vector instructions: some input rows against six output rows.

Numba's own vectoriser does not see that rows of one matrix are different rows, so this step is written as LLVM code of
16-wide vectors, which LLVM maps to what the processor has. Its plain twin is in `tests/unit/systems/word2vec/plain.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
"""Floats of a vector; rows are padded to a multiple."""
OUTPUTS = 6
"""Output rows of a tile."""
_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_VECTOR, _INTS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)
_LOG2_E = 1.4426950408889634


def _fit_power_of_two() -> list[float]:
    """Coefficients of 2^f on [0, 1), the constant first: degree 6, relative error below 1e-8."""
    nodes = 0.5 - 0.5 * np.cos(np.pi * (np.arange(200) + 0.5) / 200)
    weights = 1 / np.exp2(nodes)
    return np.polynomial.polynomial.polyfit(nodes, np.exp2(nodes), 6, w=weights).tolist()


class _Code:
    """Writes LLVM instructions on vectors of 16 floats."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder = builder

    def splat(self, value: float | ir.Value) -> Any:
        """A vector of one number."""
        if isinstance(value, ir.Value):
            empty = ir.Constant(_VECTOR, ir.Undefined)
            first = self.builder.insert_element(empty, value, ir.Constant(_INT, 0))
            return self.builder.shuffle_vector(first, empty, ir.Constant(_INTS, [0] * LANES))
        return ir.Constant(_VECTOR, [value] * LANES)

    def call(self, name: str, *values: Any) -> Any:
        """An LLVM intrinsic on vectors."""
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(values))
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v{LANES}f32")
        return self.builder.call(function, values)

    def multiply_add(self, first: Any, second: Any, third: Any) -> Any:
        """first x second + third, fused where the processor can."""
        return self.call("fmuladd", first, second, third)

    def pick(self, first: Any, second: Any, places: list[int]) -> Any:
        """Lanes of two vectors; 0 to 15 are the first's."""
        return self.builder.shuffle_vector(first, second, ir.Constant(_INTS, places))

    def load(self, pointer: Any, align: int = 4) -> Any:
        """Sixteen floats."""
        return self.builder.load(self.builder.bitcast(pointer, _VECTOR.as_pointer()), align=align)

    def store(self, value: Any, pointer: Any, align: int = 4) -> None:
        """Sixteen floats."""
        self.builder.store(value, self.builder.bitcast(pointer, _VECTOR.as_pointer()), align=align)

    def sums(self, vectors: list[Any]) -> Any:
        """The sum of the lanes of each of 16 vectors, in one vector, in four steps of additions."""
        order = [vectors[4 * (n % 4) + n // 4] for n in range(LANES)]  # so that the last step puts them in order
        steps = [
            ([*range(8), *range(16, 24)], [*range(8, 16), *range(24, 32)]),
            ([*range(4), *range(8, 12), *range(16, 20), *range(24, 28)],
             [*range(4, 8), *range(12, 16), *range(20, 24), *range(28, 32)]),
            ([p + q for p in range(0, 16, 4) for q in (0, 1, 16, 17)],
             [p + q for p in range(0, 16, 4) for q in (2, 3, 18, 19)]),
            ([p + q for p in range(0, 16, 4) for q in (0, 2, 16, 18)],
             [p + q for p in range(0, 16, 4) for q in (1, 3, 17, 19)]),
        ]  # fmt: skip
        for low, high in steps:
            pairs = zip(order[::2], order[1::2], strict=True)
            order = [self.builder.fadd(self.pick(a, b, low), self.pick(a, b, high)) for a, b in pairs]
        return order[0]

    def exp_minus_abs(self, values: Any) -> Any:
        """exp(-|x|), relative error about 1e-7; below 2^-126 it stays there."""
        power = self.builder.fmul(self.call("fabs", values), self.splat(-_LOG2_E))
        power = self.call("maxnum", power, self.splat(-126.0))
        whole = self.call("floor", power)
        rest = self.builder.fsub(power, whole)
        *lower, result = map(self.splat, _fit_power_of_two())
        for coefficient in reversed(lower):
            result = self.multiply_add(result, rest, coefficient)
        exponent = self.builder.add(self.builder.fptosi(whole, _INTS), ir.Constant(_INTS, [127] * LANES))
        scale = self.builder.bitcast(self.builder.shl(exponent, ir.Constant(_INTS, [23] * LANES)), _VECTOR)
        return self.builder.fmul(result, scale)


def _rows(builder: ir.IRBuilder, addresses: Any, count: int) -> list[Any]:
    """Pointers to rows, from an array of their addresses."""
    table = builder.inttoptr(addresses, ir.IntType(64).as_pointer())
    places = [builder.gep(table, [ir.Constant(_INT, number)]) for number in range(count)]
    return [builder.inttoptr(builder.load(place), _FLOAT.as_pointer()) for place in places]


def _each_block(builder: ir.IRBuilder, blocks: Any, carried: list[Any], body: Callable[..., list[Any]]) -> list[Any]:
    """A loop over blocks of 16 floats, one or more; `body` takes (first float, *carried) and gives the carried anew."""
    before = builder.block
    loop, after = builder.append_basic_block("block"), builder.append_basic_block("rest")
    builder.branch(loop)
    builder.position_at_end(loop)
    number = builder.phi(blocks.type)
    number.add_incoming(ir.Constant(blocks.type, 0), before)
    phis = [builder.phi(value.type) for value in carried]
    for phi, value in zip(phis, carried, strict=True):
        phi.add_incoming(value, before)
    results = body(builder.mul(number, ir.Constant(blocks.type, LANES)), *phis)
    following = builder.add(number, ir.Constant(blocks.type, 1))
    number.add_incoming(following, builder.block)
    for phi, value in zip(phis, results, strict=True):
        phi.add_incoming(value, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, blocks), loop, after)
    builder.position_at_end(after)
    return results


def _logits(code: _Code, inputs: list[Any], outputs: list[Any], blocks: Any) -> list[Any]:
    """Dot products; pair (input i, output o) in lane len(inputs) * o + i of the vectors, lanes of no pair 0."""
    builder = code.builder

    def body(start: Any, *sums: Any) -> list[Any]:
        left = [code.load(builder.gep(row, [start])) for row in inputs]
        right = [code.load(builder.gep(row, [start])) for row in outputs]
        pairs = [(i, o) for o in range(len(outputs)) for i in range(len(inputs))]
        return [code.multiply_add(left[i], right[o], sums[n]) for n, (i, o) in enumerate(pairs)]

    zero = code.splat(0.0)
    found = _each_block(builder, blocks, [zero] * (len(inputs) * len(outputs)), body)
    found += [zero] * (-len(found) % LANES)
    return [code.sums(found[start : start + LANES]) for start in range(0, len(found), LANES)]


def _steps(code: _Code, logits: list[Any], given: dict[str, Any], num_inputs: int, totals: Any) -> list[Any]:
    """What each pair moves by: (label - sigmoid) x rate x weights; its loss goes to `totals`.

    The loss of a pair is log(1 + exp(-|x|)) + max(x, 0) - label x. Of the first term the factors are multiplied up in
    16 floats, of the rest the sum in 16 more.
    """
    builder, found = code.builder, []
    product, rest = code.load(totals), code.load(builder.gep(totals, [ir.Constant(_INT, LANES)]))
    one, zero = code.splat(1.0), code.splat(0.0)
    for number, x in enumerate(logits):
        pairs = [divmod(number * LANES + lane, num_inputs) for lane in range(LANES)]
        by_output = [min(o, LANES - 1) for o, _ in pairs]
        label = code.pick(given["labels"], zero, by_output)
        weight = builder.fmul(
            code.pick(given["output_weights"], zero, [o if o < OUTPUTS else LANES for o in by_output]),
            code.pick(given["input_weights"], zero, [i for _, i in pairs]),
        )
        small = code.exp_minus_abs(x)
        inverse = builder.fdiv(one, builder.fadd(one, small))
        positive = builder.fcmp_ordered(">=", x, zero)
        sigmoid = builder.select(positive, inverse, builder.fmul(small, inverse))
        step = builder.fmul(builder.fmul(builder.fsub(label, sigmoid), weight), given["rate"])
        found.append(step)
        product = builder.fmul(product, code.multiply_add(small, weight, one))
        above = builder.fsub(code.call("maxnum", x, zero), builder.fmul(label, x))
        rest = code.multiply_add(above, weight, rest)
    code.store(product, totals)
    code.store(rest, builder.gep(totals, [ir.Constant(_INT, LANES)]))
    return found


def _move(code: _Code, inputs: list[Any], outputs: list[Any], steps: list[Any], blocks: Any) -> None:
    """Every row moves by the rows of the other side as they were, each times the pair's step."""
    builder = code.builder
    pair = [[divmod(len(inputs) * o + i, LANES) for o in range(len(outputs))] for i in range(len(inputs))]
    factor = [
        [code.splat(builder.extract_element(steps[vector], ir.Constant(_INT, lane))) for vector, lane in row]
        for row in pair
    ]

    def body(start: Any) -> list[Any]:
        into, out = ([builder.gep(row, [start]) for row in rows] for rows in (inputs, outputs))
        left, right = [code.load(place) for place in into], [code.load(place) for place in out]
        for i, place in enumerate(into):
            moved = left[i]
            for o in range(len(outputs)):
                moved = code.multiply_add(factor[i][o], right[o], moved)
            code.store(moved, place)
        for o, place in enumerate(out):
            moved = right[o]
            for i in range(len(inputs)):
                moved = code.multiply_add(factor[i][o], left[i], moved)
            code.store(moved, place)
        return []

    _each_block(builder, blocks, [], body)


def _tile(num_inputs: int) -> Any:
    """The intrinsic for tiles of so many inputs; all arguments but the rate are addresses and whole numbers."""

    @intrinsic
    def tile(typingctx, inputs, outputs, given, blocks, rate, totals):  # noqa: ANN001 - numba reads no types
        """See `tile_4`."""

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            code = _Code(builder)
            pointers = [builder.inttoptr(arguments[n], _FLOAT.as_pointer()) for n in (2, 5)]
            facts = {
                name: code.load(builder.gep(pointers[0], [ir.Constant(_INT, n * LANES)]))
                for n, name in enumerate(("labels", "output_weights", "input_weights"))
            }
            facts["rate"] = code.splat(arguments[4])
            left, right = _rows(builder, arguments[0], num_inputs), _rows(builder, arguments[1], OUTPUTS)
            logits = _logits(code, left, right, arguments[3])
            _move(code, left, right, _steps(code, logits, facts, num_inputs, pointers[1]), arguments[3])
            return context.get_dummy_value()

        address = types.intp
        return types.void(address, address, address, address, types.float32, address), generate

    return tile


tile_2, tile_4 = _tile(2), _tile(4)
"""Two or four input rows against six output rows: one step of stochastic gradient descent on all their pairs at once.

Args:
    inputs, outputs: addresses of arrays of the addresses (int64) of the rows; no two rows are one, but that rows of
        weight 0 may be one spare row of zeros.
    given: address of 3 x 16 floats: the label of each output (1 where it belongs to the input), then the weight (0 or
        1) of each output, then that of each input.
    blocks: sixteenths of a row's floats. rate: of learning; 0 measures and moves nothing.
    totals: address of 2 x 16 floats that take in the loss, see `_steps`.
"""


@intrinsic
def prefetch(typingctx, address):  # noqa: ANN001, ANN201 - numba reads no types
    """Ask for the cache line at an address, to be written to soon."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INT, _INT, _INT])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        numbers = [ir.Constant(_INT, value) for value in (1, 3, 1)]
        builder.call(function, [builder.inttoptr(arguments[0], byte), *numbers])
        return context.get_dummy_value()

    return types.void(types.intp), generate
