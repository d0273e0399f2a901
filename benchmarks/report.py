"""The records as tables, on the screen and in a Markdown file."""

import dataclasses

from benchmarks.experiments import EXPERIMENTS
from benchmarks.machine import facts_text
from benchmarks.pair_tables import Pair, pair_tables
from benchmarks.tables import Table

__all__ = ["agreement_table", "markdown", "tables"]


def agreement_table(cases):
    names = list(cases[0]["differences"])
    lines = [
        [
            case["case"],
            *(f"{found[name]:.1e}" if name in found else "" for name in names),
            f"{case['tolerance']:.0e}",
            "agree" if case["agrees"] else "DISAGREE",
        ]
        for case in cases
        for found in (case["differences"],)
    ]
    title = "The sides compute the same: largest relative differences, float64, width 8, S = 3"
    return Table(title, ["gradient through", *names, "tolerance", "verdict"], lines)


def tables(records, rows):
    """All tables of what was measured, in the order of ``rows`` and ``EXPERIMENTS``."""
    known, made = records.records, []
    if "agreement" in known:
        made.append(agreement_table(known["agreement"]["cases"]))
    if pairs := [_pair(records, known[row.name]) for row in rows if row.name in known]:
        made += pair_tables(pairs)
    for name, experiment in EXPERIMENTS.items():
        if name in known:
            table, run = experiment.table(known[name]), records.run_of(known[name])
            notes = [*table.notes, f"Measured {run['id']}."]
            made.append(dataclasses.replace(table, notes=notes))
    return made


def _pair(records, record):
    """The record with its run's best median of a product, and a note if it is of another run."""
    run = records.run_of(record)
    peak = max(speed for peak in run["peaks"] for speed in peak.values())
    note = f"measured {run['id']}, commit `{run['commit']}`"
    return Pair(record, peak, None if run is records.run else note)


def markdown(records, rows):
    """The whole file."""
    runs = sorted(records.data["runs"].values(), key=lambda run: run["id"], reverse=True)
    parts = [
        "# Benchmarks",
        "mttjax against the same work in eager PyTorch (`benchmarks/pytorch`), each with all "
        "cores, each in a process of its own, called in turns after a warm-up. Made by "
        "`python -m benchmarks`; the numbers are in the JSON file beside this one.",
        *map(facts_text, runs),
        *(table.markdown() for table in tables(records, rows)),
    ]
    return "\n\n".join(parts) + "\n"
