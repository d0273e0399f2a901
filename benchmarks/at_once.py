"""Several networks one after another, in threads, or in one program vectorised over them."""

from contextlib import ExitStack

from benchmarks.client import Worker
from benchmarks.compare import median, require_finite, seconds, take_turns
from benchmarks.rows import rows
from benchmarks.tables import Table, spread_text
from benchmarks.works import request

__all__ = ["run", "table"]

WAYS = ("in turn", "threads", "one vmap")
NAMES = ("experts-fashion",)


def run(size, plan, say):
    """title of a row -> way -> seconds."""
    found = {}
    for row in rows(size):
        if row.name in NAMES:
            found[row.title] = compare_ways(row, plan, say)
    return {"rows": found}


def compare_ways(row, plan, say):
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker("jax")) for _ in WAYS]
        for way, worker in zip(WAYS, workers, strict=True):
            say(f"{row.name}: {way}")
            worker.make(**request(row.work), at_once=way)
            worker.call()
        answers = take_turns(workers, plan)
    for one in answers:
        require_finite(row, one)
    return {way: seconds(one) for way, one in zip(WAYS, answers, strict=True)}


def table(record):
    lines = [
        [title, *(spread_text(times[way], median(times[way])) for way in WAYS)]
        for title, times in record["rows"].items()
    ]
    note = "Median (min-max). On a CPU mttjax takes threads, on an accelerator one `vmap`."
    return Table("Several networks at once", ["work", *WAYS], lines, [note])
