"""``python -m benchmarks [--quick] [--only NAME ...] [--official PATH]``: all comparisons.

First the sides are shown to compute the same; if they do not, nothing is timed. Results
are saved after every row, so that a run which is stopped loses nothing.
"""

import argparse
import fnmatch
import sys
from pathlib import Path

from benchmarks import compare, report
from benchmarks.client import ROOT, WorkerError
from benchmarks.experiments import EXPERIMENTS
from benchmarks.machine import busy, facts, has_torch, is_busy
from benchmarks.records import Records
from benchmarks.rows import PLANS, Plan, rows

__all__ = ["Driver", "main"]

MATRIX = {"full": 1024, "quick": 1024, "tiny": 256}
PEAK = Plan(3, 3, 0)


class Driver:
    """A run: what is measured goes to the screen, to JSON and to Markdown.

    Args:
      size: ``full``, ``quick`` or ``tiny``.
      rows: all that the tables have.
      output: the Markdown file.
      command: what was typed.
      keep: go on from what the output holds.
      official: a clone of the published implementation, or None.
    """

    def __init__(self, size, rows, output, command, *, keep, official=None):
        self.size, self.rows, self.output, self.failed = size, rows, output, []
        self.official = official
        run = facts(command, size)
        self.records = Records(output.with_suffix(".json"), run, keep=keep)
        if is_busy(run):
            say(f"The machine is {100 * run['busy']:.0f} % busy: such timings mean little.")

    def agree(self):
        """Whether the sides compute the same."""
        say("do the sides compute the same?")
        few = {"ops": ("color", "crop"), "seeds": 1} if self.size == "tiny" else {}
        cases = compare.agree(**few)
        if self.official:
            cases.append(compare.agree_officially(self.official))
        say(report.agreement_table(cases).markdown())
        self.records.add("agreement", {"cases": cases})
        return all(case["agrees"] for case in cases)

    def peak(self):
        """Measures a matrix product and adds it to the run's facts."""
        peak = compare.matrix_peak(PEAK, MATRIX[self.size])
        self.records.run["peaks"].append(peak)
        say("matrix product, GFLOP/s: " + ", ".join(f"{n} {v:.0f}" for n, v in peak.items()))
        self.write()

    def row(self, row):
        """Times a row on every side."""
        plan = PLANS[self.size]
        self._measure(row.name, lambda: compare.compare(row, plan, say, self.official))

    def experiment(self, name):
        """Measures what is not a pair."""
        self._measure(name, lambda: EXPERIMENTS[name].run(self.size, say))

    def _measure(self, name, run):
        """Saves the record; a failure is said and does not stop the rest."""
        say(f"{name}:")
        before = busy()
        try:
            self.records.add(name, run() | {"busy": before})
        except (WorkerError, ArithmeticError, RuntimeError) as error:
            say(f"FAILED: {error}")
            self.failed.append(name)
        self.write()

    def write(self):
        """Everything so far into the files."""
        self.records.save()
        self.output.write_text(report.markdown(self.records, self.rows), encoding="utf-8")

    def finish(self):
        """Shows all that was written; returns the exit status."""
        say(self.output.read_text(encoding="utf-8"))
        say(f"written: {self.output} and {self.records.path.name}")
        return f"benchmarks: failed: {', '.join(self.failed)}" if self.failed else 0


def say(text):
    print(text, flush=True)


def parse(arguments):
    names = [row.name for row in rows("full")] + list(EXPERIMENTS)
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="minutes instead of half an hour")
    only = f"these rows alone, into the results there are; * is a wildcard: {', '.join(names)}"
    parser.add_argument("--only", nargs="+", metavar="NAME", help=only)
    official = "a clone of GeorgeCazenavette/mtt-distillation: the third side"
    parser.add_argument("--official", type=Path, metavar="PATH", help=official)
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help="default: benchmarks/RESULTS.md")
    options = parser.parse_args(arguments)
    options.size = "tiny" if options.tiny else "quick" if options.quick else "full"
    suffix = "" if options.size == "full" else f"-{options.size}"
    options.output = options.output or ROOT / "benchmarks" / f"RESULTS{suffix}.md"
    return options


def wanted(known, patterns):
    """The names that any of the patterns means; ``_`` is as good as ``-``."""
    patterns = [pattern.replace("_", "-") for pattern in patterns or ["*"]]
    return [name for name in known if any(fnmatch.fnmatch(name, p) for p in patterns)]


def begin(driver):
    """The sides agree and their peak is measured; else what is wrong."""
    try:
        if not driver.agree():
            return "benchmarks: the sides compute different things; nothing was timed"
    except WorkerError as error:
        return f"benchmarks: {error}"
    return driver.peak()


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    pairs = rows(options.size)
    known = [row.name for row in pairs] + list(EXPERIMENTS)
    names = wanted(known, options.only)
    if not names:
        return f"benchmarks: --only {' '.join(options.only)}: there are {', '.join(known)}"
    both = any(name not in EXPERIMENTS or EXPERIMENTS[name].needs_torch for name in names)
    if both and not has_torch():
        return "benchmarks: torch is missing. Install with: pip install '.[bench]'"
    command = " ".join(["python -m benchmarks", *arguments])
    how = {"keep": bool(options.only), "official": options.official}
    driver = Driver(options.size, pairs, options.output, command, **how)
    if both and (fault := begin(driver)):
        return fault
    for row in pairs:
        if row.name in names:
            driver.row(row)
    for name in names:
        if name in EXPERIMENTS:
            driver.experiment(name)
    if both:
        driver.peak()
    return driver.finish()


if __name__ == "__main__":
    sys.exit(main())
