"""The runs of a comparison side by side: on a processor, several processes of few threads do more than one of many.

Small networks fill no more than a core or two: on two cores a fine-tuning in two threads takes nearly three quarters of
the time of one in one thread, so two beside each other take three quarters of both.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from munmaek.core import errors
from munmaek.core.errors import Interrupted, JobError, MunmaekError
from munmaek.core.runtime import num_threads, world
from munmaek.run import messages
from munmaek.run.entrants import Run
from munmaek.run.messages import Answer, Begin, Failure, Share, Task
from munmaek.run.request import Request, UnderWay
from munmaek.train.distributed import pick_device
from munmaek.train.interrupt import Interrupt

MEMORY, RUNS = 2 << 30, 4
"""A lane for every so many bytes of the machine's memory, and for every so many runs: its start takes ten seconds."""
LOOK_SECONDS = 0.5
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def lanes_for(request: Request, runs: int) -> int:
    """In how many processes so many runs of networks are done: 1 is this one, and so it is on a GPU.

    It depends on what is asked and on the machine, not on what is done already: what a run gets depends, in its last
    bits, on the number of its threads.
    """
    if pick_device(request.device).type != "cpu" or world()[1] > 1:
        return 1
    return max(1, min(num_threads(), runs // RUNS, _memory() // MEMORY))


def _memory() -> int:
    """Bytes of memory that this machine has; without a limit where nobody says."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 1 << 62


def side_by_side(
    request: Request, tasks: Sequence[Task], lanes: int, threads: int,
    heard: Callable[[Task, Answer], None], told: Callable[[UnderWay], None],
) -> None:  # fmt: skip
    """Do tasks in so many processes of so many threads; `heard` gets each one's answer when it is there.

    Raises what failed in a process first, JobError where one ended, Interrupted: the others are ended, and what was
    done is kept.
    """
    with Interrupt() as asked, tempfile.TemporaryFile() as log, _Lanes(request, tasks, lanes, threads, log) as running:
        for task, answer in running.answers():
            if isinstance(answer, Failure):
                raise _raised(answer)
            if task is not None and answer is not None:
                heard(task, answer)
            if asked.number:
                done = f"{running.done:,} of {len(tasks):,} runs are done"
                raise Interrupted(f"stopped; {done}", where=str(request.out), signal_number=asked.number)
            told(running.under_way())


class _Lanes:
    """The processes while entered, what each is at, and what is left for them."""

    def __init__(self, request: Request, tasks: Sequence[Task], lanes: int, threads: int, log: Any) -> None:
        self.total, self.done, self.left = len(tasks), 0, list(tasks)
        self.owned: dict[int, set[str]] = {number: set() for number in range(lanes)}
        self.at: dict[int, tuple[Task, float]] = {}
        self.log = log
        self.found: SimpleQueue[tuple[int, Answer | Share | None]] = SimpleQueue()
        environment = os.environ | dict.fromkeys(THREADS, str(threads))
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        # of the text all that is still needed is whether it is the built-in one
        corpus = request.corpus if request.built_in else ""
        first = Begin(replace(request, corpus=corpus, pretraining={}, own={}), lanes)
        command = [sys.executable, "-c", "from munmaek.run.lane import main; main()"]
        self.processes = [
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
            )  # Ctrl-C is heard here alone
            for _ in range(lanes)
        ]
        for number, process in enumerate(self.processes):
            self._write(process, first)
            Thread(target=self._listen, args=(number, process), daemon=True).start()
            self._next(number)

    def __enter__(self) -> _Lanes:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                with suppress(OSError):
                    stream.close()

    def answers(self) -> Iterator[tuple[Task | None, Answer | None]]:
        """Each task with its answer; between them, now and then, (None, None)."""
        while self.at:
            try:
                number, answer = self.found.get(timeout=LOOK_SECONDS)
            except Empty:
                yield None, None
                continue
            if number not in self.at:  # it had nothing left to do, and ended
                continue
            if answer is None:
                raise self._ended(number)
            task, _ = self.at[number]
            if isinstance(answer, Share):
                self.at[number] = task, answer.done
                yield None, None
                continue
            self.done += 1
            self._next(number)
            yield task, answer

    def under_way(self) -> UnderWay:
        """How far all are."""
        return UnderWay(self.done, self.total, [(task.title, share) for task, share in self.at.values()])

    def _next(self, number: int) -> None:
        """Give a lane something of the size that comes first, so that all systems have something early.

        Of that size: what is of a system that it has, else of one that none has, else of the one with most left.
        """
        self.at.pop(number, None)
        if not self.left:
            return
        mine, taken = self.owned[number], set[str]().union(*self.owned.values())
        left = [task for task in self.left if _size(task) == _size(self.left[0])]

        def place(task: Task) -> tuple[int, int]:
            system = task.system
            if system in mine:
                return 0, 0
            return (1, 0) if system not in taken else (2, -sum(other.system == system for other in left))

        task = min(left, key=place)  # the first among equals
        self.left.remove(task)
        if task.system:
            mine.add(task.system)
        self.at[number] = task, 0.0
        self._write(self.processes[number], task)

    @staticmethod
    def _write(process: subprocess.Popen[bytes], message: Begin | Task) -> None:
        assert process.stdin is not None
        with suppress(OSError):  # that it has ended is heard from its output
            messages.write(process.stdin, message)

    def _listen(self, number: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with suppress(Exception):  # what a killed process left of an answer, whatever it is: nothing more comes
            for answer in messages.read(process.stdout):
                self.found.put((number, answer))
        self.found.put((number, None))

    def _ended(self, number: int) -> JobError:
        code = self.processes[number].wait()
        self.log.seek(0)
        error = JobError(
            f"the process of {self.at[number][0].title} ended with code {code}",
            fix="The machine may have run out of memory: OMP_NUM_THREADS=1 does one run after another. What is done is "
                "kept: run the same command again.",
        )  # fmt: skip
        error.add_note(self.log.read().decode("utf-8", "replace")[-4_000:])
        return error


def _size(task: Task) -> Any:
    return task.labels if isinstance(task, Run) else task.__class__


def _raised(failure: Failure) -> Exception:
    """The error that a lane had, as this process would have raised it."""
    kind = getattr(errors, failure.kind, None)
    if isinstance(kind, type) and issubclass(kind, MunmaekError):
        error: Exception = kind(failure.what, where=failure.where, fix=failure.fix)
    else:
        error = RuntimeError(f"{failure.kind}: {failure.what}")
    error.add_note(failure.trace)
    return error
