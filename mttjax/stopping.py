"""Finishing the step in hand when SIGINT or SIGTERM asks to stop."""

import contextlib
import signal
import threading

__all__ = ["stop_requested"]


@contextlib.contextmanager
def stop_requested():
    """Yields a function that returns the signal that came, or None.

    The first signal only sets the flag; a second one of SIGINT interrupts at once. Outside
    the main thread, where Python takes no handlers, nothing ever comes.
    """
    came = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def note(number, frame):
        if came and number == signal.SIGINT:
            raise KeyboardInterrupt
        came.append(number)

    before = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: came[0] if came else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
