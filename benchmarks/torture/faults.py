"""Faults of the disk and the files: a clear error or a repaired run, never wrong numbers.

Every file removed, cut, replaced or with a bit flipped; disks that are full or cannot be written
to; two processes in one folder; clocks that jump; files of other versions and recipes. A case is
*refused* where an error says what is wrong, *repaired* where the run or the store ends with the
bytes of an undisturbed one after something was done again, *harmless* where nothing differs.
"""

import tempfile
from pathlib import Path

from benchmarks.tables import Table
from benchmarks.torture import (
    faults_disk,
    faults_files,
    faults_repairs,
    faults_system,
    faults_versions,
)
from benchmarks.torture.faults_common import OUTCOMES, Bench, Tally, kept_programs

__all__ = ["outcome", "run", "table"]


def run(size, say=print):
    """Tries all faults; ``small`` few of each, within this process."""
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
        folder = Path(temporary).resolve()
        tally = Tally(say)
        commands = faults_system.Commands(folder / "processes") if size == "full" else None
        with kept_programs(folder / "compiled"):
            bench = Bench(folder)
            for name, part, more in (
                ("files", faults_files, ()),
                ("repairs", faults_repairs, ()),
                ("clocks and versions", faults_versions, ()),
                ("full disks", faults_disk, (commands,)),
                ("places and processes", faults_system, (commands,)),
            ):
                say(name)
                part.run(bench, size, tally, *more)
        return tally.record()


def table(record):
    """A line per family."""
    rows = [
        [name, counts["tried"], *(counts[o] for o in OUTCOMES)]
        for name, counts in record["by_family"].items()
    ]
    notes = [
        "Refused: a message that names the file and says what to do. Repaired: gone on with, to "
        "the bytes of an undisturbed run. Harmless: what is read is what was there. After every "
        "damage to a file that is read, bin/check named it."
    ]
    notes += [f"Not tried here: {line}." for line in record["not_tried"]]
    return Table("Faults", ["", "tried", *OUTCOMES], rows, notes)


def outcome(record):
    """For the summary."""
    sums = {o: sum(counts[o] for counts in record["by_family"].values()) for o in OUTCOMES}
    return ", ".join(f"{count} {name}" for name, count in sums.items())
