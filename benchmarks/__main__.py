"""``python -m benchmarks [--quick] [--only NAME ...] [--output FILE]``: all comparisons.

First both sides are shown to compute the same; if they do not, nothing is timed. Results
are saved after every row, so that a run which is stopped loses nothing.
"""

import argparse
import fnmatch
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from benchmarks import compare, report
from benchmarks.client import ROOT, WorkerError
from benchmarks.machine import busy, busy_text, facts, is_busy
from benchmarks.pair_tables import summary
from benchmarks.records import Records
from benchmarks.rows import PLANS, Plan, rows

__all__ = ["main"]

FAILURES = (WorkerError, ArithmeticError, RuntimeError, subprocess.CalledProcessError)
MATRIX = {"full": 1024, "quick": 1024, "tiny": 256}
PEAK = Plan(3, 3, 0)


def parse(arguments):
    names = [row.name for row in rows("full")] + list(report.EXPERIMENTS)
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 minutes instead of 35")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help=f"these rows alone, into the results there are; * is a wildcard: {', '.join(names)}",
    )
    parser.add_argument("--output", type=Path, help="default: benchmarks/RESULTS.md")
    options = parser.parse_args(arguments)
    options.size = "tiny" if options.tiny else "quick" if options.quick else "full"
    options.output = options.output or default_output(options.size)
    return options


def default_output(size):
    """The Markdown file; the numbers are in the ``.json`` beside it."""
    return ROOT / "benchmarks" / f"RESULTS{'' if size == 'full' else f'-{size}'}.md"


class Driver:
    """A run: what is measured goes to the screen, to JSON and to Markdown."""

    def __init__(self, options, command, console):
        self.size, self.output, self.console = options.size, options.output, console
        self.rows = rows(options.size)
        run = facts(["benchmarks", *command], options.size)
        path = options.output.with_suffix(".json")
        self.records = Records(path, options.size, run, keep=bool(options.only))
        self.failed = []
        if is_busy(run):
            console.print(f"The machine is {busy_text(run)}: such timings mean little.")

    def agree(self):
        """Whether both sides compute the same."""
        few = {"ops": ("color", "crop"), "seeds": 1} if self.size == "tiny" else {}
        with self.console.status("do both sides compute the same?"):
            cases = compare.agree(**few)
        self.console.print(report.agreement_table(cases).rich())
        self.records.add("agreement", {"cases": cases})
        return all(one["agrees"] for one in cases)

    def peak(self):
        """Measures the matrix product and adds it to the run's facts."""
        with self.console.status("the peak of a matrix product"):
            peak = compare.matrix_peak(PEAK, size=MATRIX[self.size])
        self.records.run["peaks"].append(peak)
        speeds = ", ".join(f"{name} {value:.0f}" for name, value in peak.items())
        self.console.print(f"matrix product, GFLOP/s: {speeds}")
        self.write()

    def row(self, row):
        """Times a row on both sides."""
        if record := self._measured(row.name, row.title, compare.compare, row):
            peak = report.peak_of(self.records.run)
            self.console.print(summary(record, peak).rich())

    def experiment(self, name):
        """Measures what is not a pair."""
        run, table = report.EXPERIMENTS[name]
        if record := self._measured(name, name, run, self.size):
            self.console.print(table(record).rich())

    def _measured(self, name, title, run, what):
        """The record, saved; None where it failed, which is said and does not stop the rest."""
        self.console.rule(title, align="left")
        before = busy()
        try:
            with self.console.status(title) as status:
                say = lambda doing: status.update(f"{title}: {doing}")
                record = run(what, PLANS[self.size], say)
        except FAILURES as error:
            self.console.print(f"FAILED: {error}", markup=False)
            self.failed.append(name)
            return None
        record["busy"] = before
        self.records.add(name, record)
        self.write()
        return record

    def write(self):
        """Everything so far into the files."""
        self.records.save()
        self.output.write_text(report.markdown(self.records, self.rows), encoding="utf-8")


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    known = [row.name for row in rows(options.size)] + list(report.EXPERIMENTS)
    wanted = [n for n in known if any(fnmatch.fnmatch(n, p) for p in options.only or ["*"])]
    if not wanted:
        return f"benchmarks: --only {' '.join(options.only)}: there are {', '.join(known)}"
    driver = Driver(options, arguments, Console(width=None if sys.stdout.isatty() else 140))
    if not driver.agree():
        return "benchmarks: the two sides compute different things; nothing was timed"
    driver.peak()
    for row in driver.rows:
        if row.name in wanted:
            driver.row(row)
    for name in wanted:
        if name in report.EXPERIMENTS:
            driver.experiment(name)
    driver.peak()
    for table in report.tables_of_pairs(driver.records, driver.rows):
        driver.console.print(table.rich())
    driver.console.print(f"written: {driver.output} and {driver.records.path.name}")
    return f"benchmarks: failed: {', '.join(driver.failed)}" if driver.failed else 0


if __name__ == "__main__":
    sys.exit(main())
