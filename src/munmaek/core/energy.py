"""How much energy the machine's processors took meanwhile, where it counts that: an estimate for a table's rows.

Counted is the whole machine, whatever else ran on it: processor packages and memory by Linux's powercap counters (RAPL,
readable by root alone on most machines), NVIDIA GPUs by NVML, where `nvidia-ml-py` is installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from math import inf, isinf
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any

POWERCAP = Path("/sys/class/powercap")
COUNTED = ("package", "dram")
"""Names of the zones that are added up; others are parts of these (core, uncore) or have them as parts (psys)."""
LOOK_EVERY = 60.0
"""Seconds between readings: a counter of 262 kJ comes round in half an hour of 150 W, and may do so once in between."""

Counter = Callable[[], tuple[float, float]]
"""A counter's joules now, and those after which it begins at 0 again (infinity: only anew)."""


class Energy:
    """What was taken while this was entered, in joules; None where nothing is counted here.

    with Energy() as energy:
        train(job)
    energy.joules
    """

    def __init__(self) -> None:
        self.joules: float | None = None
        self._over = Event()
        self._watch = Thread(target=self._look, daemon=True)

    def __enter__(self) -> Energy:
        self._counters = {counter: found[0] for counter in counters() if (found := _read(counter)) is not None}
        if self._counters:
            self.joules = 0.0
            self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._watch.ident is not None:
            self._over.set()
            self._watch.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            self._add()
        self._add()

    def _add(self) -> None:
        for counter, before in self._counters.items():
            found = _read(counter)
            if found is not None:
                now, whole = found
                self._counters[counter] = now
                since = now - before if now >= before else now if isinf(whole) else now + whole - before
                self.joules = (self.joules or 0.0) + since


def counters() -> list[Counter]:
    """This machine's counters, some of which may refuse to be read."""
    return [*_zones(), *_gpus()]


def _read(counter: Counter) -> tuple[float, float] | None:
    with suppress(Exception):  # a counter that cannot be read is none, whatever its reason; NVML has errors of its own
        return counter()
    return None


def _zones() -> list[Counter]:
    found: list[Counter] = []
    for zone in sorted(POWERCAP.glob("intel-rapl:*")):
        with suppress(OSError):
            if (zone / "name").read_text().strip().startswith(COUNTED):
                found.append(lambda zone=zone: (_joules(zone / "energy_uj"), _joules(zone / "max_energy_range_uj")))
    return found


def _joules(path: Path) -> float:
    return int(path.read_text()) / 1e6


def _gpus() -> list[Counter]:
    """The GPUs this process may use: all, or those numbered in CUDA_VISIBLE_DEVICES."""
    with suppress(Exception):  # no nvidia-ml-py, no driver, no GPU
        nvml: Any = import_module("pynvml")
        nvml.nvmlInit()
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        count = int(nvml.nvmlDeviceGetCount())
        numbers = range(count) if named is None else [int(each) for each in named.split(",") if each.strip().isdigit()]
        handles = [nvml.nvmlDeviceGetHandleByIndex(number) for number in numbers if number < count]
        return [
            lambda handle=handle: (float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3, inf)
            for handle in handles
        ]
    return []
