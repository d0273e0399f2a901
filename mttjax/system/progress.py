"""Progress bars for long work; silent where the output is not a terminal."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Protocol

__all__ = ["Bar", "progress_bar"]


class Bar(Protocol):
    """What is moved as the work goes on."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """So many steps more are done; ``note`` is shown beside them."""


class _Silent:
    def advance(self, steps=1, note=""):
        pass


class _Bar:
    def __init__(self, progress, task):
        self._progress, self._task = progress, task

    def advance(self, steps=1, note=""):
        self._progress.update(self._task, advance=steps, note=note)


@contextlib.contextmanager
def progress_bar(title: str, total: int, done: int = 0) -> Iterator[Bar]:
    """A bar with counts, rate and the time left; ``bar.advance(steps, note)`` moves it.

    Args:
      title: what is being done.
      total: how many steps there are.
      done: how many were done before, by an earlier run.
    """
    if not sys.stderr.isatty():
        yield _Silent()
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
        yield _Bar(progress, task)
