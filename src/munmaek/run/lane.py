"""One lane of a comparison: a process of its own that does the runs it is told; `lanes` starts it and tells it.

What it is told and what it answers are lines (`messages`), through its standard input and output, from and to its
parent alone.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

from munmaek.core.errors import MunmaekError
from munmaek.data.morphemes import remembered
from munmaek.run import in_context
from munmaek.run.arms import Question
from munmaek.run.entrants import Entrants
from munmaek.run.folder import weights_of
from munmaek.run.messages import Answer, Failure, Look, Share, Task, read, write
from munmaek.run.model import load
from munmaek.run.request import ROWS, Request, examples_of, looked_through
from munmaek.run.runs import Runs
from munmaek.tasks import load as load_task
from munmaek.train.trainer import Event

TELL_EVERY_SECONDS = 1.0


class Lane:
    """A comparison in one process: an arm is made when it is first told to run.

    Args:
        lanes: how many there are. share: told of the share done of what is under way.
    """

    def __init__(self, request: Request, lanes: int, share: Callable[[float], None]) -> None:
        self.request, self.share = request, share
        task = load_task(request.task)
        train, test = examples_of(request, task)
        self.question = Question(task, train, test)
        self.entrants = Entrants(request, self.question)
        self.runs = Runs(request.out, ROWS, self.question, self._progress, lambda row, metric: None, lanes)
        self._last = 0.0

    def do(self, asked: Task) -> Answer:
        """Do what is told; what fails is an answer, too."""
        try:
            if asked.system and asked.system not in self.entrants.models:
                folder = self.request.folder_of(asked.system)
                self.entrants.add(asked.system, load(folder, self.request.device), weights_of(folder))
            if isinstance(asked, Look):
                texts = looked_through(self.question.task, self.question.test)
                return in_context.look(asked.system, self.entrants.models[asked.system], self.request, texts)
            return self.runs.row(*self.entrants.given(asked))
        except Exception as error:
            known = error if isinstance(error, MunmaekError) else None
            what, where, fix = (known.what, known.where, known.fix) if known else (str(error), None, None)
            return Failure(type(error).__name__, what, where, fix, traceback.format_exc())

    def _progress(self, event: Event) -> None:
        now = time.monotonic()
        if now - self._last >= TELL_EVERY_SECONDS:
            self._last = now
            self.share(event.step / max(1, event.total_steps))


def _told(stream: BinaryIO, told: SimpleQueue[Any]) -> None:
    """Pass on what is told; where the parent is gone, nobody waits for what is under way."""
    try:
        for message in read(stream):
            told.put(message)
    finally:
        os._exit(1)


def main() -> None:
    """Do tasks until the parent closes the input."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    told: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_told, args=(sys.stdin.buffer, told), daemon=True).start()
    with remembered():
        begin = told.get()
        lane = Lane(begin.request, begin.lanes, lambda done: write(answers, Share(done)))
        while True:
            write(answers, lane.do(told.get()))
