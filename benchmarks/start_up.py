"""The command as a user starts it: how long to the first step, compile cache cold and warm."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.client import ROOT, environment
from benchmarks.tables import Table, at_most, spread_text
from mttjax.runs.folder import RunFolder

__all__ = ["run", "table"]

BUDGETS = {"cold": 15.0, "warm": 8.0}  # seconds
TIMES = {"full": 3, "quick": 1, "tiny": 1}


def run(size, say):
    """cold and warm -> seconds from the start of bin/distill to its first step."""
    seconds = {state: [] for state in BUDGETS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say("an expert on the digits")
        experts = start("train_experts", folder, folder / "cache-experts")
        if experts.wait():
            raise RuntimeError(f"bin/train_experts failed:\n{last_words(folder)}")
        for i in range(TIMES[size]):
            for state, times in seconds.items():
                say(f"bin/distill, cache {state}")
                times.append(to_first_step(folder, folder / f"cache-{i}", folder / f"{state}-{i}"))
    return seconds


def start(command, folder, cache, *more):
    """bin/``command`` on the digits, with one expert, as a process."""
    line = [sys.executable, str(ROOT / "bin" / command), "--config", "digits", "--ipc", "1"]
    line += ["--experts.count", "1", "--experts.folder", f"{folder}/experts", *more]
    variables = environment("cpu", JAX_COMPILATION_CACHE_DIR=str(cache))
    with (folder / "log").open("w") as log:
        return subprocess.Popen(line, env=variables, stdout=log, stderr=log)


def last_words(folder):
    return (folder / "log").read_text(errors="replace")[-2000:]


def to_first_step(folder, cache, run):
    begin = time.perf_counter()
    process = start("distill", folder, cache, "--run.folder", f"{run}", "--distill.steps", "1")
    try:
        while not any("loss" in line for line in RunFolder(run).metrics()):
            if process.poll() is not None:
                raise RuntimeError(f"bin/distill made no step:\n{last_words(folder)}")
            time.sleep(0.05)
        return time.perf_counter() - begin
    finally:
        process.terminate()
        process.wait()


def table(record):
    lines = [
        [
            f"cache {state}",
            spread_text(record[state], median(record[state])),
            f"{limit:g} s",
            at_most(median(record[state]), limit, "{:.1f} s".format),
        ]
        for state, limit in BUDGETS.items()
    ]
    title = "`bin/distill --config digits`, from its start to the first outer step done"
    return Table(title, ["compile cache", "median (min-max)", "budget", "verdict"], lines)
