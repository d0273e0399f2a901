"""The long run itself, in a process of its own, which writes down how it fares.

    python -m benchmarks.torture.soak_process STEPS EVALUATE_EVERY FOLDER

The loop is the library's; it is watched from where it moves its progress bar.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import jax
import numpy as np

import mttjax.distilling.loop
from mttjax.config.methods import Distill
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Data, Experts, Run, Settings
from mttjax.core.networks import NetworkSpec
from mttjax.runs.workflows import run_distill, run_experts

__all__ = ["main"]

SAMPLE_EVERY = 200  # steps
COMPILED = "/jax/core/compile/backend_compile_duration"


def settings(folder, steps, evaluate_every):
    """A step of about a millisecond, so that the loop around it is what is measured."""
    return Settings(
        name="soak",
        ops=(),
        data=Data(dataset="digits"),
        network=NetworkSpec(depth=1, width=4),
        experts=Experts(count=2, epochs=2, batch=128, folder=f"{folder}/experts"),
        distill=Distill(
            student_steps=2,
            expert_epochs=1,
            max_start=2,
            lr_img=1,
            lr_lr=0.001,
            steps=steps,
            evaluate_every=evaluate_every,
            save_every=50,
            validation=Protocol(networks=1, epochs=10),
        ),
        run=Run(folder=f"{folder}/run"),
    )


class Watch:
    """Stands in for the loop's progress bar: every step it notes the time, now and then more."""

    def __init__(self, folder, steps):
        self.folder, self.steps = Path(folder), 0
        self.seconds = np.ones(steps)  # all of it, now: it must not be what grows
        self.compiled, self.samples = [], []
        self._before = time.perf_counter()
        jax.monitoring.register_event_duration_secs_listener(self._heard)

    def _heard(self, event, seconds, **_):
        if event == COMPILED:
            self.compiled.append(self.steps)

    @contextlib.contextmanager
    def bar(self, *_):
        self._before = time.perf_counter()
        yield self

    def advance(self, count=1, note=""):
        now = time.perf_counter()
        self.seconds[self.steps] = now - self._before
        self.steps += count
        if self.steps % SAMPLE_EVERY == 0:
            self.samples.append(self._sample())
        self._before = time.perf_counter()  # the time of sampling is not the loop's

    def _sample(self):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return {
            "step": self.steps,
            "rss": pages * os.sysconf("SC_PAGE_SIZE"),
            "descriptors": len(os.listdir("/proc/self/fd")),
            "threads": len(os.listdir("/proc/self/task")),
            "files": {str(p.relative_to(self.folder)): p.stat().st_size for p in files},
        }


def main(arguments):
    steps, evaluate_every, folder = int(arguments[0]), int(arguments[1]), arguments[2]
    how = settings(folder, steps, evaluate_every)
    run_experts(how, log=_quiet)
    watch = Watch(how.run_folder, steps)
    mttjax.distilling.loop.progress_bar = watch.bar
    run_distill(how, log=_quiet)
    if watch.steps != steps:
        sys.exit(f"the loop moved its bar by {watch.steps} steps of {steps}: it was not watched")
    record = {
        "samples": watch.samples,
        "seconds": watch.seconds[: watch.steps].round(7).tolist(),
        "compiled_at": watch.compiled,
    }
    Path(folder, "watched.json").write_text(json.dumps(record), encoding="utf-8")


def _quiet(line):
    pass


if __name__ == "__main__":
    main(sys.argv[1:])
