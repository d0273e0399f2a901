"""What is measured beside the rows: what grows, what waits, and why the convolution is our own."""

from collections.abc import Callable
from dataclasses import asdict, replace
from statistics import median
from typing import Any, NamedTuple

from benchmarks.client import Worker
from benchmarks.compare import take_turns
from benchmarks.machine import BUSY, DISTURBED
from benchmarks.rows import CIFAR, PLANS, rows
from benchmarks.tables import Table, at_most, bytes_text, spread_text
from benchmarks.works import Convolution, Distillation, HostWork

__all__ = ["EXPERIMENTS", "Experiment"]

DERIVATIVES = ("mixed", "checkpoint", "plain")


class Experiment(NamedTuple):
    """How something is measured, and the table of it."""

    run: Callable[[str, Callable[[str], object]], dict[str, Any]]
    """``run(size, say)`` -> a record, JSON values."""
    table: Callable[[dict[str, Any]], Table]
    needs_torch: bool = False


GROWTH_STEPS = {"full": (5, 10, 20, 40, 80), "quick": (5, 80), "tiny": (2, 4)}
GROWTH_WAYS = {"full": 3, "quick": 1, "tiny": 2}
GROWTH_BY_TORCH = {"full": (5, 10), "quick": (5,), "tiny": (2,)}
GROWTH_BUDGET = 1.5  # growth per step over the size of the parameters, at most


def run_growth(size, say):
    """Temporaries as compiled for every S and derivative; PyTorch's peak where it is run."""
    work = rows("tiny")[0].work if size == "tiny" else Distillation(CIFAR, 1, 10, 1)
    ways = {way: {} for way in DERIVATIVES[: GROWTH_WAYS[size]]}
    with Worker("jax") as ours:
        for way, sizes in ways.items():
            for s in GROWTH_STEPS[size]:
                say(f"compiling {way}, S = {s}")
                about = ours.make(replace(work, steps=s), derivative=way)
                sizes[str(s)] = about["temporaries"]
    peaks = {}
    with Worker("torch", channels_last=True) as theirs:
        theirs.make(work)
        theirs.call()
        for s in GROWTH_BY_TORCH[size]:
            say(f"PyTorch, S = {s}")
            theirs.make(replace(work, steps=s))
            peaks[str(s)] = theirs.call(memory=True)["memory"]["bytes"]
    record = {"ways": ways, "parameters": about["parameters"], "steps": GROWTH_STEPS[size]}
    return record | {"pytorch": peaks}


def table_growth(record):
    steps, parameters = record["steps"], record["parameters"]
    lines = []
    for way, sizes in {**record["ways"], "PyTorch, peak": record["pytorch"]}.items():
        cells = [bytes_text(sizes.get(str(s))) for s in steps]
        lines.append([way, *cells, bytes_text(_growth(sizes)) if len(sizes) > 1 else ""])
    verdict = at_most(_growth(record["ways"]["mixed"]) / parameters, GROWTH_BUDGET)
    notes = [
        f"The parameters are {bytes_text(parameters)}; growth of `mixed` per step over that, at "
        f"most {GROWTH_BUDGET}: {verdict}.",
        "mttjax: temporaries of the compiled step, IPC 1 of the first row above, not run. "
        "PyTorch: peak of resident memory during a step above what rested before it.",
    ]
    header = ["derivative", *(f"S = {s}" for s in steps), "growth per step"]
    return Table("Memory of a distillation step as S grows", header, lines, notes)


def _growth(sizes):
    """Bytes per step, from the smallest S to the largest; S is text, as in JSON."""
    first, last = min(sizes, key=int), max(sizes, key=int)
    return (sizes[last] - sizes[first]) / (int(last) - int(first))


def run_convolution(size, say):
    """way -> product -> median GFLOP/s."""
    work = Convolution(2, 4, 8, 3, 2) if size == "tiny" else Convolution()
    with Worker("jax") as worker:
        say("compiling")
        worker.make(work)
        worker.call()
        say("timing")
        (answers,) = take_turns([worker], PLANS[size])
    ways = answers[0]["gflops"]
    speeds = {
        way: {name: median(a["gflops"][way][name] for a in answers) for name in products}
        for way, products in ways.items()
    }
    return {"work": asdict(work), "gflops": speeds}


def table_convolution(record):
    work, speeds = record["work"], record["gflops"]
    products = list(next(iter(speeds.values())))
    lines = [[way, *(f"{speed[name]:.3g}" for name in products)] for way, speed in speeds.items()]
    side, channels = work["side"], work["channels"]
    title = f"One 3×3 convolution {channels} → {channels} at {side}×{side}, B = {work['batch']}"
    note = "In a step every convolution stands in such a loop."
    return Table(title, ["GFLOP/s", *products], lines, [note])


HOST_WORK = {"full": (HostWork(250), 9), "quick": (HostWork(200), 3), "tiny": (HostWork(5, 1), 2)}
"""The steps of a round, and the rounds."""
HOST_SHARE = 0.03  # of the wall time in which the device waits, at most


def run_host_work(size, say):
    """Seconds per step of the loop and of the compiled step alone, a pair per round."""
    work, rounds = HOST_WORK[size]
    with Worker("jax") as worker:
        say("experts on the digits")
        about = worker.make(work)
        say("rounds in turns")
        answers = [worker.call() for _ in range(rounds)]
    times = {way: [answer[way] for answer in answers] for way in ("loop", "program", "others")}
    return times | {"steps": work.steps, "save_every": about["save_every"]}


def table_host_work(record):
    shares = [
        100 * (1 - alone / loop)
        for loop, alone in zip(record["loop"], record["program"], strict=True)
    ]
    line = [f"{len(shares)} rounds of {record['steps']} steps"]
    line += [spread_text(record[way], median(record[way])) for way in ("loop", "program")]
    line += [f"{median(shares):.1f} % ({min(shares):.1f}-{max(shares):.1f})"]
    met = at_most(median(shares), 100 * HOST_SHARE, "{:.1f} %".format)
    line += [DISTURBED if median(record["others"]) > BUSY else met]
    header = ["digits, IPC 1", "the loop, per step", "the compiled step alone"]
    header += ["the device waits, median (min-max)", "verdict"]
    note = (
        "Both ways in turns, in one process: `run_loop` as `distill` runs it, without evaluations, "
        f"state and set saved every {record['save_every']} steps, from its first step to its end; "
        "and the same compiled step called as often, half before and half after, what it is given "
        "being on the device. The "
        "device waits 1 - alone / loop of the loop's wall time. Other programs used "
        f"{100 * median(record['others']):.0f} % of the cores meanwhile."
    )
    return Table("Host work between the steps", header, [line], [note])


EXPERIMENTS = {
    "growth": Experiment(run_growth, table_growth, needs_torch=True),
    "convolution": Experiment(run_convolution, table_convolution),
    "host-work": Experiment(run_host_work, table_host_work),
}
"""By their names for ``--only``."""
