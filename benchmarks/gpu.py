"""``python -m benchmarks.gpu``: the comparisons on a machine with one accelerator.

Once with float32 products on both sides and once with TF32; results go under "Accelerator"
in benchmarks/RESULTS.md, a profile of a distillation step into --trace.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from benchmarks import compare, report
from benchmarks.__main__ import FAILURES, default_output
from benchmarks.client import Worker
from benchmarks.machine import facts
from benchmarks.pair_tables import summary
from benchmarks.records import Records
from benchmarks.rows import Plan, accelerator_rows, rows
from benchmarks.works import request

__all__ = ["main"]

PRECISIONS = {"float32": "highest", "TF32": "tensorfloat32"}
PLANS = {"full": Plan(5, 30, 20), "tiny": Plan(1, 1, 0)}
DEVICES = {"gpu": "cuda", "cpu": "cpu"}


def parse(arguments):
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--trace", type=Path, default=Path("runs/benchmark-trace"))
    parser.add_argument("--output", type=Path, help="default: benchmarks/RESULTS.md")
    parser.add_argument("--backend", choices=list(DEVICES), default="gpu", help=argparse.SUPPRESS)
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.size = "tiny" if options.tiny else "full"
    options.output = options.output or default_output(options.size)
    return options


def device_names(device):
    """side -> what it computes on, or None where it has no accelerator."""
    names = {}
    for side in ("jax", "torch"):
        with Worker(side, device=device) as worker:
            worker.make("device", {"device": device})
            names[side] = worker.call()["name"]
    return names


def peaks(device, tiny):
    """What the device reaches: products of each precision in GFLOP/s, copies in GB/s."""
    work = {"size": 256, "count": 3} if tiny else {"size": 8192, "count": 15}
    plan = PLANS["tiny" if tiny else "full"]
    found = {
        name: compare.matrix_peak(plan, device=device, precision=precision, **work)
        for name, precision in PRECISIONS.items()
    }
    found["bfloat16"] = compare.matrix_peak(plan, device=device, dtype="bfloat16", **work)
    with Worker("jax", device=device) as worker:
        worker.make("copy", {"gigabytes": 0.01 if tiny else 2, "count": 15})
        copied = worker.call()["gbytes"]
    return {"products": found, "copy": copied}


class Driver:
    """A run on an accelerator, saved after every row."""

    def __init__(self, options, names, console):
        self.options, self.console = options, console
        self.device, self.plan = DEVICES[options.backend], PLANS[options.size]
        self.records = Records(options.output.with_suffix(".json"), options.size, None, keep=True)
        run = facts(["benchmarks.gpu", *sys.argv[1:]], options.size)
        self.found = {"run": run, "devices": names, "peaks": None, "pairs": {}}

    def run(self):
        """All of it; returns the names of what failed."""
        self.found["peaks"] = peaks(self.device, self.options.tiny)
        failed = []
        for name, precision in PRECISIONS.items():
            self.found["pairs"][name] = {}
            for row in accelerator_rows(self.options.size):
                if not self.row(name, precision, row):
                    failed.append(f"{name} {row.name}")
        self.trace()
        return failed

    def row(self, name, precision, row):
        self.console.rule(f"{name}: {row.title}", align="left")
        try:
            record = compare.compare(row, self.plan, device=self.device, precision=precision)
        except FAILURES as error:
            self.console.print(f"FAILED: {error}", markup=False)
            return False
        self.found["pairs"][name][row.name] = record
        peak = max(self.found["peaks"]["products"][name].values())
        self.console.print(summary(record, peak).rich())
        self.write()
        return True

    def trace(self):
        """A profile of mttjax's distillation step."""
        row = accelerator_rows(self.options.size)[1]
        folder = self.options.trace.resolve()
        with Worker("jax", device=self.device, precision=PRECISIONS["float32"]) as worker:
            worker.make(**request(row.work))
            worker.call()
            worker.trace(folder)
        self.console.print(f"profile: {folder}")

    def write(self):
        self.records.data["accelerator"] = self.found
        self.records.save()
        text = report.markdown(self.records, rows(self.options.size))
        self.options.output.write_text(text, encoding="utf-8")


def main(arguments=None):
    options = parse(arguments)
    names = device_names(DEVICES[options.backend])
    if None in names.values():
        seen = ", ".join(f"{side} sees {name or 'none'}" for side, name in names.items())
        return f"benchmarks.gpu: an accelerator is needed on both sides: {seen}"
    console = Console(width=None if sys.stdout.isatty() else 140)
    cases = compare.agree(**({"ops": ("color",), "seeds": 1} if options.tiny else {}))
    console.print(report.agreement_table(cases).rich())
    if not all(one["agrees"] for one in cases):
        return "benchmarks.gpu: the two sides compute different things; nothing was timed"
    failed = Driver(options, names, console).run()
    console.print(f"written: {options.output}")
    return f"benchmarks.gpu: failed: {', '.join(failed)}" if failed else 0


if __name__ == "__main__":
    sys.exit(main())
