"""What a piece of work cost: time, memory, and energy where the machine counts it."""

from __future__ import annotations

import time
from types import TracebackType

from munmaek.core import runtime
from munmaek.core.energy import Energy


class Cost:
    """The cost of what was done while this was entered; of work that failed, too.

    with Cost() as cost:
        train(job)
    cost.seconds

    Attributes:
        seconds: by the clock, not the processor.
        peak_memory: bytes that this process held at the most; 0 where that is unknown.
        joules: of the whole machine (see `energy`); None where nothing is counted.
    """

    def __init__(self) -> None:
        self.seconds, self.peak_memory = 0.0, 0
        self._energy = Energy()

    @property
    def joules(self) -> float | None:
        """What the machine took."""
        return self._energy.joules

    def __enter__(self) -> Cost:
        runtime.forget_peak_memory()
        self._energy.__enter__()
        self._began = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.seconds = time.monotonic() - self._began
        self._energy.__exit__(kind, error, at)
        self.peak_memory = runtime.peak_memory()
