"""Distillation steps: compiling, seconds, memory; by precision, derivative, augmentation, pairs."""

import os
import time
from dataclasses import replace

import jax

from benchmarks import jax_side
from benchmarks.rows import CIFAR, TINY_IMAGENET, rows
from benchmarks.short.recording import CALLS
from benchmarks.works import Distillation

__all__ = ["run", "run_by_torch"]

IPC1 = Distillation(CIFAR, 1, 10, 50)
IPC10 = Distillation(CIFAR, 10, 100, 30)
IPC50 = Distillation(CIFAR, 50, 500, 30)
TINY = Distillation(TINY_IMAGENET, 10, 200, 20)
TF32 = {"precision": "tensorfloat32"}


def works():
    """(name, work, options), what is worth most first."""
    ipc1, ipc10 = (replace(work, dsa=True) for work in (IPC1, IPC10))
    yield "IPC 1, DSA by select", ipc1, {}
    yield "IPC 10, DSA by select", ipc10, {}
    yield "IPC 1, DSA by select, TF32", ipc1, TF32
    yield "IPC 10, DSA by select, TF32", ipc10, TF32
    yield "IPC 1, DSA by switch, TF32", ipc1, TF32 | {"switch": True}
    yield "IPC 1, no DSA, TF32", IPC1, TF32
    yield "IPC 1, no DSA", IPC1, {}
    yield "IPC 1, DSA by select, TF32, 8 pairs", ipc1, TF32 | {"trajectories": 8}
    yield "IPC 1, DSA by select, TF32, 4 pairs", ipc1, TF32 | {"trajectories": 4}
    yield "IPC 10, DSA by switch, TF32", ipc10, TF32 | {"switch": True}
    yield "IPC 50, TF32", IPC50, TF32
    yield "Tiny ImageNet, IPC 10, TF32", TINY, TF32
    for derivative in ("checkpoint", "plain"):
        yield f"IPC 1, TF32, {derivative}", IPC1, TF32 | {"derivative": derivative}
    yield "IPC 10, TF32, checkpoint", IPC10, TF32 | {"derivative": "checkpoint"}
    yield "IPC 50", IPC50, {}
    yield "Tiny ImageNet, IPC 10", TINY, {}


def tiny_works():
    """Some of them in seconds."""
    small, all_works = rows("tiny")[0].work, list(works())
    for name, work, options in (all_works[i] for i in (0, 4, 5, 8, 12, 13)):
        yield name, replace(small, dsa=work.dsa), options


def run(record, tiny):
    """See ``benchmarks.short``."""
    for name, work, options in tiny_works() if tiny else works():
        with record.attempt(name):
            begin = time.perf_counter()
            step = jax_side.Distillation(work, options)
            compiling = time.perf_counter() - begin
            found = timed(step)
            memory = jax.devices()[0].memory_stats() or {}
            record(
                name,
                compile_seconds=compiling,
                **found,
                gflops=work.flops * options.get("trajectories", 1) / found["seconds"] / 1e9,
                temporaries_mb=(step.about["temporaries"] or 0) / 1e6,
                peak_so_far_mb=memory.get("peak_bytes_in_use", 0) / 1e6,
            )


def timed(step):
    """The median seconds of a task and its extremes, after a first call; its loss."""
    check, seconds = step()["check"], []
    for _ in range(CALLS):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    seconds.sort()
    median = seconds[len(seconds) // 2]
    return {"seconds": median, "least": seconds[0], "most": seconds[-1], "loss": check}


def run_by_torch(record, tiny):
    """The eager PyTorch side at 1 and 10 images per class."""
    from benchmarks import torch_side

    device = os.environ["SHORT_DEVICE"]
    for name, full in (("IPC 1", IPC1), ("IPC 10", IPC10)):
        work = replace(rows("tiny")[0].work if tiny else full, dsa=True)
        for precision in ("float32", "tensorfloat32"):
            for channels_last in (False, True):
                row = f"{name}, DSA, {precision}{', channels last' * channels_last}"
                options = {"threads": os.cpu_count(), "device": device, "precision": precision}
                with record.attempt(row):
                    task = torch_side.make(work, options | {"channels_last": channels_last})
                    found = timed(task)
                    record(row, **found, gflops=work.flops / found["seconds"] / 1e9)
