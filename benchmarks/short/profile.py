"""Where the device's time goes: a trace of five steps, summarised where it was made."""

import collections
import tempfile
from dataclasses import replace
from pathlib import Path

import jax

from benchmarks import jax_side
from benchmarks.rows import rows
from benchmarks.short.steps import IPC1

__all__ = ["run"]

STEPS, MOST = 5, 20


def run(record, tiny):
    """See ``benchmarks.short``."""
    work = rows("tiny")[0].work if tiny else IPC1
    for precision in ("tensorfloat32",) if tiny else ("tensorfloat32", "float32"):
        with record.attempt(precision):
            step = jax_side.Distillation(replace(work, dsa=True), {"precision": precision})
            step()
            with tempfile.TemporaryDirectory() as folder:
                with jax.profiler.trace(folder):
                    for _ in range(STEPS):
                        step()
                (trace,) = Path(folder).rglob("*.xplane.pb")
                planes = list(jax.profiler.ProfileData.from_file(str(trace)).planes)
            summarise(record, precision, planes)


def summarise(record, name, planes):
    """The share of the time in which nothing runs, and what takes the most."""
    total, count, spans = collections.Counter(), collections.Counter(), []
    for event in kernels(planes):
        total[event.name] += event.duration_ns / 1e6
        count[event.name] += 1
        spans.append((event.start_ns, event.start_ns + event.duration_ns))
    if not spans:
        record(f"{name}, all", kernels=0)
        return
    spans.sort()
    wall, busy = max(end for _, end in spans) - spans[0][0], covered(spans)
    kernels_a_step = len(spans) / STEPS
    record(
        f"{name}, all", ms=wall / 1e6 / STEPS, kernels=kernels_a_step, idle_share=1 - busy / wall
    )
    for kernel, ms in total.most_common(MOST):
        record(f"{name}, {kernel[:80]}", ms=ms / STEPS, kernels=count[kernel] / STEPS)


def kernels(planes):
    """The events of a card's streams; without a card, all there are."""
    cards = [plane for plane in planes if "GPU" in plane.name]
    for plane in cards or planes:
        lines = list(plane.lines)
        streams = [line for line in lines if "Stream" in line.name] if cards else lines
        for line in streams:
            yield from line.events


def covered(spans):
    """The length of the union of sorted spans."""
    length, until = 0, spans[0][0]
    for begin, end in spans:
        length += max(0, end - max(begin, until))
        until = max(until, end)
    return length
