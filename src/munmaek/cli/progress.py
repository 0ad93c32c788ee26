"""Progress on standard error: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from munmaek.cli.language import say
from munmaek.cli.output import duration, first_process, note

if TYPE_CHECKING:
    from munmaek.run.request import UnderWay
    from munmaek.train.trainer import Event

PLAIN_EVERY_SECONDS = 5.0


class TrainingProgress:
    """A callback for trainer events: loss, tokens a second and the time left; validations on lines of their own.

    `under_way` is another, for runs that go side by side.
    """

    def __init__(self, *, terminal: bool | None = None) -> None:
        self.terminal = sys.stderr.isatty() if terminal is None else terminal
        self._bar: Any = None
        self._row: Any = None
        self._last = 0.0
        self._runs = _RewrittenLine()

    def __enter__(self) -> TrainingProgress:
        return self

    def __call__(self, event: Event) -> None:
        if event.message:
            self._line(event.message)
        elif event.metrics:
            values = "  ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in event.metrics.items())
            self._line(f"{say('validation', '검증')} {event.step:,}: {values}")
        elif self.terminal and first_process():
            self._draw(event)
        else:
            self._write(event)

    def under_way(self, now: UnderWay) -> None:
        """Say how many runs are done, and how far those are that are under way."""
        each = "  ".join(f"{name} {share:.0%}" for name, share in now.runs)
        self._runs.show(f"{say('done', '끝남')} {now.done:,}/{now.total:,}  {each}")

    def _write(self, event: Event) -> None:
        now = time.monotonic()
        if event.step < event.total_steps and now - self._last < PLAIN_EVERY_SECONDS:
            return
        self._last = now
        note(f"{say('step', '단계')} {event.step:,}/{event.total_steps:,}  {_facts(event)}")

    def _draw(self, event: Event) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=False, auto_refresh=False)
            self._bar.start()
            self._row = self._bar.add_task("", total=event.total_steps)
        self._bar.update(self._row, completed=event.step, total=event.total_steps, description=_facts(event))
        now = time.monotonic()
        if now - self._last > 0.2 or event.step >= event.total_steps:
            self._last = now
            self._bar.refresh()

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            note(text)

    def close(self) -> None:
        """Leave the bar as it stands; the next training draws its own."""
        self._runs.close()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _facts(event: Event) -> str:
    left = duration(event.seconds_left)
    speed = f"{event.tokens_per_second:,.0f} {say('tokens/s', '토큰/초')}"
    return f"{say('loss', '손실')} {event.loss:.3f}  {speed}  {say(f'{left} left', f'{left} 남음')}"


class CountProgress:
    """Two callbacks for work that is counted, `so_far` and `more`: how many are done, and how fast."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.done = 0
        self._line = _RewrittenLine()
        self._began = time.monotonic()

    def __enter__(self) -> CountProgress:
        return self

    def so_far(self, done: int) -> None:
        """Say that `done` are done."""
        self.done = done
        seconds = max(1e-9, time.monotonic() - self._began)
        self._line.show(f"{done:,} {self.what}  {done / seconds:,.0f}/s")

    def more(self, count: int) -> None:
        """Say that `count` more are done."""
        self.so_far(self.done + count)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()


class StageProgress:
    """A callback for work in stages: what is being done, and the share done (to 1) or a count."""

    def __init__(self) -> None:
        self._line = _RewrittenLine()
        self._stage = ""

    def __enter__(self) -> StageProgress:
        return self

    def __call__(self, stage: str, done: float) -> None:
        name = _STAGES.get(stage, (stage, stage))
        text = say(*name) + (f"  {done:.0%}" if 0 < done <= 1 else f"  {done:,.0f}" if done else "")
        self._line.show(text, at_once=stage != self._stage)
        self._stage = stage

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()


_STAGES = {
    "hash": ("reading the corpus", "말뭉치를 읽는 중"),
    "count words": ("counting words", "낱말을 세는 중"),
    "tokenizer": ("training the tokenizer", "토크나이저를 학습하는 중"),
    "phrases": ("looking for phrases", "구를 찾는 중"),
    "tokenise": ("sentences tokenised", "토큰으로 나눈 문장"),
}


class _RewrittenLine:
    """One line that changes on a terminal; elsewhere a new line every few seconds."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()
        self._last = time.monotonic()
        self._open = False

    def show(self, text: str, at_once: bool = False) -> None:
        now = time.monotonic()
        if not first_process() or (now - self._last < (0.2 if self.terminal else PLAIN_EVERY_SECONDS) and not at_once):
            return
        self._last = now
        if not self.terminal:
            note(text)
            return
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)
        self._open = True

    def close(self) -> None:
        if self._open:
            print(file=sys.stderr)
            self._open = False
