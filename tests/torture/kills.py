"""SIGKILL, SIGTERM and SIGINT at random moments: what is there is whole, and it ends alike."""

import signal
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tests.torture.places import Place, command_line, content, differing, not_whole, temporaries

__all__ = ["COMMANDS", "lives", "run"]

TABLE = ("--methods", "random", "dc", "dm", "mtt", "--protocol", "short", "--networks", "1")
COMMANDS = {
    "train_experts": command_line("train_experts"),
    "distill": command_line("distill"),
    "table": command_line("table", *TABLE, "--draws", "1", "--no-full"),
}
"""Those that are killed, in the order in which they need each other."""

PLANS = ("write", "write", "time", "TERM", "INT")
"""What happens to a process: SIGKILL in a write or at any time; a signal to stop."""

HANGS = 1800
"""Seconds after which a process is taken to hang, on whatever machine."""


def run(seconds, folder, say=print, seed=0):
    """Lives for so many seconds: the counts by name, and the faults.

    Args:
      seconds: no life begins later.
      folder: to work in.
      say: called with lines of text.
      seed: decides what happens when.
    """
    until = time.monotonic() + seconds
    counts, faults = Counter(), []
    reference = Reference(COMMANDS, Path(folder), say)

    def one_after_another(worker):
        life = worker
        while life < 2 or time.monotonic() < until:
            rng = np.random.default_rng([seed, life])
            plans = {name: list(rng.choice(PLANS, 4)) for name in COMMANDS}
            faults.extend(lives(reference, plans, Path(folder), life, counts, rng))
            say(f"{life}: {dict(counts)}, {len(faults)} faults")
            life += 2

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one_after_another, range(2)))
    return dict(counts) | {"files compared of every run": len(reference.content)}, faults


class Reference:
    """What commands make when nothing happens, and how long a process takes with a warm cache.

    Args:
      commands: name -> arguments.
      folder: to work in.
      say: called with a line of text.
      syncs: a signal comes at one of so many, early ones as likely as late ones.
    """

    def __init__(self, commands, folder, say=print, syncs=60):
        self.commands, self.syncs = commands, syncs
        self.cache, self.seconds = folder / "cache", {}
        place = Place(folder / "reference", self.cache)
        for name, arguments in commands.items():
            begin = time.monotonic()
            place.run(arguments)
            self.seconds[name] = time.monotonic() - begin
        self.content = content(place.folder)
        say(", ".join(f"{n} {s:.0f} s" for n, s in self.seconds.items()) + " undisturbed")


def lives(reference, plans, folder, life, counts, rng):
    """The commands, each killed as ``plans`` says, started again and let finish.

    Every second life has one core only: that must not be seen in what it makes.

    Args:
      reference: what they must make.
      plans: name -> what happens to the command's processes in turn, of ``PLANS``.
      folder: to work in.
      life: its number.
      counts: a ``Counter``, added to.
      rng: a NumPy generator.

    Returns:
      The faults.
    """
    # Every fourth life compiles for itself, so that kills come there too.
    cache = reference.cache.with_name(f"cache-{life}") if life % 4 == 3 else reference.cache
    place, faults = Place(folder / f"life-{life}", cache, one_core=life % 2 == 1), []
    for command, arguments in reference.commands.items():
        for plan in [*plans[command], None]:
            at = int(np.exp(rng.uniform(0, np.log(reference.syncs))))
            status, wrong = _process(place, arguments, plan, at, reference.seconds[command], rng)
            wrong += _look(place, status, plan, counts)
            faults += [f"life {life}, {command}, {plan or 'to the end'}: {w}" for w in wrong]
            if wrong:
                return faults
            if status == 0:
                break  # it was done before its turn came
    counts["runs let finish"] += 1
    names = [f"{p.name} was left" for p in temporaries(place.folder)]
    names += differing(content(place.folder), reference.content)
    return [f"life {life}: not as the undisturbed run: {name}" for name in names]


def _process(place, arguments, plan, at, seconds, rng):
    """One process: its status as a shell shows it, and what was wrong with that.

    Args:
      place: where it works.
      arguments: of the process.
      plan: one of ``PLANS``, or None: let finish.
      at: the number of the sync at which a signal comes.
      seconds: how long an undisturbed process takes.
      rng: decides the times.
    """
    number = {"TERM": signal.SIGTERM, "INT": signal.SIGINT}.get(plan, signal.SIGKILL)
    # At zero delay a signal comes within the write, else while the command computes.
    delay = 0 if plan == "write" else rng.uniform(0, seconds / 2)
    inject = {"TORTURE": f"{number:d} {at} {delay}"} if plan in ("write", "TERM", "INT") else {}
    process = place.start(arguments, **inject)
    try:
        process.wait(rng.uniform(0, seconds) if plan == "time" else HANGS)
    except subprocess.TimeoutExpired:
        if plan != "time":
            return None, [f"it hangs: {place.said()}"]
    finally:
        process.kill()
        status = process.wait()
    status = 128 - status if status < 0 else status
    allowed = {0, 128 + number} if plan else {0}
    return status, [] if status in allowed else [f"status {status}: {place.said()}"]


def _look(place, status, plan, counts):
    """Counts what happened, and what is wrong with what is there now."""
    counts["processes started"] += 1
    if status == 128 + signal.SIGKILL:
        counts["SIGKILL"] += 1
        counts["of them within a write"] += plan == "write"
        counts["files that were cut off, all of them temporary"] += len(temporaries(place.folder))
    elif status:
        counts[f"SIG{plan}, answered by status {status}"] += 1
    faults = [f"not whole: {name}" for name in not_whole(place.folder)]
    return faults + ([place.said()] if "Traceback" in place.said() else [])
