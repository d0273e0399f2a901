"""Finishing the step in hand when SIGINT, SIGTERM or the end of the time asks to stop."""

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Protocol

from mttjax.system import console
from mttjax.system.files import discard_unfinished

__all__ = ["TIME_IS_UP", "Stopped", "seconds_left", "stop_at_once", "stop_requested", "time_limit"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)

TOGETHER = 2.0
"""Seconds within which signals of one kind are one: GNU's timeout and batch systems signal a
command and then its process group, and the command hears both."""

TIME_IS_UP = signal.SIGALRM
"""The number that stands for the end of the time, though no signal comes then."""
SAVING = 5.0
"""Seconds that are left for saving when the time ends."""

_END: ContextVar[float] = ContextVar("_END", default=math.inf)
"""When the time ends, on the clock of ``time.monotonic``; see ``time_limit``."""


class Stopped(BaseException):
    """A run was asked to stop; ``signal`` is the number, ``where`` says how far it came.

    SIGALRM stands for the end of the time.

    Not an ``Exception``: what tries one thing after another must not take it for a failure.
    """

    def __init__(self, number: int, where: str) -> None:
        by = "--minutes" if number == TIME_IS_UP else signal.Signals(number).name
        super().__init__(f"stopped by {by} {where}")
        self.signal, self.where = int(number), where


class Asked(Protocol):
    """What ``stop_requested`` yields."""

    def __call__(self, seconds: float = 0.0) -> int | None:
        """The number of the signal that came, or None.

        Args:
          seconds: that what comes next takes; SIGALRM is returned where it would not end in time.
        """


@contextlib.contextmanager
def stop_requested(clock: Callable[[], float] = time.monotonic) -> Iterator[Asked]:
    """Yields a function that says whether to stop.

    The first signal only sets the flag, and so does what comes of its kind within two seconds;
    any other does what it did before the block. Outside the main thread, where Python takes no
    handlers, no signal ever comes.

    Args:
      clock: seconds from whenever.
    """
    came: list[tuple[int, float]] = []

    def note(number, frame):
        if not came:
            came.append((number, clock()))
            line = "stopping after the step in hand; once more to stop at once"
            console.record(line)
            _say(f"{line}\n".encode())
        elif number != came[0][0] or clock() - came[0][1] > TOGETHER:
            _pass_on(before[number], number, frame)

    def asked(seconds=0.0):
        if not came and clock() + seconds + SAVING > _END.get():
            came.append((TIME_IS_UP, clock()))
        return came[0][0] if came else None

    with _handled_by(note) as before:
        yield asked


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
    or ends in an abort.
    """

    with _handled_by(lambda number, frame: _exit(number)):
        yield


@contextlib.contextmanager
def time_limit(minutes: float | None) -> Iterator[None]:
    """Within the block work ends in time: between steps if it asks, else with the process.

    ``stop_requested`` says to stop as soon as what comes next would not end in time. What does
    not ask, such as an evaluation, is ended as a signal between steps ends it.

    Args:
      minutes: from now; None: no limit.
    """
    if minutes is None:
        yield
        return
    # A thread: while XLA is at work no handler of a signal is called.
    timer = threading.Timer(60 * minutes, _exit, [TIME_IS_UP])
    timer.daemon = True
    end = _END.set(time.monotonic() + 60 * minutes)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _END.reset(end)


def seconds_left() -> float | None:
    """Until the end of the time; None where there is none."""
    left = _END.get() - time.monotonic()
    return left if left < math.inf else None


def _exit(number):
    """Ends the process; what is being written is removed, as nobody will finish it."""
    console.record(str(Stopped(number, "at once")))
    _say(f"{Stopped(number, 'at once')}\n".encode())
    discard_unfinished()
    os._exit(128 + number)


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
