"""The driver's end of a worker."""

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

from mttjax.system.threads import cores

__all__ = ["ROOT", "Worker", "WorkerError", "environment"]

ROOT = Path(__file__).resolve().parents[1]


class WorkerError(RuntimeError):
    """A worker failed; the message is its traceback, or the end of what it printed."""


def environment(device, **more):
    """The environment of a process that computes on ``device``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    kept |= {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "2"}
    if device == "cpu":
        kept |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    else:  # never in silence on the CPU; two processes share the card
        kept |= {"JAX_PLATFORMS": device, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return kept | more


class Worker:
    """A process of one side; a context manager.

    Args:
      side: ``jax``, ``torch``, ``official`` or ``both``.
      variables: of the environment, beside those of this process.
      options: ``device`` and whatever the side's tasks read.

    Raises:
      WorkerError: by what is asked of it, where that fails.
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
            cwd=ROOT,
            env=environment(self.options["device"], **(variables or {})),
        )

    def make(self, work, **options):
        """Prepares a work of ``benchmarks.works``; returns what is said about it."""
        return self._ask("make", work, self.options | options)

    def call(self, *, memory=False):
        """Does it once: ``seconds`` and what it returns."""
        return self._ask("call", memory)

    def trace(self, folder):
        """Does it once and writes a profile."""
        return self._ask("trace", str(folder))

    def _ask(self, name, *arguments):
        try:
            pickle.dump((name, arguments), self._process.stdin)
            self._process.stdin.flush()
            answer = pickle.load(self._process.stdout)
        except (BrokenPipeError, EOFError):
            answer = {"error": self._last_words()}
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
        self._process.communicate()  # closes its input, with which it ends
        self._log.close()
