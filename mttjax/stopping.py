"""Finishing the step in hand when SIGINT or SIGTERM asks to stop."""

import contextlib
import os
import signal
import threading

__all__ = ["Stopped", "stop_at_once", "stop_requested"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """A run was asked to stop; ``signal`` is the number, ``where`` says how far it came.

    Not an ``Exception``: what tries one thing after another must not take it for a failure.
    """

    def __init__(self, number, where):
        super().__init__(f"stopped by {signal.Signals(number).name} {where}")
        self.signal, self.where = int(number), where


@contextlib.contextmanager
def stop_requested():
    """Yields a function that returns the signal that came, or None.

    The first signal only sets the flag; a second one stops at once. Outside the main thread,
    where Python takes no handlers, nothing ever comes.
    """
    came = []

    def note(number, frame):
        if came:
            raise Stopped(number, "at once")
        came.append(number)
        with contextlib.suppress(OSError):  # not print: the signal may have come inside one
            os.write(2, b"stopping after the step in hand; once more to stop at once\n")

    with _handled_by(note):
        yield lambda: came[0] if came else None


@contextlib.contextmanager
def stop_at_once():
    """Within the block either signal raises ``Stopped``, so that nothing is left half done."""

    def stop(number, frame):
        raise Stopped(number, "at once")

    with _handled_by(stop):
        yield


@contextlib.contextmanager
def _handled_by(handler):
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            # None: a handler that was not installed from Python, and cannot be put back by it.
            signal.signal(number, former if former is not None else signal.SIG_DFL)
