"""Several processes of one command on this machine, each on its share of the cores or on a card."""

import contextlib
import glob
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mttjax.system.signals import TIME_IS_UP, seconds_left, stop_requested

__all__ = ["MOST_DEATHS", "SOME_FAILED", "gravest", "itself", "run_workers"]

SOME_FAILED = 3
"""The status of a command that did all it could, where some of it failed."""
MOST_DEATHS = 3
"""So often a worker that was killed or crashed is started again."""
EARLIER = 5.0
"""Seconds before the end of the time that workers are told as theirs."""
PAUSE = 0.2  # seconds between looks at them


def itself(arguments: Sequence[str]) -> list[str]:
    """The command line of ``mttjax ARGUMENTS``, of this very checkout or installation."""
    root = str(Path(__file__).resolve().parents[2])
    begin = f"import sys; sys.path.append({root!r}); from mttjax.cli.launch import main"
    return [sys.executable, "-c", f"{begin}; sys.exit(main())", *arguments]


def run_workers(command: Sequence[str], count: int, log: Callable[[str], object] = print) -> int:
    """Runs ``COMMAND --worker K`` for K from 0 to ``count`` - 1 until all have ended.

    One that dies (killed, crashed, out of memory) is started again up to three times; a signal is
    passed on, and the workers end by it.

    Args:
      command: a program and its arguments.
      count: how many processes. On cards each has one, and those that share it share its memory;
        else the cores are shared out.
      log: called with what they print, line by line, and with what becomes of them.

    Returns:
      0; 2 where one refused what it was given; 3 where something failed for good; 128 + the
      signal's number where they were stopped.
    """
    workers = [_Worker(command, number, count, log) for number in range(count)]
    passed_on = False
    with stop_requested() as stopped:
        while _at_work(workers, start_again=not passed_on):
            number = stopped()
            if number and not passed_on:
                for worker in workers:
                    worker.signal(number)
                passed_on = True
            time.sleep(PAUSE)
    return gravest([worker.status() for worker in workers])


def gravest(statuses: Sequence[int]) -> int:
    """What several processes together end with: a signal, bad input, some failure, or 0."""
    return max(statuses, key=lambda status: (status > 128, status == 2, status))


def _at_work(workers, start_again):
    if start_again:
        for worker in workers:
            worker.start_again_if_it_died()
    return any(worker.at_work() for worker in workers)


class _Worker:
    """A process, and those that came after it died."""

    def __init__(self, command, number, count, log):
        self._command, self._number, self._count, self._log = command, number, count, log
        self._deaths = 0
        self._start()

    def _start(self):
        cores, variables = _place(self._number, self._count)
        # Another number at every start: what killed it does not come first again.
        command = [*self._command, "--worker", str(self._number + self._deaths)]
        if (seconds := seconds_left()) is not None:
            command += ["--minutes", f"{max(1.0, seconds - EARLIER) / 60:.4f}"]
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": variables}
        self._process = subprocess.Popen(command, text=True, errors="replace", **how)
        if cores:
            with contextlib.suppress(OSError):  # it may have ended
                os.sched_setaffinity(self._process.pid, cores)
        self._telling = threading.Thread(target=self._tell, args=(self._process.stdout,))
        self._telling.start()

    def _tell(self, lines):
        with lines:
            for line in lines:
                self._log(f"[{self._number}] {line.rstrip()}")

    def at_work(self):
        return self._process.poll() is None

    def signal(self, number):
        if number != TIME_IS_UP and self.at_work():  # of the time it has been told
            self._process.send_signal(signal.Signals(number))

    def _died(self):
        status = self._process.poll()
        return status is not None and (status < 0 or status == 1)

    def start_again_if_it_died(self):
        if self._died() and self._deaths < MOST_DEATHS:
            self._telling.join()
            self._deaths += 1
            self._log(f"[{self._number}] died (status {self._process.poll()}); started again")
            self._start()

    def status(self):
        self._telling.join()
        return SOME_FAILED if self._died() else self._process.poll()


def _place(number, count):
    """(the cores of a worker or None, its environment)."""
    variables, cards = dict(os.environ), _cards()
    if cards:
        variables["CUDA_VISIBLE_DEVICES"] = cards[number % len(cards)]
        sharing = -(-count // len(cards))
        share = f"{0.9 / sharing:.3f}"
        variables.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", share)
        return None, variables
    if not hasattr(os, "sched_getaffinity"):
        return None, variables
    cores = sorted(os.sched_getaffinity(0))
    own = cores[number % len(cores) :: count] or [cores[number % len(cores)]]
    return own, variables


def _cards():
    """What CUDA calls the cards here."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    if os.environ.get("JAX_PLATFORMS", "cuda").split(",")[0] == "cpu":
        return []
    return [str(index) for index, _ in enumerate(sorted(glob.glob("/dev/nvidia[0-9]*")))]
