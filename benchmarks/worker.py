"""One side of a comparison in a process of its own, told what to do by JSON lines.

``python -m benchmarks.worker jax|torch|both`` reads requests from its standard input:

- ``{"make": kind, "work": {...}, "options": {...}}`` prepares a task,
- ``{"call": true, "memory": false}`` runs it once and waits for its end,
- ``{"trace": folder}`` runs it once under the profiler,

and answers each by one line, with the ``seconds`` it took. Between requests it sleeps, so that
the other side has the machine for itself. It ends with its input.
"""

import importlib
import json
import os
import sys
import time
import traceback

from benchmarks.memory import PeakMeter

SIDES = {
    "jax": "benchmarks.jax_side",
    "torch": "benchmarks.torch_side",
    "both": "benchmarks.agreement",
}


class Tasks:
    """The task in hand, and what can be asked of it."""

    def __init__(self, side):
        self.side = importlib.import_module(SIDES[side])
        self.task = None

    def answer(self, request):
        if "make" in request:
            self.task = None  # its memory first
            begin = time.perf_counter()
            self.task = self.side.make(request["make"], request["work"], request["options"])
            return {"seconds": time.perf_counter() - begin} | getattr(self.task, "about", {})
        if "trace" in request:
            return self.side.trace(self.task, request["trace"])
        return self.call(request.get("memory", False))

    def call(self, memory):
        """Seconds, what the task returned, and the peak of memory where that is asked for."""
        meter = self.meter() if memory else None
        begin = time.perf_counter()
        result = self.task() or {}
        wall = time.perf_counter() - begin
        # A task may know better than the clock here what of its work is meant.
        answer = {"wall": wall, "seconds": wall} | result
        return answer | ({"memory": meter.read()} if meter else {})

    def meter(self):
        """The side's own where it has one, such as of a device's memory."""
        own = getattr(self.side, "device_meter", lambda: None)()
        return own or PeakMeter()


def main(side):
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    tasks = Tasks(side)
    for line in sys.stdin:
        try:
            answer = tasks.answer(json.loads(line))
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
