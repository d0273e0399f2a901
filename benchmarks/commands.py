"""The commands as a user starts them: how long to the first step, and what is not a step."""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.client import ROOT, environment
from benchmarks.compare import median
from benchmarks.tables import Table, spread_text
from benchmarks.verdicts import at_most

__all__ = ["run_host", "run_start", "table_host", "table_start"]

BUDGETS = {"cold": 15.0, "warm": 8.0}
SHARE = 0.05
TIMES = {"full": 3, "quick": 1, "tiny": 1}
STEPS = {"full": 300, "quick": 60, "tiny": 10}
PATIENCE = 300.0  # seconds until a command that writes no step has failed


def command(name, folder, cache, *more):
    """The command line and environment of bin/``name`` on the digits, with one expert."""
    line = [
        sys.executable,
        str(ROOT / "bin" / name),
        "--config",
        "digits",
        "--ipc",
        "1",
        "--experts.count",
        "1",
        "--experts.folder",
        f"{folder}/experts",
        *more,
    ]
    return line, environment("cpu", JAX_COMPILATION_CACHE_DIR=str(cache))


@contextlib.contextmanager
def with_experts(say):
    """A folder with an expert in it."""
    with tempfile.TemporaryDirectory() as folder:
        say("an expert on the digits")
        line, variables = command("train_experts", folder, f"{folder}/cache-experts")
        subprocess.run(line, env=variables, check=True, capture_output=True)
        yield Path(folder)


@contextlib.contextmanager
def distilling(folder, cache, name, *more):
    """bin/distill as a process, asked to stop in the end; yields its metrics."""
    run = folder / name
    line, variables = command("distill", folder, cache, "--run.folder", str(run), *more)
    with (folder / f"{name}.log").open("w+") as log:
        process = subprocess.Popen(line, env=variables, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield Metrics(run / "metrics.jsonl", process, folder / f"{name}.log")
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
            process.wait()


class Metrics:
    """The steps that a running command has written so far."""

    def __init__(self, path, process, log):
        self.path, self.process, self.log = path, process, log

    def wait_for(self, step, every):
        """When step number ``step`` was there, to ``every`` seconds, and the lines so far."""
        begin = time.perf_counter()
        while time.perf_counter() - begin < PATIENCE:
            lines = self.path.read_text().splitlines() if self.path.exists() else []
            found = [json.loads(x) for x in lines if '"loss"' in x and x.endswith("}")]
            if len(found) >= step:
                return time.perf_counter(), found
            if self.process.poll() is not None:
                break
            time.sleep(every)
        raise RuntimeError(f"bin/distill made no {step} steps:\n{self.log.read_text()[-2000:]}")


def run_start(size, _plan, say):
    """Seconds from the start of bin/distill to its first step, compile cache cold and warm."""
    found = {"cold": [], "warm": []}
    with with_experts(say) as folder:
        for i in range(TIMES[size]):
            for state, seconds in found.items():
                say(f"bin/distill, cache {state}")
                begin = time.perf_counter()
                with distilling(folder, folder / f"cache-{i}", f"{state}-{i}") as metrics:
                    seconds.append(metrics.wait_for(1, 0.05)[0] - begin)
    return found


def table_start(record):
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


def run_host(size, _plan, say):
    """Wall time of a few hundred steps of bin/distill, and of them within the compiled step."""
    more = ("--distill.evaluate-every", "0", "--distill.steps", "1000000")
    with with_experts(say) as folder, distilling(folder, folder / "cache", "run", *more) as metrics:
        say("waiting for the first step")
        begin, first = metrics.wait_for(1, 0.005)
        say(f"{STEPS[size]} steps")
        end, lines = metrics.wait_for(len(first) + STEPS[size], 0.005)
    inside = sum(line["seconds"] for line in lines[len(first) :])
    return {"steps": len(lines) - len(first), "wall": end - begin, "inside": inside}


def table_host(record):
    share = 1 - record["inside"] / record["wall"]
    line = [
        f"{record['steps']} steps",
        f"{record['wall']:.2f} s",
        f"{record['inside']:.2f} s",
        f"{100 * share:.1f} %",
        at_most(100 * share, 100 * SHARE, "{:.1f} %".format),
    ]
    header = ["digits, IPC 1", "wall time", "in the compiled step", "outside", "verdict"]
    note = "States are saved every 50 steps."
    return Table("Host work between the steps of bin/distill", header, [line], [note])
