"""What this process holds and has held in memory at most, in bytes."""

import contextlib
import ctypes
import gc
import resource
from pathlib import Path

__all__ = ["PeakMeter"]


def _status(field):
    """A field of /proc/self/status in bytes; None where there is no such file."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(x.split()[1]) for x in lines if x.startswith(field + ":")), None)


def _release():
    """Gives freed memory back to the system, so that what rests is what is used."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _reset_peak():
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


class PeakMeter:
    """The peak of resident memory during a call, above what rested before it."""

    def __init__(self):
        _release()
        self.since_start = not _reset_peak()
        self.resting = _status("VmRSS") or 0

    def read(self):
        """``bytes`` above resting; ``since_start`` where the peak could not be reset."""
        peak = _status("VmHWM") or 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"bytes": max(0, peak - self.resting), "since_start": self.since_start}
