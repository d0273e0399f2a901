"""One convolution in a compiled loop and alone, mttjax's against what JAX makes of its own."""

from benchmarks.client import Worker
from benchmarks.compare import median, take_turns
from benchmarks.tables import Table

__all__ = ["run", "table"]

FULL = {"batch": 10, "side": 16, "channels": 128, "count": 20, "slow_count": 2}
TINY = {"batch": 2, "side": 4, "channels": 8, "count": 3, "slow_count": 2}


def run(size, plan, say):
    """way -> product -> median GFLOP/s."""
    work = TINY if size == "tiny" else FULL
    with Worker("jax") as ours, Worker("torch") as theirs:
        for worker in (ours, theirs):
            worker.make("convolution", work)
            say("compiling")
            worker.call()
        say("timing in turns")
        answers = take_turns([ours, theirs], plan)
    speeds = {}
    for kept in answers:
        for way, products in kept[0]["gflops"].items():
            speeds[way] = {
                name: median([answer["gflops"][way][name] for answer in kept]) for name in products
            }
    return {"work": work, "gflops": speeds}


def table(record):
    work, speeds = record["work"], record["gflops"]
    products = list(next(iter(speeds.values())))
    lines = [[way, *(f"{found[name]:.3g}" for name in products)] for way, found in speeds.items()]
    side, channels = work["side"], work["channels"]
    title = f"One 3×3 convolution {channels} → {channels} at {side}×{side}, B = {work['batch']}"
    header = ["GFLOP/s", *products]
    return Table(title, header, lines, ["In a step every convolution stands in such a loop."])
