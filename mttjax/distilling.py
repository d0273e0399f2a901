"""The outer loop of every method that learns: steps, evaluated now and then, resumable.

Everything drawn at step t comes from the seed and t alone, so that a run which was
killed and goes on ends with the same bits as one that was not.
"""

import json
import time
from typing import NamedTuple

import jax
import numpy as np

from mttjax.errors import InputError
from mttjax.methods import read_ahead
from mttjax.outer_step import OuterState
from mttjax.progress import progress_bar
from mttjax.stopping import stop_requested
from mttjax.synthetic import mean_rate

__all__ = ["Diverged", "LoopState", "Schedule", "Stopped", "distill"]

MOST_SKIPS_IN_A_ROW = 10


class Schedule(NamedTuple):
    """When the loop does what; all in outer steps, 0 for never where it says so."""

    steps: int
    """How many outer steps in all."""
    evaluate_every: int
    """0: only at the end."""
    save_every: int
    """How often the state is written beside the evaluations."""


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


class Diverged(InputError):
    """Too many steps in a row gave a loss or gradient that is not finite."""


class Stopped(Exception):
    """The run was asked to stop and has saved its state; ``signal`` is the number."""

    def __init__(self, signal, step):
        super().__init__(f"stopped after step {step}")
        self.signal, self.step = signal, step


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
      Diverged: ten steps in a row were not finite; the last good state is saved.
      Stopped: SIGINT or SIGTERM came; the step was finished and the state saved.
    """
    state = LoopState(method.initial, *_none_yet())
    state = folder.load_state(jax.eval_shape(lambda: state)) or state
    folder.forget_metrics_after(int(state.step))
    loop = _Loop(method, schedule, folder, evaluate, on_saved or (lambda *_: None), log)
    first = int(state.step)
    if first >= schedule.steps:
        log(f"all {first} steps are done already: {folder.path}")
        return state
    if first:
        log(f"going on after step {first}")
    root = jax.random.key(seed)
    compiled = method.compile(state.outer, method.draw(0).context, root, log)
    with (
        folder.open_metrics() as loop.metrics,
        progress_bar("distilling", schedule.steps, first) as loop.bar,
        stop_requested() as stopped,
    ):
        if first == 0:
            state = loop.evaluate_and_save(state)
        for step, drawn in enumerate(read_ahead(method.draw, first, schedule.steps), first):
            state = loop.advance(compiled, state, drawn, jax.random.fold_in(root, step))
            if stopped():
                loop.save(state)
                raise Stopped(stopped(), step + 1)
    return state


def _none_yet():
    return np.int32(0), np.float32(-1), np.int32(0), np.float32(-1)


class _Loop:
    """What happens after a step: metrics, evaluation, saving, the guard."""

    def __init__(self, method, schedule, folder, evaluate, on_saved, log):
        self.method, self.schedule, self.folder = method, schedule, folder
        self.evaluate, self.on_saved, self.log = evaluate, on_saved, log
        self.metrics = self.bar = None

    def advance(self, compiled, state, drawn, key):
        begin = time.perf_counter()
        outer, record = compiled(state.outer, drawn.context, key)
        record = jax.device_get(record)
        seconds = time.perf_counter() - begin
        step = int(state.step) + 1
        state = state._replace(outer=outer, step=np.int32(step))
        skipped, in_row = int(outer.skipped), int(outer.skipped_in_row)
        line = {"step": step} | {n: _finite(v) for n, v in record._asdict().items()}
        line |= {"seconds": round(seconds, 5), "skipped": skipped}
        self._write(line | drawn.note)
        note = f"loss {record.loss:.4f} α {record.lr:.4f}"
        self.bar.advance(1, note + (f" skipped {skipped}" if skipped else ""))
        if in_row >= MOST_SKIPS_IN_A_ROW:
            self.save(state)
            raise Diverged(
                f"{in_row} steps in a row to step {step} gave a loss or gradient that is not "
                f"finite. The last good images are in {self.folder.path}. {self.method.remedies}, "
                "and begin a new run with --run.folder"
            )
        every, last = self.schedule.evaluate_every, step == self.schedule.steps
        if last or (every and step % every == 0):
            return self.evaluate_and_save(state)
        if step % self.schedule.save_every == 0:
            self.save(state)
        return state

    def evaluate_and_save(self, state):
        """Scores the images, keeps them if they are the best so far, and saves the state."""
        step, synthetic = int(state.step), state.outer.synthetic
        if self.evaluate is not None:
            scores = self.evaluate(synthetic, step)
            score = scores["validation"]
            line = {"step": step, "evaluation": score.record()}
            self._write(line | ({"test": scores["test"].record()} if "test" in scores else {}))
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
        self.save(state)
        return state

    def save(self, state):
        """Writes the last set, then the state: a kill between the two repeats some steps."""
        self.metrics.flush()
        self.on_saved("last", state.outer.synthetic, int(state.step))
        self.folder.save_state(state)

    def _write(self, line):
        self.metrics.write(json.dumps(line) + "\n")


def _finite(value):
    """A float, or None: JSON has no NaN."""
    return float(value) if np.isfinite(value) else None
