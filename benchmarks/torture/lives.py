"""One life: commands that are killed at random moments, started again, and let finish."""

import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.torture.commands import Place, shell_status
from benchmarks.torture.files import content, cut_lines, files_left, not_whole

__all__ = ["Life", "Work", "live"]

BEGUN = 0.5  # seconds until Python has started and the command's own code runs
POLL = 0.02
LONGEST = 900  # seconds; a process that takes longer hangs
SOON = 5  # seconds in which a process ends that was asked to stop

SIGNALS = {"TERM": signal.SIGTERM, "INT": signal.SIGINT}
STATUS = {"TERM": 143, "INT": 130}


@dataclass
class Work:
    """What a life does; everything can be sent to another process."""

    folder: str
    """Of this life; its logs lie beside."""
    size: str
    cache: str
    commands: dict
    """name -> the arguments of its process."""
    plans: dict
    """name -> what happens to its processes in turn: ``time`` and ``write``, SIGKILL at a random
    time or within a write; ``TERM`` and ``INT``, that signal at a random time."""
    seconds: dict
    """name -> how long an undisturbed process takes."""
    writes: int
    """A kill within a write comes at one of so many, early ones as likely as late ones."""
    seed: int


@dataclass
class Life:
    """What happened in one."""

    started: int = 0
    killed: int = 0
    in_writes: int = 0
    """Of them, those that came when a temporary file was seen."""
    cut_files: int = 0
    """Temporary files that they left: writes that were cut."""
    cut_lines: int = 0
    """Kills after which the metrics ended within a line."""
    signals: dict = field(default_factory=lambda: dict.fromkeys(SIGNALS, 0))
    """Those that a process was sent."""
    done_anyway: int = 0
    """Of them, those to which it answered by ending with 0: it was about to."""
    partial_files: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    content: dict = field(default_factory=dict)


def live(work):
    """Lives ``work``: a ``Life``, as a dictionary."""
    return asdict(_Living(work).to_the_end())


class _Living:
    def __init__(self, work):
        self.work, self.life = work, Life()
        self.place = Place(work.folder, work.size, work.cache)
        self.folder = self.place.folder
        self.rng = np.random.default_rng(work.seed)
        self.log = Path(f"{work.folder}.log")

    def to_the_end(self):
        for command, arguments in self.work.commands.items():
            for plan in self.work.plans[command]:
                if self._one(command, arguments, plan) == 0:
                    break  # it was done before its turn came
            else:
                if status := self._one(command, arguments, None):
                    self._fault(command, f"status {status} when it was started again")
                    return self.life
        if left := files_left(self.folder):
            self._fault("the end", f"{len(left)} temporary files are left: {left[:3]}")
        self.life.content = content(self.folder)
        return self.life

    def _one(self, command, arguments, plan):
        """One process; its status, negative where a signal ended it."""
        before, self.asked = set(files_left(self.folder)), None
        with open(self.log, "wb") as log:
            process = self.place.start(arguments, log)
        self.life.started += 1
        try:
            if plan == "write":
                _kill_in_a_write(process, self.folder, before, self._which_write())
            elif plan is not None:
                self._at_a_time(process, command, plan)
            process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            self._fault(command, f"not done {LONGEST} s after {plan or 'its start'}")
        finally:
            process.kill()
            status = process.wait()
        if self.asked is not None:
            self._see_stopped(command, plan, status, time.monotonic() - self.asked)
        elif status not in (0, -signal.SIGKILL):
            self._fault(command, f"status {status} by itself: {self._said()}")
        self._see(command, plan, status, before)
        return status

    def _which_write(self):
        return int(np.exp(self.rng.uniform(0, np.log(self.work.writes))))  # evenly in the logarithm

    def _at_a_time(self, process, command, plan):
        at = self.rng.uniform(0 if plan == "time" else BEGUN, self.work.seconds[command])
        until = time.monotonic() + at
        while process.poll() is None and time.monotonic() < until:
            time.sleep(POLL)
        if process.poll() is None:
            process.send_signal(SIGNALS.get(plan, signal.SIGKILL))
            if plan in SIGNALS:
                self.life.signals[plan] += 1
                self.asked = time.monotonic()

    def _see_stopped(self, command, plan, status, seconds):
        """After SIGTERM or SIGINT."""
        if status == 0:
            self.life.done_anyway += 1
            if seconds > SOON:
                self._fault(command, f"went on for {seconds:.0f} s after SIG{plan}")
        elif shell_status(status) != STATUS[plan]:
            self._fault(command, f"status {status} after SIG{plan}: {self._said()}")

    def _see(self, command, plan, status, before):
        """Counts what happened, and looks at what is there now."""
        life, killed = self.life, status == -signal.SIGKILL
        life.killed += killed
        life.in_writes += killed and plan == "write"
        life.cut_files += len(set(files_left(self.folder)) - before)
        life.cut_lines += cut_lines(self.folder)
        partial = not_whole(self.folder)
        life.partial_files += partial
        for name in partial:
            self._fault(command, f"not whole after {plan or 'the end'}: {name}")
        if "Traceback" in self.log.read_text(errors="replace"):
            self._fault(command, f"a traceback after {plan or 'the end'}: {self._said()}")

    def _said(self):
        return self.log.read_text(errors="replace")[-1500:]

    def _fault(self, command, what):
        self.life.faults.append(f"seed {self.work.seed}, {command}: {what}")


def _kill_in_a_write(process, folder, before, which):
    """SIGKILL as soon as the temporary file number ``which`` is seen; tight, to come in time."""
    ignored, seen = {Path(folder, name).name for name in before}, set()
    until = time.monotonic() + LONGEST
    while process.poll() is None and time.monotonic() < until:
        for _ in range(50):  # asking for the process's status is slower than looking
            seen |= _temporaries(folder) - ignored
            if len(seen) >= which:
                process.kill()
                return


def _temporaries(folder):
    """The names of the files under ``folder`` that are being written."""
    found, folders = set(), [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.name.endswith(".tmp"):
                        found.add(entry.name)
                    elif entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except FileNotFoundError:
            continue
    return found
