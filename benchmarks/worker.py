"""One side of a comparison in a process of its own, which ``benchmarks.client`` asks.

``python -m benchmarks.worker jax|torch|official|both`` reads pickled requests from its standard
input and answers each. Between them it sleeps, so that the other side has the machine for itself.
It ends with its input.
"""

import contextlib
import ctypes
import gc
import importlib
import os
import pickle
import resource
import sys
import time
import traceback
from pathlib import Path

SIDES = {
    "jax": "benchmarks.jax_side",
    "torch": "benchmarks.torch_side",
    "official": "benchmarks.official_side",
    "both": "benchmarks.agreement",
}


class Tasks:
    """What can be asked of a side; every answer is a dictionary."""

    def __init__(self, side):
        self.name, self.task = side, None

    def make(self, work, options):
        """Prepares a work: the ``seconds`` it took, and what the task says about itself."""
        self.task = None  # its memory first
        begin = time.perf_counter()
        self.side = importlib.import_module(SIDES[self.name])
        self.task = self.side.make(work, options)
        return {"seconds": time.perf_counter() - begin} | getattr(self.task, "about", {})

    def call(self, memory):
        """Does it once: ``seconds``, what the task returns, the peak of memory if wanted."""
        meter = self._meter() if memory else None
        begin = time.perf_counter()
        result = self.task() or {}
        answer = {"seconds": time.perf_counter() - begin} | result
        return answer | ({"memory": meter.read()} if meter else {})

    def trace(self, folder):
        """Does it once under the profiler."""
        self.side.trace(self.task, folder)
        return {}

    def _meter(self):
        """The side's own of a device's memory; else that of the host."""
        return getattr(self.side, "device_meter", lambda: None)() or PeakMeter()


class PeakMeter:
    """The peak of resident memory during a call, above what rested before it."""

    def __init__(self):
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):  # freed memory, back to the system
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            self.since_start = True
        else:
            self.since_start = False
        self.resting = self._status("VmRSS") or 0

    def read(self):
        """``bytes`` above resting; ``since_start`` where the peak could not be set back."""
        peak = self._status("VmHWM") or 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"bytes": max(0, peak - self.resting), "since_start": self.since_start}

    @staticmethod
    def _status(field):
        """Bytes; None where the system has no such file."""
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
        except OSError:
            return None
        return next((1024 * int(x.split()[1]) for x in lines if x.startswith(field + ":")), None)


def main(side):
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    tasks = Tasks(side)
    while True:
        try:
            name, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = getattr(tasks, name)(*arguments)
        except Exception:
            answer = {"error": traceback.format_exc()}
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
