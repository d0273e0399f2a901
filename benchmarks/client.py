"""The driver's end of a worker."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["ROOT", "Worker", "WorkerError", "cores", "environment"]

ROOT = Path(__file__).resolve().parents[1]


class WorkerError(RuntimeError):
    """A worker failed; the message is its traceback, or the end of what it printed."""


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def environment(device, **more):
    """The environment of a process that computes on ``device``."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    path = os.pathsep.join(filter(None, (str(ROOT), own.get("PYTHONPATH"))))
    own |= {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "2"}
    if device == "cpu":
        own |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    else:  # two processes share the card
        own |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return own | more


class Worker:
    """A process of one side; a context manager.

    Args:
      side: ``jax``, ``torch`` or ``both``.
      variables: of the environment, beside those of this process.
      options: ``device`` and whatever the side's tasks read.
    """

    def __init__(self, side, *, variables=None, **options):
        self.side = side
        self.options = {"device": "cpu", "threads": cores()} | options
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", side],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            env=environment(self.options["device"], **(variables or {})),
        )

    def make(self, kind, work, **options):
        """Prepares a task; returns what it says about itself."""
        return self._ask({"make": kind, "work": work, "options": self.options | options})

    def call(self, *, memory=False):
        """Runs the task once: ``seconds`` and what it returns."""
        return self._ask({"call": True, "memory": memory})

    def trace(self, folder):
        """Runs the task once and writes a profile."""
        return self._ask({"trace": str(folder)})

    def _ask(self, request):
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer = json.loads(line) if line else {"error": self._last_words()}
        if "error" in answer:
            raise WorkerError(f"{self.side}: {answer['error'].strip()}")
        return answer

    def _last_words(self):
        status = self._process.wait()
        self._log.seek(0)
        return f"the worker ended with status {status}\n{self._log.read()[-2000:]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        self._process.stdout.close()
