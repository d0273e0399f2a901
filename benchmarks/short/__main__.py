"""``python -m benchmarks.short [--tiny] [--parts NAME ...] [--data FOLDER] [--to FOLDER]``.

Part 1, four minutes: does everything run on this machine's accelerator, how fast, how exactly.
Part 2, eight minutes, with ``--data``: experts, distilled sets and their accuracies, by the
commands, which are given all options with a dot (``--experts.parallel 5``) too. Results go to
results.jsonl as they come, to table.md and, of part 2, to runs.tar.gz.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from benchmarks.client import ROOT
from benchmarks.short.recording import Recorder, tables

__all__ = ["PARTS", "Part", "main"]


class Part(NamedTuple):
    """What is run in a process of its own."""

    function: str
    """``module.function`` within this package, called with a ``Recorder`` and whether tiny."""
    seconds: int
    """Its limit."""
    flags: str = ""
    """Of XLA."""


BUFFERS = "--xla_gpu_enable_command_buffer=+WHILE,+CONDITIONAL"
PARTS = {
    "device": Part("device.run", 45),
    "exactness": Part("exactness.run", 45),
    "steps": Part("steps.run", 90),
    "pytorch": Part("steps.run_by_torch", 40),
    "steps with command buffers": Part("steps.run", 60, BUFFERS),
    "experts": Part("networks.run_experts", 40),
    "evaluation": Part("networks.run_evaluation", 40),
    "profile": Part("profile.run", 30),
    "memory": Part("networks.run_memory", 60),
}
"""By their names, in order: what the time does not suffice for is at the end."""

TESTS, COMMANDS = "tests", "commands"
TESTED = ("core", "distilling/test_mtt.py", "distilling/test_golden.py")
SECONDS = (240, 480)


def parse(arguments):
    parser = argparse.ArgumentParser("python -m benchmarks.short", description=__doc__)
    names = [*PARTS, TESTS, COMMANDS]
    parser.add_argument("--parts", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--tiny", action="store_true", help="all parts in seconds, on a CPU")
    parser.add_argument("--device", help="default: cuda, and cpu with --tiny")
    parser.add_argument("--to", type=Path, default=Path(os.environ.get("OUT") or "runs/short"))
    parser.add_argument("--data", type=Path, help="the real images of part 2")
    parser.add_argument("--config", default="cifar10", help="the preset of part 2")
    parser.add_argument(
        "--seconds", type=int, nargs=2, default=SECONDS, metavar="N", help="limits of both parts"
    )
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    work = "default: a temporary folder; of compiled programs, and of part 2's runs"
    parser.add_argument(
        "--work", help=work, type=Path, default=Path(tempfile.gettempdir()) / "mttjax-short"
    )
    options, options.settings = parser.parse_known_args(arguments)
    for name in options.settings:
        if name.startswith("-") and "." not in name:
            parser.error(f"{name} is no option")
    options.device = options.device or ("cpu" if options.tiny else "cuda")
    return options


def environment(options, flags):
    """Both the accelerator and the CPU, which computes in float64; programs are kept."""
    platforms = "cpu" if options.device == "cpu" else f"{options.device},cpu"
    known = {
        "SHORT_DEVICE": options.device,
        "JAX_PLATFORMS": platforms,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "JAX_COMPILATION_CACHE_DIR": str(options.work.resolve() / "compiled"),
    }
    if flags and options.device != "cpu":
        known["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    return os.environ | known


def run_limited(command, seconds, options, flags=""):
    """The exit status of a process, or None where the limit ended it."""
    log = options.to / "log.txt"
    with log.open("a", encoding="utf-8") as output:
        output.write(f"\n$ {' '.join(command)}\n")
        output.flush()
        how = {"stdout": output, "stderr": output, "env": environment(options, flags)}
        try:
            return subprocess.run(command, timeout=seconds, cwd=ROOT, check=False, **how).returncode
        except subprocess.TimeoutExpired:
            return None


def run_part(name, options, deadline):
    """A part of part 1, within its limit and what is left of all."""
    record, part = Recorder(options.to / "results.jsonl", name), PARTS.get(name)
    left = deadline - time.monotonic()
    limit = min(part.seconds if part else 60, left) if not options.tiny else 600
    if limit < 5:
        record("(all)", failed="no time was left")
        return
    if part:
        command = [sys.executable, "-m", "benchmarks.short", "--part", name]
        command += ["--to", str(options.to.resolve()), *["--tiny"] * options.tiny]
    else:
        tested = ("core/test_synthetic.py",) if options.tiny else TESTED
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += [f"tests/{path}" for path in tested]
    begin = time.monotonic()
    status = run_limited(command, limit, options, part.flags if part else "")
    ended = "stopped at its limit" if status is None else f"status {status}"
    record("(all)", seconds=time.monotonic() - begin, ended=ended)


def main(arguments=None):
    options = parse(arguments)
    options.to = options.to.resolve()
    options.to.mkdir(parents=True, exist_ok=True)
    results = options.to / "results.jsonl"
    if options.part:
        module, function = PARTS[options.part].function.split(".")
        run = getattr(import_module(f"benchmarks.short.{module}"), function)
        run(Recorder(results, options.part), options.tiny)
        return 0
    deadline = time.monotonic() + options.seconds[0]
    for name in options.parts:
        if name != COMMANDS:
            run_part(name, options, deadline)
    if COMMANDS in options.parts and (options.data or options.tiny):
        from benchmarks.short import commands

        deadline = time.monotonic() + options.seconds[1]
        commands.run(Recorder(results, COMMANDS), options, deadline)
    text = tables(results)
    (options.to / "table.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
