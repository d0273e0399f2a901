"""SIGKILL, SIGTERM and SIGINT at random moments: what is there is whole, and it ends alike."""

import multiprocessing
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.tables import Table
from benchmarks.torture.commands import COMMANDS, Place, arguments_of
from benchmarks.torture.files import content, differing
from benchmarks.torture.lives import Work, live

__all__ = ["Size", "run", "table", "torture"]

WORKERS = 2
MOST_LIVES = 60  # some processes are done before their kill comes
CROWDED = 1.5
"""How much longer a process takes while another life goes on, about."""


@dataclass(frozen=True)
class Size:
    """How much is done: lives until so many kills and signals came."""

    commands: dict
    """name -> arguments of its process."""
    kills: int
    signals: int
    """Of either kind."""
    kills_per_command: int = 4
    writes: int = 60
    """A kill within a write comes at one of so many, early ones as likely as late ones."""
    workers: int = WORKERS
    size: str = "full"


NOT_EVALUATED = ("--distill.validation.networks", "0")

SIZES = {
    "full": Size({name: arguments_of(name) for name in COMMANDS}, kills=100, signals=10),
    "small": Size(
        {"distill": arguments_of("distill", "--method", "dm", *NOT_EVALUATED)},
        kills=3,
        signals=0,
        kills_per_command=3,
        writes=12,
        workers=1,
        size="small",
    ),
}


def run(size, say=print):
    """Kills commands of the given size; see ``torture``."""
    return torture(SIZES[size], say)


def torture(size, say=print):
    """Lives until enough was killed: counts, and every difference from an undisturbed run."""
    with tempfile.TemporaryDirectory(prefix="kills-") as temporary:
        folder = Path(temporary)
        reference, seconds = _undisturbed(size, folder, say)
        total = _Total(reference)
        context = multiprocessing.get_context("spawn")  # each life's folder polls undisturbed
        with ProcessPoolExecutor(size.workers, mp_context=context) as pool:
            running, seed = set(), 0
            while running or total.wants_more(size, seed):
                while len(running) < size.workers and total.wants_more(size, seed):
                    work = _work(size, folder, seconds, seed)
                    running.add(pool.submit(live, work))
                    seed += 1
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    for fault in total.add(future.result()):
                        say(f"FAULT: {fault}")
                    say(total.line())
        return total.record(seconds)


def _undisturbed(size, folder, say):
    """What the commands make when nothing happens, and their seconds with a warm cache."""
    contents = []
    for name in ("reference", "again"):
        place, seconds = Place(folder / name, size.size, folder / "cache"), {}
        for command, arguments in size.commands.items():
            begin = time.monotonic()
            place.run(arguments)
            seconds[command] = time.monotonic() - begin
        contents.append(content(place.folder))
        say(", ".join(f"{n} {s:.1f} s" for n, s in seconds.items()) + " undisturbed")
        if size.size == "small":
            break
    if different := differing(contents[-1], contents[0]):
        raise RuntimeError(f"two undisturbed runs differ, so that kills tell nothing: {different}")
    return contents[0], seconds


def _work(size, folder, seconds, seed):
    rng = np.random.default_rng([seed, 1])
    plans = {name: _kills(rng, size.kills_per_command) for name in size.commands}
    if size.signals:
        for kind in ("TERM", "INT"):
            chosen = plans[rng.choice(list(plans))]
            chosen.insert(int(rng.integers(len(chosen) // 2 + 1)), kind)
    # Every fourth life compiles for itself, so that kills come there too.
    cache = folder / (f"cache-{seed}" if seed % 4 == 3 else "cache")
    crowded = CROWDED if size.workers > 1 else 1
    expected = {name: value * crowded for name, value in seconds.items()}
    life = str(folder / f"life-{seed}")
    return Work(life, size.size, str(cache), size.commands, plans, expected, size.writes, seed)


def _kills(rng, count):
    plans = ["write", "time"] * (count // 2) + ["write"] * (count % 2)
    return [str(plan) for plan in rng.permutation(plans)]


class _Total:
    """The sum of all lives."""

    counts = ("started", "killed", "in_writes", "cut_files", "cut_lines", "done_anyway")

    def __init__(self, reference):
        self.reference, self.lives = reference, 0
        self.sums = dict.fromkeys(self.counts, 0)
        self.signals = {"TERM": 0, "INT": 0}
        self.partial_files, self.different, self.faults = [], [], []

    def wants_more(self, size, begun):
        """Whether another life is to begin after so many."""
        enough = self.sums["killed"] >= size.kills and min(self.signals.values()) >= size.signals
        return not enough and begun < MOST_LIVES

    def add(self, life):
        """Counts a life in; its faults."""
        self.lives += 1
        for name in self.counts:
            self.sums[name] += life[name]
        for name, count in life["signals"].items():
            self.signals[name] += count
        self.partial_files += life["partial_files"]
        faults, different = life["faults"], []
        if life["content"]:  # not of a life that ended in a fault
            different = differing(life["content"], self.reference)
            faults = faults + [f"life {self.lives}: {n} is not the reference's" for n in different]
        self.different += different
        self.faults += faults
        return faults

    def line(self):
        sums, signals = self.sums, self.signals
        return (
            f"{self.lives} lives, {sums['killed']} killed ({sums['in_writes']} in writes, "
            f"{sums['cut_files']} files cut), TERM {signals['TERM']}, INT {signals['INT']}, "
            f"{len(self.faults)} faults"
        )

    def record(self, seconds):
        tried = self.sums["killed"] + sum(self.signals.values())
        return {
            "tried": tried,
            "lives": self.lives,
            **self.sums,
            "signals": self.signals,
            "compared": len(self.reference),
            "undisturbed_seconds": {name: round(value, 1) for name, value in seconds.items()},
            "partial_files": self.partial_files,
            "different": self.different,
            "faults": self.faults,
        }


def table(record):
    """The counts."""
    rows = [
        ["processes started", record["started"]],
        ["SIGKILL", record["killed"]],
        ["of them when a file was seen being written", record["in_writes"]],
        ["temporary files that they left, removed by the next process", record["cut_files"]],
        ["metrics that ended within a line", record["cut_lines"]],
        ["SIGTERM, to be answered by status 143", record["signals"]["TERM"]],
        ["SIGINT, to be answered by status 130", record["signals"]["INT"]],
        ["of these two, answered by 0: it was about to end", record["done_anyway"]],
        ["visible files not whole after a kill", len(record["partial_files"])],
        ["runs let finish", record["lives"]],
        ["files of each compared with an undisturbed run's", record["compared"]],
        ["different", len(record["different"])],
    ]
    note = (
        "bin/train_experts, bin/distill and bin/table on digits; half of the kills at a random "
        "time of a process's life, half as soon as a randomly chosen temporary file was seen. "
        "After every kill every visible file was read and verified."
    )
    return Table("Kills", ["", "count"], rows, [note])


def outcome(record):
    """For the summary."""
    return (
        f"{record['killed']} SIGKILL, {record['in_writes']} in writes, "
        f"{sum(record['signals'].values())} other signals; {record['cut_files']} writes cut, "
        f"{len(record['partial_files'])} files partial, {len(record['different'])} different"
    )
