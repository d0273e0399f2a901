"""Around the steps of an outer loop: metrics, evaluation, saving, the guard against divergence."""

import time
from typing import NamedTuple

import jax
import numpy as np

from mttjax.core.synthetic import mean_rate
from mttjax.distilling import read_ahead
from mttjax.distilling.step import OuterState
from mttjax.distilling.watch import Watch
from mttjax.system.errors import InputError
from mttjax.system.progress import progress_bar
from mttjax.system.signals import Stopped, stop_requested

__all__ = ["Diverged", "Loop", "LoopState", "Schedule", "distill"]

MOST_SKIPS_IN_A_ROW = 10


class Schedule(NamedTuple):
    """When the loop does what; all in outer steps, 0 for never where it says so."""

    steps: int
    """How many outer steps in all."""
    evaluate_every: int
    """0: only at the end."""
    save_every: int
    """How often the state is written beside the evaluations."""
    fallbacks: int = 0
    """How often a run that diverges goes back to its last good state, at a tenth of its rates."""


class LoopState(NamedTuple):
    """What ``state.npz`` holds: a run goes on from here with nothing else."""

    outer: OuterState
    step: np.ndarray
    """[] int32, outer steps done."""
    best: np.ndarray
    """[] float32, the best score on validation so far; -1 before the first."""
    best_step: np.ndarray
    best_test: np.ndarray
    """[] float32, the best accuracy on test so far, where that is asked for."""
    watch: Watch


class Diverged(InputError):
    """Too many moves in a row were not finite or beyond use."""


class Loop:
    """A run of a method: its arguments are those of ``distill``; ``bar`` is set when it begins."""

    def __init__(self, method, schedule, folder, evaluate, on_saved, log):
        self.method, self.schedule, self.folder = method, schedule, folder
        self.evaluate, self.on_saved, self.log = evaluate, on_saved, log
        self.bar = None

    def resume(self):
        """The state to go on from, and the metrics up to it."""
        initial = LoopState(
            self.method.initial,
            np.int32(0),
            np.float32(-1),
            np.int32(0),
            np.float32(-1),
            Watch.begin(),
        )
        self.like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), initial)
        state = self.folder.load_state(self.like)
        step = 0 if state is None else int(state.step)
        self.folder.metrics.forget_after(step or -1)  # step 0 is evaluated again
        if step and step < self.schedule.steps:
            self.log(f"going on after step {step}")
        return initial if state is None else state

    def finished(self, state):
        """Nothing is left to do but to give back the set, if it was lost."""
        step = int(state.step)
        if step > self.schedule.steps:
            raise InputError(
                f"--distill.steps {self.schedule.steps}: {step} steps are done already in "
                f"{self.folder.path}. Ask for as many or more, or begin another run with "
                "--run.folder"
            )
        self.log(f"all {step} steps are done already: {self.folder.path}")
        self.on_saved("last", state.outer.synthetic, step)
        if int(state.best_step) == step and state.best >= 0:
            self.on_saved("best", state.outer.synthetic, step)
        return state

    def run(self, compiled, state, root, stopped):
        """Steps to the end, or to the last good state where the run falls back to it."""
        first, last = int(state.step), self.schedule.steps
        for step, drawn in enumerate(read_ahead(self.method.draw, first, last), first):
            state = self.advance(compiled, state, drawn, jax.random.fold_in(root, step))
            if int(state.outer.skipped_in_row) >= MOST_SKIPS_IN_A_ROW:
                return self.fall_back(state)
            state = self.save_by_schedule(state)
            if stopped():
                if int(state.watch.saved) < step + 1:
                    self._keep_last(state)
                    self.folder.save_between(state, int(state.watch.saved))
                raise Stopped(stopped(), f"after step {step + 1}")
        return state

    def advance(self, compiled, state, drawn, key):
        """One step, and its line in the metrics."""
        begin = time.perf_counter()
        outer, record = compiled(state.outer, drawn.context, key)
        record = jax.device_get(record)
        seconds, step = time.perf_counter() - begin, int(state.step) + 1
        skipped = int(outer.skipped)
        line = {"step": step} | {n: _finite(v) for n, v in record._asdict().items()}
        self.folder.metrics.write(
            line | {"seconds": round(seconds, 5), "skipped": skipped} | drawn.note
        )
        note = f"loss {record.loss:.4f} α {record.lr:.4f}"
        self.bar.advance(1, note + (f" skipped {skipped}" if skipped else ""))
        watch = state.watch.seen(float(record.loss))
        return state._replace(outer=outer, step=np.int32(step), watch=watch)

    def save_by_schedule(self, state):
        step, every = int(state.step), self.schedule.evaluate_every
        if step == self.schedule.steps or (every and step % every == 0):
            return self.evaluate_and_save(state)
        if step % self.schedule.save_every == 0:
            return self.save(state)
        return state

    def evaluate_and_save(self, state):
        """Scores the images, keeps them if they are the best so far, and saves the state."""
        if self.evaluate is None:
            return self.save(state)
        step, synthetic = int(state.step), state.outer.synthetic
        scores = self.evaluate(synthetic, step)
        score = scores["validation"]
        line = {"step": step, "evaluation": score.record()}
        self.folder.metrics.write(
            line | ({"test": scores["test"].record()} if "test" in scores else {})
        )
        self.log(
            f"step {step}: validation {100 * score.mean:.2f} ± {100 * score.std:.2f} %, "
            f"α {mean_rate(synthetic):.4f}"
        )
        if score.mean >= state.best:  # of equals the later: it has learned more
            state = state._replace(best=np.float32(score.mean), best_step=np.int32(step))
            self.on_saved("best", synthetic, step)
        if "test" in scores and scores["test"].mean > state.best_test:
            state = state._replace(best_test=np.float32(scores["test"].mean))
            self.on_saved("best_on_test", synthetic, step)
        return self.save(state)

    def save(self, state):
        """Writes the last set, then the state: a kill between the two repeats some steps."""
        step, skipped, watch = int(state.step), int(state.outer.skipped), state.watch
        self._keep_last(state)
        if step == 0:
            self.folder.save_first(state)
            return state
        if watch.went_well(step, skipped):
            self.folder.keep_as_good(int(watch.saved))
        state = state._replace(watch=watch.after_save(step, skipped))
        self.folder.save_state(state)
        return state

    def _keep_last(self, state):
        self.folder.metrics.flush()
        self.on_saved("last", state.outer.synthetic, int(state.step))

    def fall_back(self, state):
        """The last good state, to go on from at a tenth of the rates; raises if none is left."""
        step, done = int(state.step), int(state.watch.fallbacks)
        left = done < self.schedule.fallbacks
        good = self.folder.load_good(self.like) or state
        watch = good.watch._replace(fallbacks=np.int32(done + left))
        good = good._replace(watch=watch, outer=good.outer._replace(pace=watch.pace()))
        self._keep_last(good)
        self.folder.save_state(good)
        if not left:
            raise Diverged(self._divergence(step, int(good.step), done))
        self.folder.metrics.forget_after(int(good.step))
        line = {"step": int(good.step), "fallback": done + 1, "diverged_at": step}
        self.folder.metrics.write(line | {"pace": float(watch.pace())})
        self.log(
            f"diverged at step {step}: back to step {int(good.step)} with all rates times "
            f"{watch.pace():g} (fallback {done + 1} of {self.schedule.fallbacks})"
        )
        self.bar.advance(int(good.step) - step)
        return good

    def _divergence(self, step, good, done):
        tried = f" after {done} fallbacks" if done else ""
        return (
            f"{MOST_SKIPS_IN_A_ROW} steps in a row to step {step} diverged{tried}: a loss, "
            "gradient or move was not finite, or took images or rate beyond use. The last good "
            f"images, of step {good}, are in {self.folder.path}. {self.method.remedies}, and begin "
            f"a new run with --run.folder; or run it on with --distill.fallbacks {done + 3}, which "
            "goes back to them at a tenth of its rates as often as that"
        )


def _finite(value):
    """A float, or None: JSON has no NaN."""
    return float(value) if np.isfinite(value) else None


def distill(method, *, schedule, folder, seed, evaluate=None, on_saved=None, log=print):
    """Moves what a method learns, step by step; goes on where the folder's run stopped.

    Args:
      method: a ``Method``; its initial state is ignored where the folder has one.
      schedule: a ``Schedule``.
      folder: the ``RunFolder``.
      seed: decides everything drawn.
      evaluate: ``evaluate(synthetic, step) -> dict`` with the ``Evaluation`` called
        ``validation``, and ``test`` where the best on test is wanted too; or None.
      on_saved: ``on_saved(kind, synthetic, step)``, called when a set is worth keeping;
        kind is ``last``, ``best`` or ``best_on_test``.
      log: called with lines of text.

    Returns:
      The last ``LoopState``.

    Raises:
      Diverged: ten steps in a row diverged, and no fallback is left; the last good state is
        saved.
      InputError: more steps are done than asked for.
      Stopped: SIGINT or SIGTERM came; the step was finished and the state saved.
    """
    loop = Loop(method, schedule, folder, evaluate, on_saved or (lambda *_: None), log)
    state = loop.resume()
    first = int(state.step)
    if first >= schedule.steps:
        return loop.finished(state)
    root = jax.random.key(seed)
    step = method.compile(state.outer, method.draw(0).context, root, log)
    try:
        with (
            progress_bar("distilling", schedule.steps, first) as loop.bar,
            stop_requested() as stopped,
        ):
            if first == 0:
                state = loop.evaluate_and_save(state)
            while int(state.step) < schedule.steps:
                state = loop.run(step, state, root, stopped)
    finally:
        folder.metrics.close()
    return state
