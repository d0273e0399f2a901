"""The loop on the digits, and its compiled step with nothing beside it."""

import dataclasses
import tempfile
import time

import jax
import psutil

from mttjax.config.presets import load_preset
from mttjax.distilling.loop import Schedule, run_loop
from mttjax.runs.assembling import assemble
from mttjax.runs.folder import RunFolder
from mttjax.runs.problem import prepare
from mttjax.runs.workflows import SetKeeper, run_experts
from mttjax.system import seeds

__all__ = ["HostWork"]


class HostWork:
    """A call is a round: some steps of either, seconds per step of the preset at IPC 1."""

    def __init__(self, work, _options):
        self.steps = work.steps
        self._folder = tempfile.TemporaryDirectory()
        settings = load_preset("digits").settings(1)
        count = work.experts or settings.experts.count
        experts = {"folder": f"{self._folder.name}/experts", "count": count}
        experts = dataclasses.replace(settings.experts, **experts)
        self.settings = dataclasses.replace(settings, experts=experts)
        run_experts(self.settings)
        self.problem = prepare(self.settings)
        self.root = seeds.key("outer_steps", self.settings.seed)
        method = assemble(self.problem)
        self.contexts = [jax.device_put(method.draw(i).context) for i in range(self.steps)]
        self.step = method.compile(method.initial, self.contexts[0], self.root, print)
        self.about = {"save_every": self.settings.distill.save_every}
        self()  # what is imported late is imported now

    def __call__(self):
        # Half before and half after: a slow drift of the machine falls on both ways alike.
        half, begin, before = self.steps // 2, time.perf_counter(), used_by_others()
        alone = self._program(0, half)
        loop = self._loop()
        alone += self._program(half, self.steps)
        others = (used_by_others() - before) / (time.perf_counter() - begin) / psutil.cpu_count()
        return {"loop": loop / self.steps, "program": alone / self.steps, "others": others}

    def _loop(self):
        """From the first step to the end, the last save included."""
        begin = []

        def step(*arguments):
            if not begin:
                begin.append(time.perf_counter())
            return self.step(*arguments)

        method = assemble(self.problem)._replace(compile=lambda *_: step)
        schedule = Schedule(self.steps, 0, self.settings.distill.save_every)
        with tempfile.TemporaryDirectory() as path:
            folder = RunFolder(path)
            folder.begin(self.settings.decisive())
            keep = SetKeeper(self.problem, folder)
            run_loop(method, schedule, folder, seed=self.settings.seed, on_saved=keep)
            return time.perf_counter() - begin[0]

    def _program(self, first, last):
        """Steps ``first`` to ``last`` - 1, one after another, as fast as they can be called."""
        state = assemble(self.problem).initial
        jax.block_until_ready((state, self.contexts))
        begin = time.perf_counter()
        for index, context in enumerate(self.contexts[first:last], first):
            state, _ = self.step(state, context, self.root, index)
        jax.block_until_ready(state)
        return time.perf_counter() - begin


def used_by_others():
    """Seconds of the cores that other processes used since the machine began."""
    times, own = psutil.cpu_times(), psutil.Process().cpu_times()
    return times.user + times.system + getattr(times, "nice", 0) - own.user - own.system
