"""The tables of what was timed on both sides."""

from statistics import median

from benchmarks.machine import BUSY, DISTURBED, is_busy
from benchmarks.tables import Table, at_least, at_most, bytes_text, seconds_text, spread_text

__all__ = ["Pair", "pair_tables"]

SIDES = ("mttjax", "pytorch")
RATIO = "PyTorch / mttjax"


class Pair:
    """A record of ``compare``, and what follows from it.

    Args:
      record: the record.
      peak: GFLOP/s of a matrix product in its run.
      note: what to say of the run it is of, or None.
    """

    def __init__(self, record, peak, note=None):
        self.record, self.title, self.note = record, record["title"], note
        self.sides = tuple(record[side] for side in SIDES)
        self.medians = tuple(median(side["seconds"]) for side in self.sides)
        self.sizes = tuple(side["memory"]["bytes"] for side in self.sides)
        self.floor = record["flops"] / peak / 1e9
        self.faster = self.medians[1] / self.medians[0]
        self.leaner = self.sizes[1] / self.sizes[0] if self.sizes[0] else None

    def verdict(self, rule, value, kind):
        """None of a time that other programs disturbed."""
        if kind != "memory" and is_busy(self.record):
            return DISTURBED
        return rule(value, self.record["budget"][kind])


def pair_tables(pairs):
    """Three tables of the rows that were timed on both sides: time, memory, floor."""
    return [time_table(pairs), memory_table(pairs), floor_table(pairs)]


def time_table(pairs):
    notes = sorted({pair.note for pair in pairs if pair.note})
    lines = []
    for pair in pairs:
        ours, theirs = pair.sides
        mark = f" [{notes.index(pair.note) + 1}]" if pair.note else ""
        mark += " [busy]" if is_busy(pair.record) else ""
        lines.append(
            [
                pair.title + mark,
                spread_text(ours["seconds"], pair.medians[0]),
                spread_text(theirs["seconds"], pair.medians[1]),
                theirs["format"],
                len(ours["seconds"]),
                f"{pair.record['amount'] / pair.medians[0]:.0f} {pair.record['unit']}/s",
                f"{pair.faster:.2f}x",
                pair.verdict(at_least, pair.faster, "speed"),
            ]
        )
    header = ["work", "mttjax, median (min-max)", "PyTorch, median (min-max)"]
    header += ["PyTorch's memory format", "turns", "mttjax", RATIO, "verdict"]
    notes = [f"[{i}] {note}" for i, note in enumerate(notes, 1)]
    if any(is_busy(pair.record) for pair in pairs):
        notes.append(
            f"[busy] other programs used more than {100 * BUSY:.0f} % of the cores when this row "
            "began; that slows PyTorch's team of threads more than mttjax."
        )
    return Table("Time", header, lines, notes)


def memory_table(pairs):
    lines = [
        [
            pair.title,
            bytes_text(pair.sizes[0]),
            bytes_text(pair.sides[0].get("temporaries")),
            bytes_text(pair.sizes[1]),
            f"{pair.leaner:.1f}x" if pair.leaner else "",
            pair.verdict(at_least, pair.leaner, "memory"),
            seconds_text(pair.sides[0]["first"]),
        ]
        for pair in pairs
    ]
    header = ["work", "mttjax, peak", "of it compiled temporaries", "PyTorch, peak", RATIO]
    header += ["verdict", "mttjax: compile and first call"]
    if any(side["memory"]["since_start"] for pair in pairs for side in pair.sides):
        note = (
            "The peak could not be set back on some side: it is that since the process began, "
            "compiling and loading included."
        )
    else:
        note = (
            "Peak of the process's resident memory during a call, above what rested before it: "
            "the data and the compiled program are not counted."
        )
    return Table("Memory of one call", header, lines, [note])


def floor_table(pairs):
    lines = [
        [
            pair.title,
            f"{pair.record['flops'] / 1e9:.0f} GFLOP",
            seconds_text(pair.floor),
            *(f"{100 * pair.floor / seconds:.0f} %" for seconds in pair.medians),
            pair.verdict(at_most, pair.medians[0] / pair.floor, "floor"),
        ]
        for pair in pairs
    ]
    note = (
        "The floor is the time of the work's convolutions and linear layers, and nothing else, "
        "at the peak of a matrix product: 3F per image that is trained on, 11F per image and "
        "student step that is distilled through (9F would do if every activation were kept), "
        "F per test image, with F the operations of a forward pass."
    )
    header = ["work", "operations", "floor", "mttjax reaches", "PyTorch reaches", "verdict"]
    return Table("Against the floor", header, lines, [note])
