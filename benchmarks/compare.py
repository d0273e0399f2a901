"""Timing the sides of a row in turns."""

import contextlib
import math
import time
from statistics import median

from benchmarks.client import Worker
from benchmarks.works import DSA, Agreement, Matrix

__all__ = [
    "agree",
    "agree_officially",
    "compare",
    "matrix_peak",
    "require_finite",
    "seconds",
    "take_turns",
]

QUICK = 2.0  # seconds of a call that is made again before a memory format is chosen


def take_turns(workers, plan):
    """A list of answers per worker, equally long: they are called one after another."""
    begin, answers = time.perf_counter(), [[] for _ in workers]
    while len(answers[0]) < plan.least or (
        len(answers[0]) < plan.most and time.perf_counter() - begin < plan.seconds
    ):
        for worker, kept in zip(workers, answers, strict=True):
            kept.append(worker.call())
    return answers


def compare(row, plan, say=lambda _: None, official=None):
    """The record of a row: seconds and memory of every side.

    Args:
      row: a ``Row``.
      plan: a ``Plan``.
      say: called with what is being done.
      official: a clone of the published implementation, the third side; or None.

    Raises:
      ArithmeticError: a loss is not finite.
    """
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(Worker(side)) for side in ("jax", "torch"))
        say("mttjax compiles")
        about = ours.make(row.work)
        first = about.pop("seconds") + ours.call()["seconds"]
        memory = ours.call(memory=True)["memory"]
        say("PyTorch tries its memory formats")
        chosen, trials = choose_format(theirs, row.work)
        sides = {
            "mttjax": (ours, {"memory": memory, "first": first} | about),
            "pytorch": (theirs, {"trials": trials} | trials[chosen]),
        }
        if official:
            say("the published code warms up")
            worker = stack.enter_context(Worker("official", official=str(official)))
            worker.make(row.work)
            worker.call()
            sides["official"] = (worker, {"memory": worker.call(memory=True)["memory"]})
        say("timing in turns")
        answers = take_turns([worker for worker, _ in sides.values()], plan)
    require_finite(row, [answer for each in answers for answer in each])
    record = {
        "title": row.work.title,
        "unit": row.work.unit,
        "amount": row.work.amount,
        "flops": row.work.flops,
        "budget": row.budget._asdict(),
    }
    for (name, (_, known)), each in zip(sides.items(), answers, strict=True):
        record[name] = {"seconds": seconds(each)} | known
    return record


def seconds(answers):
    return [answer["seconds"] for answer in answers]


def choose_format(worker, work):
    """Leaves the worker with the faster memory format made.

    Returns:
      (its name, name -> best seconds and memory of a call).
    """
    trials = {}
    for channels_last in (True, False):
        worker.make(work, channels_last=channels_last)
        worker.call()  # a library loads some things late
        calls = [worker.call(memory=True)]
        if calls[0]["seconds"] < QUICK:
            calls += [worker.call(), worker.call()]
        name = "channels last" if channels_last else "channels first"
        trials[name] = {"format": name, "best": min(seconds(calls)), "memory": calls[0]["memory"]}
    chosen = min(trials, key=lambda name: trials[name]["best"])
    if chosen == "channels last":
        worker.make(work, channels_last=True)
        worker.call()
    return chosen, trials


def require_finite(row, answers):
    if not all(math.isfinite(answer["check"]) for answer in answers):
        raise ArithmeticError(f"{row.name}: a loss is not finite, its timing means nothing")


def agree(ops=DSA, seeds=8):
    """The differences of both sides, each case with ``agrees``."""
    # The programs are large and run a few times: what they compute is all that counts.
    quickly = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    with Worker("both", variables=quickly) as worker:
        worker.make(Agreement(tuple(ops), seeds))
        cases = worker.call()["cases"]
    return [
        case | {"agrees": all(d <= case["tolerance"] for d in case["differences"].values())}
        for case in cases
    ]


def agree_officially(path):
    """The same between the published implementation at ``path`` and the PyTorch side."""
    with Worker("official", official=str(path)) as worker:
        worker.make(Agreement((), 1))
        (case,) = worker.call()["cases"]
    return case | {"agrees": all(d <= case["tolerance"] for d in case["differences"].values())}


def matrix_peak(plan, size):
    """side -> median GFLOP/s of a square product."""
    with Worker("jax") as ours, Worker("torch") as theirs:
        for worker in (ours, theirs):
            worker.make(Matrix(size))
            worker.call()
        answers = take_turns([ours, theirs], plan)
    speeds = [median(answer["gflops"] for answer in kept) for kept in answers]
    return dict(zip(("JAX", "PyTorch"), speeds, strict=True))
