"""What a command prints, how much of it, and a file that keeps it with the time of every line."""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

__all__ = ["detail", "is_quiet", "keep_log", "record", "say", "speaking", "tell"]


@dataclasses.dataclass
class _Console:
    """Of this process; a library's user hears what a command's does, and keeps no file."""

    quiet: bool = False
    verbose: bool = False
    path: Path | None = None
    waiting: list[str] = dataclasses.field(default_factory=list)
    """Lines for a folder that is not there yet."""


_console = _Console()


@contextlib.contextmanager
def speaking(*, quiet: bool = False, verbose: bool = False) -> Iterator[None]:
    """Within the block a command prints errors alone, or details too; its log ends with it."""
    before = vars(_console).copy()
    vars(_console).update(vars(_Console(quiet, verbose)))
    try:
        yield
    finally:
        vars(_console).update(before)


def is_quiet() -> bool:
    """Whether nothing but errors is to be seen."""
    return _console.quiet


def keep_log(path: str | Path) -> None:
    """From now on what is printed goes to the end of a file too.

    Args:
      path: of the file; lines wait until its folder is there, and are dropped if it never is.
    """
    _console.path = Path(path)


def say(line: str) -> None:
    """A line for standard output; not seen where only errors are."""
    record(line)
    if not _console.quiet:
        print(line)


def tell(line: str) -> None:
    """A line for standard error: errors, and how far work is."""
    record(line)
    print(line, file=sys.stderr, flush=True)


def detail(line: str) -> None:
    """A line that is there with ``--verbose`` alone."""
    if _console.verbose:
        say(line)


def record(text: str) -> None:
    """Lines for the log alone. A log that cannot be written stops nobody."""
    if _console.path is None:
        return
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    lines = [f"{now}  {line}\n" for line in text.splitlines()]
    _console.waiting += lines
    with contextlib.suppress(OSError):
        # Opened for each line, without buffers: a signal's handler may come in between.
        handle = os.open(_console.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            waiting, _console.waiting = _console.waiting, []
            os.write(handle, "".join(waiting).encode("utf-8", "replace"))
        finally:
            os.close(handle)
