"""How a distillation step's memory grows with the student's steps."""

from dataclasses import replace

from benchmarks.client import Worker
from benchmarks.derivatives import WAYS
from benchmarks.rows import CIFAR, rows
from benchmarks.tables import Table, bytes_text
from benchmarks.verdicts import at_most
from benchmarks.works import Distillation, request

__all__ = ["run", "table"]

STEPS = {"full": (5, 10, 20, 40, 80), "quick": (5, 80), "tiny": (2, 4)}
BY_TORCH = {"full": (5, 10), "quick": (5,), "tiny": (2,)}
BUDGET = 1.5  # growth per step over the size of the parameters, at most


def run(size, _plan, say):
    """Temporaries as compiled for every S and derivative; PyTorch's peak where it is run."""
    work = rows("tiny")[0].work if size == "tiny" else Distillation(CIFAR, 1, 10, 1)
    found = {way: {} for way in WAYS}
    with Worker("jax") as ours:
        for way in WAYS if size == "full" else WAYS[:2]:
            for steps in STEPS[size]:
                say(f"compiling {way}, S = {steps}")
                fields = request(replace(work, steps=steps))["work"]
                ours.make("temporaries", fields | {"derivative": way})
                answer = ours.call()
                found[way][steps] = answer["temporaries"]
    record = {"ways": found, "parameters": answer["parameters"], "steps": STEPS[size]}
    return record | {"pytorch": by_torch(work, BY_TORCH[size], say)}


def by_torch(work, steps, say):
    peaks = {}
    with Worker("torch", channels_last=True) as theirs:
        theirs.make(**request(work))
        theirs.call()
        for s in steps:
            say(f"PyTorch, S = {s}")
            theirs.make(**request(replace(work, steps=s)))
            peaks[s] = theirs.call(memory=True)["memory"]["bytes"]
    return peaks


def table(record):
    steps, parameters = record["steps"], record["parameters"]
    sizes = {**record["ways"], "PyTorch, peak": record["pytorch"]}
    lines = []
    for way, by_text in sizes.items():
        found = {int(s): size for s, size in by_text.items()}  # JSON's keys are text
        if found:
            cells = [bytes_text(found.get(s)) for s in steps]
            lines.append([way, *cells, bytes_text(growth(found)) if len(found) > 1 else ""])
    mixed = {int(s): size for s, size in record["ways"]["mixed"].items()}
    verdict = at_most(growth(mixed) / parameters, BUDGET)
    notes = [
        f"The parameters are {bytes_text(parameters)}; growth of `mixed` per step over that, at "
        f"most {BUDGET}: {verdict}.",
        "mttjax: temporaries of the compiled step, IPC 1 of the first row above, not run. "
        "PyTorch: peak of resident memory during a step above what rested before it.",
    ]
    header = ["derivative", *(f"S = {s}" for s in steps), "growth per step"]
    return Table("Memory of a distillation step as S grows", header, lines, notes)


def growth(found):
    """Bytes per step, from the smallest S to the largest."""
    first, last = min(found), max(found)
    return (found[last] - found[first]) / (last - first)
