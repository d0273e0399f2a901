"""``python -m benchmarks.gpu``: the comparisons on a machine with one accelerator.

Once with float32 products on both sides and once with TF32; results go to
benchmarks/ACCELERATOR.md, a profile of a distillation step into --trace.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.__main__ import Driver
from benchmarks.client import ROOT, Worker, WorkerError
from benchmarks.rows import accelerator_rows

__all__ = ["main"]

PRODUCTS = ("float32", "TF32")


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--trace", type=Path, default=Path("runs/benchmark-trace"))
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "ACCELERATOR.md")
    parser.add_argument("--device", default="cuda", help=argparse.SUPPRESS)
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    size = "tiny" if options.tiny else "accelerator"
    rows = accelerator_rows(size, options.device, PRODUCTS)
    command = " ".join(["python -m benchmarks.gpu", *arguments])
    driver = Driver(size, rows, options.output, command, keep=False)
    try:
        driver.peak(*PRODUCTS, device=options.device)
    except WorkerError as error:
        last_line = str(error).splitlines()[-1]
        return f"benchmarks.gpu: an accelerator is needed on both sides: {last_line}"
    if not driver.agree():
        return "benchmarks.gpu: the two sides compute different things; nothing was timed"
    for row in rows:
        driver.row(row)
    with Worker("jax", **rows[1].options) as worker:
        worker.make(rows[1].work)
        worker.call()
        worker.trace(options.trace.resolve())
    print(f"profile: {options.trace}")
    return driver.finish()


if __name__ == "__main__":
    sys.exit(main())
