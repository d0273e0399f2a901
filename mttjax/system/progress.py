"""How far long work is: a bar on a terminal, elsewhere a line every minute."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Protocol

from mttjax.system import console

__all__ = ["Bar", "progress_bar"]

MINUTE = 60.0
"""Seconds between two lines, at least; a step that takes longer has a line of its own."""


class Bar(Protocol):
    """What is moved as the work goes on."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """So many steps more are done; ``note`` is shown beside them."""


class _Lines:
    """For logs, of nohup and of batch systems, and for notebooks."""

    def __init__(self, title, total, done, clock, tell):
        self._tell = tell
        self._title, self._total, self._done, self._clock = title, total, done, clock
        self._before, self._begin = done, clock()
        self._told, self._lock = self._begin, threading.Lock()

    def advance(self, steps=1, note=""):
        with self._lock:  # threads move it too
            self._done += steps
            now = self._clock()
            if now - self._told >= MINUTE and self._done > self._before:
                self._told = now
                self._tell(self._line(now - self._begin, note))

    def _line(self, seconds, note):
        each = seconds / (self._done - self._before)
        speed = f"{1 / each:.1f} a second" if each < 1 else f"{each:.1f} s each"
        left = timedelta(seconds=round(each * (self._total - self._done)))
        told = f"{self._title}: {self._done} of {self._total}, {speed}, {left} left"
        return f"{told}; {note}" if note else told


class _Bar:
    def __init__(self, progress, task, lines):
        self._progress, self._task, self._lines = progress, task, lines

    def advance(self, steps=1, note=""):
        self._lines.advance(steps, note)
        self._progress.update(self._task, advance=steps, note=note)


@contextlib.contextmanager
def progress_bar(
    title: str, total: int, done: int = 0, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Bar]:
    """A bar with counts and the time left; ``bar.advance(steps, note)`` moves it.

    Where standard error is no terminal it is a line there every minute, with the speed too. The
    log has these lines anyhow; where only errors are to be seen they are in it alone.

    Args:
      title: what is being done.
      total: how many steps there are.
      done: how many were done before, by an earlier run.
      clock: seconds from whenever.
    """
    seen = not console.is_quiet()
    as_lines = seen and not sys.stderr.isatty()
    lines = _Lines(title, total, done, clock, console.tell if as_lines else console.record)
    if as_lines or not seen:
        yield lines
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, completed=done, note="")
        yield _Bar(progress, task, lines)
