"""``python -m benchmarks.gpu``: the comparisons on a machine with one accelerator.

Once with float32 products on both sides and once with TF32; results go to
benchmarks/ACCELERATOR.md, a profile of a distillation step into --trace.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.__main__ import Driver
from benchmarks.client import ROOT, Worker
from benchmarks.rows import accelerator_rows
from benchmarks.works import DeviceName

__all__ = ["main"]

PRODUCTS = ("float32", "TF32")
DEVICES = {"gpu": "cuda", "cpu": "cpu"}


def parse(arguments):
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--trace", type=Path, default=Path("runs/benchmark-trace"))
    parser.add_argument("--backend", choices=list(DEVICES), default="gpu", help=argparse.SUPPRESS)
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "ACCELERATOR.md")
    options = parser.parse_args(arguments)
    options.size = "tiny" if options.tiny else "accelerator"
    return options


def device_names(device):
    """side -> what it computes on, or None where it has no accelerator."""
    names = {}
    for side in ("jax", "torch"):
        with Worker(side, device=device) as worker:
            worker.make(DeviceName())
            names[side] = worker.call()["name"]
    return names


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    device = DEVICES[options.backend]
    names = device_names(device)
    if None in names.values():
        seen = ", ".join(f"{side} sees {name or 'none'}" for side, name in names.items())
        return f"benchmarks.gpu: an accelerator is needed on both sides: {seen}"
    rows = accelerator_rows(options.size, device, PRODUCTS)
    command = " ".join(["python -m benchmarks.gpu", *arguments])
    driver = Driver(options.size, rows, options.output, command, keep=False)
    driver.records.run["hardware"] += f"; {names['jax']}"
    if not driver.agree():
        return "benchmarks.gpu: the two sides compute different things; nothing was timed"
    driver.peak(*PRODUCTS, device=device)
    for row in rows:
        driver.row(row)
    trace(rows[1], options.trace.resolve())
    return driver.finish()


def trace(row, folder):
    """A profile of mttjax's distillation step."""
    with Worker("jax", **row.options) as worker:
        worker.make(row.work)
        worker.call()
        worker.trace(folder)
    print(f"profile: {folder}")


if __name__ == "__main__":
    sys.exit(main())
