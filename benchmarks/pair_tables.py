"""The tables of what was timed on both sides."""

from benchmarks.compare import median
from benchmarks.machine import BUSY, is_busy
from benchmarks.tables import Table, bytes_text, seconds_text, spread_text
from benchmarks.verdicts import at_least, at_most

__all__ = ["pair_tables", "summary"]

RATIO = "PyTorch / mttjax"
DISTURBED = "none: the machine was busy"


def summary(one, peak):
    """A row as it is shown when it is done."""
    ours, theirs = (median(one[side]["seconds"]) for side in ("mttjax", "pytorch"))
    sizes = [one[side]["memory"]["bytes"] for side in ("mttjax", "pytorch")]
    floor, budget = one["flops"] / peak / 1e9, one["budget"]
    return Table(
        "",
        ["", "mttjax", "PyTorch", RATIO, "verdict"],
        [
            [
                "time",
                seconds_text(ours),
                seconds_text(theirs),
                f"{theirs / ours:.2f}x",
                speed_verdict(one, theirs / ours),
            ],
            [
                "memory",
                *map(bytes_text, sizes),
                ratio_text(*sizes),
                at_least(ratio(*sizes), budget["memory"]),
            ],
            [
                "floor reached",
                f"{100 * floor / ours:.0f} %",
                f"{100 * floor / theirs:.0f} %",
                "",
                floor_verdict(one, ours / floor),
            ],
        ],
    )


def speed_verdict(one, times):
    return DISTURBED if is_busy(one) else at_least(times, one["budget"]["speed"])


def floor_verdict(one, times):
    return DISTURBED if is_busy(one) else at_most(times, one["budget"]["floor"])


def ratio(ours, theirs):
    return theirs / ours if ours else None


def ratio_text(ours, theirs):
    return f"{theirs / ours:.1f}x" if ours else ""


def pair_tables(pairs, peak, run_of=lambda _: None, memory=None):
    """Three tables of the rows that were timed on both sides: time, memory, floor.

    Args:
      pairs: records of ``compare``.
      peak: record -> GFLOP/s of a matrix product in its run.
      run_of: record -> what to say of the run it is of, or None.
      memory: what to say of the memory; None: that of a host's process.
    """
    later = sorted({note for note in map(run_of, pairs) if note})
    return [time_table(pairs, later, run_of), memory_table(pairs, memory), floor_table(pairs, peak)]


def time_table(pairs, later, run_of):
    lines = []
    for one in pairs:
        ours, theirs = (median(one[side]["seconds"]) for side in ("mttjax", "pytorch"))
        mark = f" [{later.index(run_of(one)) + 1}]" if run_of(one) else ""
        mark += " [busy]" if is_busy(one) else ""
        lines.append(
            [
                one["title"] + mark,
                spread_text(one["mttjax"]["seconds"], ours),
                spread_text(one["pytorch"]["seconds"], theirs),
                one["pytorch"]["format"],
                len(one["mttjax"]["seconds"]),
                f"{one['amount'] / ours:.0f} {one['unit']}/s",
                f"{theirs / ours:.2f}x",
                speed_verdict(one, theirs / ours),
            ]
        )
    header = [
        "work",
        "mttjax, median (min-max)",
        "PyTorch, median (min-max)",
        "PyTorch's memory format",
        "turns",
        "mttjax",
        RATIO,
        "verdict",
    ]
    notes = [f"[{i + 1}] {note}" for i, note in enumerate(later)]
    if any(map(is_busy, pairs)):
        notes.append(
            f"[busy] other programs used more than {100 * BUSY:.0f} % of the cores when this row "
            "began; that slows PyTorch's team of threads more than mttjax."
        )
    return Table("Time", header, lines, notes)


def memory_table(pairs, note):
    lines = []
    for one in pairs:
        ours, theirs = (one[side]["memory"]["bytes"] for side in ("mttjax", "pytorch"))
        lines.append(
            [
                one["title"],
                bytes_text(ours),
                bytes_text(one["mttjax"].get("temporaries")),
                bytes_text(theirs),
                ratio_text(ours, theirs),
                at_least(ratio(ours, theirs), one["budget"]["memory"]),
                seconds_text(one["mttjax"]["first"]),
            ]
        )
    header = [
        "work",
        "mttjax, peak",
        "of it compiled temporaries",
        "PyTorch, peak",
        RATIO,
        "verdict",
        "mttjax: compile and first call",
    ]
    return Table("Memory of one call", header, lines, [note or memory_note(pairs)])


def memory_note(pairs):
    whole = {one[side]["memory"]["since_start"] for one in pairs for side in ("mttjax", "pytorch")}
    if whole == {False}:
        return (
            "Peak of the process's resident memory during a call, above what rested before it: "
            "the data and the compiled program are not counted, but where a call of mttjax loads "
            "its program from the compile cache (experts)."
        )
    return (
        "The peak could not be reset on some side: it is that since the process began, "
        "compiling and loading included."
    )


def floor_table(pairs, peak):
    lines = []
    for one in pairs:
        floor = one["flops"] / peak(one) / 1e9
        ours, theirs = (median(one[side]["seconds"]) for side in ("mttjax", "pytorch"))
        lines.append(
            [
                one["title"],
                f"{one['flops'] / 1e9:.0f} GFLOP",
                seconds_text(floor),
                f"{100 * floor / ours:.0f} %",
                f"{100 * floor / theirs:.0f} %",
                floor_verdict(one, ours / floor),
            ]
        )
    note = (
        "The floor is the time of the work's convolutions and linear layers, and nothing else, "
        "at the peak of a matrix product: 3F per image that is trained on, 11F per image and "
        "student step that is distilled through (9F would do if every activation were kept), "
        "F per test image, with F the operations of a forward pass."
    )
    header = ["work", "operations", "floor", "mttjax reaches", "PyTorch reaches", "verdict"]
    return Table("Against the floor", header, lines, [note])
