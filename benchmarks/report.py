"""The records as tables, on the screen and in a Markdown file."""

from benchmarks import at_once, commands, derivatives, growth, loops
from benchmarks.machine import facts_text
from benchmarks.pair_tables import pair_tables
from benchmarks.tables import Table

__all__ = ["EXPERIMENTS", "agreement_table", "markdown", "peak_of", "tables", "tables_of_pairs"]

EXPERIMENTS = {
    "derivatives": (derivatives.run, derivatives.table),
    "at-once": (at_once.run, at_once.table),
    "growth": (growth.run, growth.table),
    "convolution": (loops.run, loops.table),
    "start-up": (commands.run_start, commands.table_start),
    "host-work": (commands.run_host, commands.table_host),
}
"""name for ``--only`` -> (what measures it, its table)."""


def agreement_table(cases):
    names = list(cases[0]["differences"])
    lines = [
        [
            one["case"],
            *(f"{one['differences'][name]:.1e}" for name in names),
            f"{one['tolerance']:.0e}",
            "agree" if one["agrees"] else "DISAGREE",
        ]
        for one in cases
    ]
    title = "Both sides compute the same: largest relative differences, float64, width 8, S = 3"
    return Table(title, ["gradient through", *names, "tolerance", "verdict"], lines)


def tables(records, rows):
    """All tables of what was measured, in the order of ``rows`` and ``EXPERIMENTS``."""
    found = []
    if "agreement" in records.records:
        found.append(agreement_table(records.records["agreement"]["cases"]))
    found += tables_of_pairs(records, rows)
    found += [
        table(records.records[name])
        for name, (_, table) in EXPERIMENTS.items()
        if name in records.records
    ]
    return found


def tables_of_pairs(records, rows):
    """The tables of the rows that were timed on both sides."""
    pairs = [records.records[row.name] for row in rows if row.name in records.records]
    if not pairs:
        return []
    return pair_tables(pairs, lambda one: peak_of(records.run_of(one)), later_run(records))


def peak_of(run):
    """The best median of a run's matrix products."""
    return max(value for peak in run["peaks"] for value in peak.values())


def later_run(records):
    """What to say of a record that is not of this run."""

    def note(one):
        run = records.run_of(one)
        return None if run is records.run else f"measured {run['id']}, commit `{run['commit']}`"

    return note


def accelerator_parts(found):
    """The section of what ``benchmarks.gpu`` measured, as pieces of Markdown."""
    if not found:
        return []
    devices = " and ".join(sorted(set(found["devices"].values())))
    parts = ["## Accelerator", f"- {devices}", facts_text(found["run"])]
    if found["peaks"]:
        parts.append(device_table(found["peaks"]).markdown().rstrip())
    memory = (
        "Peak of the device's memory: for mttjax of its process, compiling included, for PyTorch "
        "of its tensors during the call."
    )
    for name, pairs in found["pairs"].items():
        peak = max(found["peaks"]["products"][name].values())
        for table in pair_tables(list(pairs.values()), lambda _, peak=peak: peak, memory=memory):
            table.title = f"{table.title}, {name} products"
            parts.append(table.markdown().rstrip())
    return parts


def device_table(peaks):
    lines = [
        [f"product, {name}", *(f"{speed / 1000:.1f} TFLOP/s" for speed in found.values())]
        for name, found in peaks["products"].items()
    ]
    lines.append(["copy, read and written", f"{peaks['copy']:.0f} GB/s", ""])
    return Table("What the device reaches", ["", "JAX", "PyTorch"], lines)


def markdown(records, rows):
    """The whole file."""
    runs = sorted(records.data["runs"].values(), key=lambda run: run["id"], reverse=True)
    parts = [
        "# Benchmarks",
        "mttjax against the same work in eager PyTorch (`benchmarks/pytorch`), both with all "
        "cores, each in a process of its own, called in turns after a warm-up. Made by "
        "`python -m benchmarks`; the numbers are in the JSON file beside this one.",
        *map(facts_text, runs),
        *(table.markdown().rstrip() for table in tables(records, rows)),
        *accelerator_parts(records.data["accelerator"]),
    ]
    return "\n\n".join(parts) + "\n"
