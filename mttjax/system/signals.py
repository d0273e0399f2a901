"""Finishing the step in hand when SIGINT or SIGTERM asks to stop."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

from mttjax.system.files import discard_unfinished

__all__ = ["Stopped", "stop_at_once", "stop_requested"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)

TOGETHER = 2.0
"""Seconds within which signals of one kind are one: GNU's timeout and batch systems signal a
command and then its process group, and the command hears both."""


class Stopped(BaseException):
    """A run was asked to stop; ``signal`` is the number, ``where`` says how far it came.

    Not an ``Exception``: what tries one thing after another must not take it for a failure.
    """

    def __init__(self, number: int, where: str) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} {where}")
        self.signal, self.where = int(number), where


@contextlib.contextmanager
def stop_requested(
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[], int | None]]:
    """Yields a function that returns the signal that came, or None.

    The first signal only sets the flag, and so does what comes of its kind within two seconds;
    any other does what it did before the block. Outside the main thread, where Python takes no
    handlers, nothing ever comes.

    Args:
      clock: seconds from whenever.
    """
    came: list[tuple[int, float]] = []

    def note(number, frame):
        if not came:
            came.append((number, clock()))
            _say(b"stopping after the step in hand; once more to stop at once\n")
        elif number != came[0][0] or clock() - came[0][1] > TOGETHER:
            _pass_on(before[number], number, frame)

    with _handled_by(note) as before:
        yield lambda: came[0][0] if came else None


def _pass_on(former, number, frame):
    if callable(former):
        former(number, frame)
    elif former == signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


@contextlib.contextmanager
def stop_at_once() -> Iterator[None]:
    """Within the block either signal ends the process, with the status that a shell expects.

    No exception is raised: one that comes while JAX calls back into Python is swallowed there,
    or ends in an abort. What is being written is removed, as nobody will finish it.
    """

    def stop(number, frame):
        _say(f"stopped by {signal.Signals(number).name} at once\n".encode())
        discard_unfinished()
        os._exit(128 + number)

    with _handled_by(stop):
        yield


def _say(line):
    with contextlib.suppress(OSError):  # not print: the signal may have come inside one
        os.write(2, line)


@contextlib.contextmanager
def _handled_by(handler):
    """Yields what handled them before."""
    if threading.current_thread() is not threading.main_thread():
        yield {}
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield before
    finally:
        for number, former in before.items():
            # None: a handler that was not installed from Python, and cannot be put back by it.
            signal.signal(number, former if former is not None else signal.SIG_DFL)
