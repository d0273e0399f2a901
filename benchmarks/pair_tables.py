"""The tables of what was timed on every side."""

from statistics import median

from benchmarks.machine import BUSY, DISTURBED, is_busy
from benchmarks.tables import Table, at_least, bytes_text, seconds_text, spread_text

__all__ = ["Pair", "pair_tables"]

SIDES = {"mttjax": "mttjax", "pytorch": "PyTorch", "official": "published code"}
"""What the tables call the sides of a record; the last is there where a clone of it was."""


class Pair:
    """A record of ``compare``, and what follows from it.

    Args:
      record: the record.
      peak: GFLOP/s of a matrix product in its run.
      note: what to say of the run it is of, or None.
    """

    def __init__(self, record, peak, note=None):
        self.record, self.title, self.note = record, record["title"], note
        self.sides = {name: record[name] for name in SIDES if name in record}
        self.medians = {name: median(side["seconds"]) for name, side in self.sides.items()}
        self.sizes = {name: side["memory"]["bytes"] for name, side in self.sides.items()}
        self.floor = record["flops"] / peak / 1e9

    def faster(self, name="pytorch"):
        """A side's median over mttjax's; None where the side was not timed."""
        return self.medians[name] / self.medians["mttjax"] if name in self.medians else None

    def leaner(self, name="pytorch"):
        """A side's memory over mttjax's; None where either is not known."""
        ours, theirs = self.sizes["mttjax"], self.sizes.get(name)
        return theirs / ours if ours and theirs is not None else None

    def reaches(self, name):
        """The floor over a side's median; None where the side was not timed."""
        return self.floor / self.medians[name] if name in self.medians else None

    def verdict(self, rule, value, budget, *text):
        """None of a time that other programs disturbed."""
        return DISTURBED if is_busy(self.record) else rule(value, budget, *text)


def pair_tables(pairs):
    """Three tables of the rows that were timed on every side: time, memory, floor."""
    return [time_table(pairs), memory_table(pairs), floor_table(pairs)]


def others(pairs):
    """The sides beside mttjax that any of the pairs has."""
    return [name for name in SIDES if name != "mttjax" and any(name in p.sides for p in pairs)]


def spread_of(pair, name):
    if name not in pair.sides:
        return ""
    return spread_text(pair.sides[name]["seconds"], pair.medians[name])


def times_text(ratio, text="{:.2f}x"):
    return "" if ratio is None else text.format(ratio)


def time_table(pairs):
    notes = sorted({pair.note for pair in pairs if pair.note})
    sides, lines = others(pairs), []
    for pair in pairs:
        mark = f" [{notes.index(pair.note) + 1}]" if pair.note else ""
        mark += " [busy]" if is_busy(pair.record) else ""
        lines.append(
            [
                pair.title + mark,
                *(spread_of(pair, name) for name in ("mttjax", *sides)),
                pair.sides["pytorch"]["format"],
                len(pair.sides["mttjax"]["seconds"]),
                f"{pair.record['amount'] / pair.medians['mttjax']:.0f} {pair.record['unit']}/s",
                *(times_text(pair.faster(name)) for name in sides),
                pair.verdict(at_least, pair.faster(), pair.record["budget"]["speed"]),
            ]
        )
    header = ["work", *(f"{SIDES[name]}, median (min-max)" for name in ("mttjax", *sides))]
    header += ["PyTorch's memory format", "turns", "mttjax"]
    header += [f"{SIDES[name]} / mttjax" for name in sides] + ["verdict"]
    notes = [f"[{i}] {note}" for i, note in enumerate(notes, 1)]
    if any(is_busy(pair.record) for pair in pairs):
        notes.append(
            f"[busy] other programs used more than {100 * BUSY:.0f} % of the cores when this row "
            "began; that slows PyTorch's team of threads more than mttjax."
        )
    return Table("Time", header, lines, notes)


def memory_table(pairs):
    sides = others(pairs)
    lines = [
        [
            pair.title,
            bytes_text(pair.sizes["mttjax"]),
            bytes_text(pair.sides["mttjax"].get("temporaries")),
            *(bytes_text(pair.sizes.get(name)) for name in sides),
            *(times_text(pair.leaner(name), "{:.1f}x") for name in sides),
            at_least(pair.leaner(), pair.record["budget"]["memory"]),
            seconds_text(pair.sides["mttjax"]["first"]),
        ]
        for pair in pairs
    ]
    header = ["work", "mttjax, peak", "of it compiled temporaries"]
    header += [f"{SIDES[name]}, peak" for name in sides]
    header += [f"{SIDES[name]} / mttjax" for name in sides]
    header += ["verdict", "mttjax: compile and first call"]
    if any(side["memory"]["since_start"] for pair in pairs for side in pair.sides.values()):
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
    percent = "{:.0f} %".format
    sides = ("mttjax", *others(pairs))
    lines = []
    for pair in pairs:
        shares = [None if (x := pair.reaches(name)) is None else 100 * x for name in sides]
        lines.append(
            [
                pair.title,
                f"{pair.record['flops'] / 1e9:.0f} GFLOP",
                seconds_text(pair.floor),
                *("" if share is None else percent(share) for share in shares),
                pair.verdict(at_least, shares[0], 100, percent),
            ]
        )
    note = (
        "The floor is the time of the work's convolutions, computed directly, and linear layers, "
        "and nothing else, at the peak of a matrix product in the same run: 3F per image that is "
        "trained on, 11F per image and student step that is distilled through (9F would do if "
        "every activation were kept), F per test image, with F the operations of a forward pass. "
        "Winograd's convolutions need fewer, so that more than 100 % is the aim."
    )
    header = ["work", "operations", "direct floor", *(f"{SIDES[name]} reaches" for name in sides)]
    title = "Share of the floor of direct convolutions"
    return Table(title, [*header, "verdict"], lines, [note])
