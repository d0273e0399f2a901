"""The three ways to the exact gradient against each other."""

from contextlib import ExitStack

from benchmarks.client import Worker
from benchmarks.compare import median, require_finite, seconds, take_turns
from benchmarks.rows import CIFAR, rows
from benchmarks.rows import distillation as distillation_row
from benchmarks.tables import Table, bytes_text, seconds_text, spread_text
from benchmarks.works import request

__all__ = ["run", "table"]

WAYS = ("mixed", "checkpoint", "plain")


def row_of(size):
    if size == "tiny":
        return rows("tiny")[0]
    return distillation_row("derivatives", CIFAR, 1, 10, 4 if size == "quick" else 10)


def run(size, plan, say):
    """Seconds, temporaries and compile time of a distillation step for each way."""
    row, found = row_of(size), {}
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker("jax")) for _ in WAYS]
        for way, worker in zip(WAYS, workers, strict=True):
            say(f"compiling {way}")
            found[way] = worker.make(**request(row.work), derivative=way)
            found[way]["compile"] = found[way].pop("seconds")
            found[way]["memory"] = [worker.call(), worker.call(memory=True)][1]["memory"]
        say("timing in turns")
        for way, answers in zip(WAYS, take_turns(workers, plan), strict=True):
            require_finite(row, answers)
            found[way]["seconds"] = seconds(answers)
    return {"title": row.title, "ways": found}


def table(record):
    lines = [
        [
            way,
            spread_text(one["seconds"], median(one["seconds"])),
            bytes_text(one["temporaries"]),
            bytes_text(one["memory"]["bytes"]),
            seconds_text(one["compile"]),
        ]
        for way, one in record["ways"].items()
    ]
    header = ["derivative", "median (min-max)", "temporaries", "peak above resting", "compile"]
    note = f"One {record['title']}. All three are the exact gradient; mttjax takes `mixed`."
    return Table("The three derivatives of mttjax", header, lines, [note])
