"""One seed, the same bytes: every command twice, on one core too, and on every kind of device."""

import itertools
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables import Table
from benchmarks.torture import devices
from benchmarks.torture.commands import Place, arguments_of, bin_arguments
from benchmarks.torture.files import content, differing

__all__ = ["Way", "commands", "run", "same_in_all_ways", "table"]

PIN = (
    "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)
"""A process on one core from its first instruction on."""

LOOPS = ("dd", "ld", "dc", "dsa", "dm", "cafe", "cafe_dsa")
SELECTED = ("random", "herding", "k_center", "forgetting")
PROTOCOL = ("--protocol.networks", "3", "--protocol.epochs", "20")
RUN = "runs/torture-ipc1"
WIDE = (
    "--network.depth",
    "3",
    "--network.width",
    "96",
    "--experts.folder",
    "experts/wide",
    "--experts.count",
    "1",
    "--experts.epochs",
    "2",
)


@dataclass(frozen=True)
class Way:
    """How a command is run once more."""

    name: str
    one_core: bool = False


WAYS = (Way("all cores"), Way("all cores, again"), Way("one core", one_core=True))
WHY = (
    "With one thread XLA's YNNPACK adds many numbers in another order than with several (2 and 4 "
    "give the same bits), so that a wide network would differ in its last bits on one core: the "
    "commands ask for two threads there (`NPROC=2`), and so must a program that uses the library."
)


def run(size, say=print):
    """Runs every command in every way, and one step on every device."""
    record = same_in_all_ways(commands(size), WAYS if size == "full" else WAYS[::2], size, say)
    say("match_loss on every pair of devices")
    record["devices"] = devices.run()
    record["tried"] += len(record["devices"]["pairs"])
    record["faults"] += record["devices"]["faults"]
    return record


def commands(size):
    """name -> arguments, in the order in which they need each other."""
    if size == "small":
        return {"distill dm": arguments_of("distill", "--method", "dm", "--distill.steps", "4")}
    found = {
        "train_experts, 1 at once": arguments_of(
            "train_experts", "--experts.parallel", "1", "--experts.folder", "experts/one"
        ),
        "train_experts, 2 at once": arguments_of(
            "train_experts", "--experts.parallel", "2", "--experts.folder", "experts/two"
        ),
        "train_experts": arguments_of("train_experts"),
        "train_experts, width 96": arguments_of("train_experts", *WIDE),
        "distill mtt": arguments_of("distill"),
        "distill mtt, 2 trajectories": arguments_of(
            "distill", "--distill.trajectories", "2", "--run.folder", "runs/two"
        ),
        "distill mtt, width 96": arguments_of(
            "distill",
            *WIDE,
            "--distill.max-start",
            "1",
            "--distill.steps",
            "10",
            "--run.folder",
            "runs/wide",
        ),
    }
    found |= {f"distill {m}": arguments_of("distill", "--method", m) for m in LOOPS + SELECTED}
    return found | _readers()


def _readers():
    """The commands that read what the others made."""
    a_set = ("--set", f"{RUN}/last.npz")
    return {
        "evaluate": bin_arguments("evaluate", "--run", RUN, *PROTOCOL),
        "evaluate, networks": bin_arguments(
            "evaluate", *a_set, *PROTOCOL, "--networks", "convnet-w4", "--to", "across"
        ),
        "evaluate, robustness": bin_arguments(
            "evaluate", *a_set, *PROTOCOL, "--robustness", "--full-accuracy", ".9", "--to", "robust"
        ),
        "export_images": bin_arguments("export_images", *a_set, "--to", "pngs"),
        "table": arguments_of(
            "table", "--full", "--full-data.networks", "2", "--full-data.epochs", "2"
        ),
        "figure range": bin_arguments(
            "figure",
            "range",
            "--config",
            "torture.py",
            "--student-steps",
            "2",
            "3",
            "--expert-epochs",
            "1",
            "--steps",
            "10",
            *PROTOCOL,
            "--folder",
            "range",
        ),
        "figure distance": bin_arguments(
            "figure",
            "distance",
            *a_set,
            "--experts",
            "experts/two",
            "--held-out",
            "2",
            "--starts",
            "0",
            "1",
            "--steps",
            "20",
            "--allow-used",
            "--to",
            "distance",
        ),
        "figure grid": bin_arguments("figure", "grid", *a_set, "--to", "classes.png"),
        "figure cost": bin_arguments("figure", "cost", "--runs", RUN, "--to", "cost"),
    }


def same_in_all_ways(wanted, ways, size, say=print):
    """Runs the commands ``wanted`` in folders of their own and compares what they left.

    Args:
      wanted: name -> arguments.
      ways: ``Way``s; the first is what the others are compared with.
      size: of the preset.
      say: called with lines of text.

    Returns:
      ``tried`` (contents compared), ``different`` by way, ``faults``.
    """
    with tempfile.TemporaryDirectory(prefix="determinism-") as temporary:
        places = [Place(Path(temporary, way.name), size, Path(temporary, "cache")) for way in ways]
        for name, arguments in wanted.items():
            say(name)
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(_run, places, ways, itertools.repeat(arguments)))
        first, *others = [content(place.folder) for place in places]
    different = {way.name: differing(one, first) for way, one in zip(ways[1:], others, strict=True)}
    if "experts/one/manifest.json" in first:
        different["one expert at once, and two"] = _one_and_two(first)
    faults = [f"{way}: {name} differs" for way, names in different.items() for name in names]
    return {
        "tried": len(first) * len(others),
        "commands": list(wanted),
        "ways": [way.name for way in ways],
        "files": len(first),
        "different": different,
        "faults": faults,
    }


def _run(place, way, arguments):
    if way.one_core:
        arguments = [sys.executable, "-c", PIN, str(min(os.sched_getaffinity(0))), *arguments]
    place.run(arguments)


def _one_and_two(found):
    """What differs between the experts trained one at a time and two at a time."""
    one, two = (
        {n.removeprefix(folder): digest for n, digest in found.items() if n.startswith(folder)}
        for folder in ("experts/one/", "experts/two/")
    )
    return differing(one, two)


def table(record):
    """A line per comparison."""
    rows = [[way, record["files"], len(names)] for way, names in record["different"].items()]
    notes = [
        f"Commands: {', '.join(record['commands'])}. Compared: the bytes of sets, states, "
        "snapshots and pictures, and all numbers but dates, seconds, memory and hardware, with "
        "those of the first run on all cores."
    ]
    notes += [f"Different: {', '.join(n)} ({way})" for way, n in record["different"].items() if n]
    notes.append(WHY)
    return Table(
        "Determinism",
        ["against all cores", "files", "different"],
        rows,
        notes + devices.notes(record["devices"]),
    )


def outcome(record):
    """For the summary."""
    return ", ".join(f"{way}: {len(n)} different" for way, n in record["different"].items())
