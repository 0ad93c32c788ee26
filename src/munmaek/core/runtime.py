"""Counter-based random numbers, threads and environment: what makes a run repeatable.

A random draw here is a pure function of its counters (seed, epoch, sample, stream, position), computed with the
SplitMix64 finaliser (Steele 2014), vectorised. Nothing holds generator state, so any sample of any epoch
can be made again without replaying those before it.
"""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import suppress
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Counter: TypeAlias = "int | NDArray[np.integer]"

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def draw(*counters: Counter) -> NDArray[np.uint64]:
    """64 random bits for every broadcast combination of the counters (integers or integer arrays)."""
    state = np.zeros((), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for counter in counters:
            value = np.asarray(counter).astype(np.uint64)
            state = state * _MIX_1 + _GOLDEN * (value + np.uint64(1))
            state = (state ^ (state >> np.uint64(30))) * _MIX_1
            state = (state ^ (state >> np.uint64(27))) * _MIX_2
            state = state ^ (state >> np.uint64(31))
    return state


def uniform(*counters: Counter) -> NDArray[np.float64]:
    """Numbers in [0, 1) for every broadcast combination of the counters."""
    return (draw(*counters) >> np.uint64(11)).astype(np.float64) * (1.0 / (1 << 53))


def integers(high: Counter, *counters: Counter) -> NDArray[np.int64]:
    """Integers in [0, high) for every broadcast combination; `high` broadcasts too and must be positive."""
    return np.minimum(uniform(*counters) * high, np.asarray(high) - 1).astype(np.int64)


def permutation(size: int, *counters: int) -> NDArray[np.int64]:
    """A random order of range(size), a pure function of the counters."""
    return np.argsort(draw(*counters, np.arange(size, dtype=np.uint64)), kind="stable")


def num_threads() -> int:
    """Threads this process may use: OMP_NUM_THREADS where set, else the processors it is allowed on."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return processors()


def processors() -> int:
    """Processors that this process is allowed on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def world() -> tuple[int, int]:
    """This process's rank and the number of processes, from torchrun's environment; (0, 1) without it."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def tune_process() -> None:
    """Settings of this process that make training on a CPU faster; call before the first matrix product.

    Memory: glibc keeps freed blocks instead of giving them back to the system. A training step allocates and frees the
    same tens of megabytes again and again; by default each time costs the page faults of fresh memory, a fifth of a
    step on two cores. Elsewhere than on glibc this does nothing.

    Matrix products: oneDNN compiles one kernel a shape and keeps 1,024; batches of every length need a few times that.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "4096")
    trim_threshold, mmap_threshold, top_pad = -1, -3, -2
    try:
        libc = ctypes.CDLL(None)
        for name, value in ((mmap_threshold, 1 << 30), (trim_threshold, 2**31 - 1), (top_pad, 64 << 20)):
            libc.mallopt(name, value)
    except (AttributeError, OSError):
        return


def forget_peak_memory() -> None:
    """Begin to measure `peak_memory` anew, where the system can (Linux), after giving back what nobody holds."""
    gc.collect()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)  # `tune_process` has freed blocks kept
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return


def peak_memory() -> int:
    """The most memory this process has held, in bytes, since `forget_peak_memory` or its start; 0 where unknown."""
    try:
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return 0
