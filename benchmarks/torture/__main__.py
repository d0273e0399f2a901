"""``python -m benchmarks.torture [--only NAME ...] [--size full|small] [--output FILE]``.

What happens when things go wrong, in seven parts. The results are saved after every part; with
``--only`` they go into those there are. The status is 1 where a part that ran has faults.
"""

import argparse
import importlib
import sys
import time
import traceback
from pathlib import Path

from rich.console import Console

from benchmarks.client import ROOT
from benchmarks.machine import facts
from benchmarks.records import Records
from benchmarks.torture.report import PARTS, markdown, summary, table_of

__all__ = ["main"]

PACKAGES = ("mttjax", "jax", "jaxlib", "flax", "optax", "numpy")


def parse(arguments):
    parser = argparse.ArgumentParser("python -m benchmarks.torture", description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        choices=PARTS,
        default=PARTS,
        help=f"these parts alone, of {', '.join(PARTS)}",
    )
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument("--output", type=Path, help="default: benchmarks/RELIABILITY.md")
    options = parser.parse_args(arguments)
    options.output = options.output or default_output(options.size)
    return options


def default_output(size):
    """The Markdown file; the numbers are in the ``.json`` beside it."""
    return ROOT / "benchmarks" / f"RELIABILITY{'' if size == 'full' else f'-{size}'}.md"


def part(name):
    """The module of a part; None where it is not there."""
    full = f"benchmarks.torture.{name}"
    try:
        return importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name != full:
            raise
        return None


def tortured(module, size, console):
    """What a part found; where it fails itself, that is its fault."""
    begin = time.perf_counter()
    say = lambda *words: console.print("  ", *words, markup=False, highlight=False)
    try:
        record = module.run(size, say)
    except Exception:
        record = {"tried": 0, "faults": [f"the part itself failed:\n{traceback.format_exc()}"]}
    return record | {"seconds": time.perf_counter() - begin}


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    run = facts(["benchmarks.torture", *arguments], options.size, PACKAGES)
    whole = set(options.only) == set(PARTS)
    records = Records(options.output.with_suffix(".json"), options.size, run, keep=not whole)
    wrong = []
    for name in options.only:
        console.rule(name, align="left")
        module = part(name)
        if module is None:
            console.print(f"there is no benchmarks/torture/{name}.py: not run")
            wrong.append(name)
            continue
        record = tortured(module, options.size, console)
        records.add(name, record)
        options.output.write_text(markdown(records), encoding="utf-8")
        console.print(table_of(name, record).rich())
        for fault in record["faults"]:
            console.print(f"FAULT: {fault}", markup=False, highlight=False)
        if record["faults"]:
            wrong.append(name)
    console.print(summary(records).rich())
    console.print(f"written: {options.output} and {records.path.name}")
    return f"torture: faults in {', '.join(wrong)}" if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
