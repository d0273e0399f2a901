"""The outer loop, whatever the method: steps, metrics, evaluation, saving, the guard."""

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from mttjax.core.synthetic import Synthetic, mean_rate
from mttjax.distilling.method import Log, Method, read_ahead
from mttjax.distilling.step import OuterState
from mttjax.system import console, seeds
from mttjax.system.errors import InputError
from mttjax.system.progress import progress_bar
from mttjax.system.signals import Stopped, stop_requested
from mttjax.system.team import ALONE, Team
from mttjax.system.threads import Behind

__all__ = ["Diverged", "Folder", "LoopState", "Schedule", "run_loop"]

MOST_SKIPS_IN_A_ROW = 10


class Schedule(NamedTuple):
    """When the loop does what, in outer steps."""

    steps: int
    """How many in all."""
    evaluate_every: int
    """0: only before the first and after the last."""
    save_every: int
    """How often the state is written beside the evaluations."""

    def evaluates(self, step: int) -> bool:
        """Whether the images are scored after so many steps."""
        every = self.evaluate_every
        return step in (0, self.steps) or bool(every and step % every == 0)

    def saves(self, step: int) -> bool:
        """Whether the state is written after so many steps: before an evaluation too, as one
        may take longer than many steps."""
        return self.evaluates(step) or self.evaluates(step + 1) or step % self.save_every == 0


class LoopState(NamedTuple):
    """What a run goes on from, with nothing else."""

    outer: OuterState
    step: np.ndarray
    """[] int32, outer steps done."""
    best: np.ndarray
    """[] float32, the best score on validation so far; -1 before the first."""
    best_step: np.ndarray
    """[] int32, when that was."""
    best_test: np.ndarray
    """[] float32, the best accuracy on test so far, where that is asked for."""


class Folder(Protocol):
    """Where the loop keeps its state and its metrics, such as a ``RunFolder``."""

    path: Any
    metrics_log: Any
    """A ``Metrics``."""

    def load_state(self, like: Any, log: Log) -> Any:
        """The last whole state, or None before the first."""

    def save_state(self, state: Any) -> None:
        """Writes it; the one before stays beside it."""


class Score(Protocol):
    """How good the images are, such as an ``Evaluation``."""

    mean: float
    std: float

    def record(self) -> dict[str, Any]:
        """JSON values."""


class Diverged(InputError):
    """Too many moves in a row were not finite or beyond use."""


def run_loop(
    method: Method,
    schedule: Schedule,
    folder: Folder,
    *,
    seed: int,
    evaluate: Callable[[Synthetic, int], Mapping[str, Any]] | None = None,
    on_saved: Callable[[str, Synthetic, int], object] = lambda *_: None,
    log: Log = print,
    team: Team = ALONE,
) -> LoopState:
    """Moves what a method learns, step by step; goes on where the folder's run stopped.

    The host tells of a step while the device works on the next, and what is saved is written
    meanwhile: a fault in writing ends the run at the next save, and the last state is on disk
    before the run ends, however it does.

    Args:
      method: a ``Method``; its initial state is ignored where the folder has one.
      schedule: a ``Schedule``.
      folder: keeps state and metrics.
      seed: decides everything drawn.
      evaluate: ``evaluate(synthetic, step)`` -> the ``Score`` called ``validation``, that called
        ``test`` where the best on test is wanted, or both; or None.
      on_saved: ``on_saved(kind, synthetic, step)``, called when a set is worth keeping;
        kind is ``last``, ``best`` or ``best_on_test``.
      log: called with lines of text.
      team: the processes that run this loop together, each with a folder; they begin with the
        state of the first's, and stop after the same step.

    Raises:
      Diverged: ten steps in a row diverged; the last good images are saved.
      InputError: more steps are done than asked for.
      Stopped: SIGINT or SIGTERM came, or the time is nearly over; the step was finished and the
        state saved.
    """
    evaluate, on_saved = _of_the_set(method, evaluate, on_saved)
    if method.listener is not None:
        folder.metrics_log.listeners.append(method.listener)
    state = _resumed(method, folder, log, team)
    first, root = int(state.step), seeds.key("outer_steps", seed)
    if first >= schedule.steps:
        return _finished(state, schedule, folder, on_saved, log)
    if first:
        log(f"going on after step {first}")
    step = method.compile(state.outer, method.draw(0).context, root, log)
    with (
        contextlib.closing(folder.metrics_log),
        progress_bar("distilling", schedule.steps, first) as bar,
        stop_requested() as asked,
        Behind("saving") as behind,
    ):
        stopped, teller = team.together(asked), _Teller(folder, bar)
        if first == 0:
            state = _evaluated(state, evaluate, teller, on_saved, log)
            _save(state, folder, on_saved, behind)
        teller.begin()
        for index, drawn in enumerate(read_ahead(method.draw, first, schedule.steps), first):
            outer, record = step(state.outer, drawn.context, root, index)
            state = state._replace(outer=outer, step=np.int32(index + 1))
            in_row = teller.tell_of_last(next_one=(index + 1, record, drawn.note))
            soon = range(index + 2, index + (3 if team.count == 1 else 4))
            ahead = teller.ahead(len(soon) + 1, any(map(schedule.evaluates, soon)))
            if schedule.saves(index + 1) or stopped(ahead) or in_row >= MOST_SKIPS_IN_A_ROW:
                in_row = max(in_row, teller.tell_of_last())
                if schedule.evaluates(index + 1) and in_row < MOST_SKIPS_IN_A_ROW:
                    behind.wait()  # it may keep a set too
                    state = _evaluated(state, evaluate, teller, on_saved, log)
                _save(state, folder, on_saved, behind)
                if in_row >= MOST_SKIPS_IN_A_ROW:
                    raise Diverged(_divergence(index + 1, folder, method))
                if (number := stopped(ahead)) and index + 1 < schedule.steps:
                    raise Stopped(number, f"after step {index + 1}")
                teller.begin()
    return state


def _of_the_set(method, evaluate, on_saved):
    """The two as functions of what is learned."""
    decode = method.decode
    score = None if evaluate is None else lambda learned, step: evaluate(decode(learned), step)
    return score, lambda kind, learned, step: on_saved(kind, decode(learned), step)


def _resumed(method, folder, log, team):
    """The state to go on from, and the metrics up to it."""
    zero, none = np.int32(0), np.float32(-1)
    initial = LoopState(method.initial, zero, none, zero, none)
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), initial)
    state = team.of_the_first(folder.load_state(like, log), like)
    step = 0 if state is None else int(state.step)
    folder.metrics_log.forget_after(step or -1)  # step 0 is evaluated again
    return state if step else initial


def _finished(state, schedule, folder, on_saved, log):
    """Nothing is left to do but to give back the sets, if they were lost."""
    step = int(state.step)
    if step > schedule.steps:
        raise InputError(
            f"steps is {schedule.steps}: {step} are done already in {folder.path}. Ask for as many "
            "or more, or begin another run in another folder"
        )
    log(f"all {step} steps are done already: {folder.path}")
    on_saved("last", state.outer.synthetic, step)
    if int(state.best_step) == step and state.best >= 0:
        on_saved("best", state.outer.synthetic, step)
    return state


class _Teller:
    """Tells metrics and bar of a step when the device has done it, and how long all takes."""

    def __init__(self, folder, bar):
        self.metrics, self._bar = folder.metrics_log, bar
        self._waiting, self._seconds, self.evaluation = None, 0.0, 0.0

    def ahead(self, steps, evaluates):
        """Seconds of so many steps, the one in hand among them, and of an evaluation if any."""
        return steps * self._seconds + evaluates * self.evaluation

    def begin(self):
        """The time of the next step begins now."""
        self._since = time.perf_counter()

    def tell_of_last(self, next_one=None):
        """Waits for the step that was handed over last; returns how many in a row it skipped."""
        waiting, self._waiting = self._waiting, next_one
        if waiting is None:
            return 0
        step, record, note = waiting
        loss, lr, student_loss, gradient, skipped, in_row, rejected = np.asarray(record).tolist()
        now = time.perf_counter()
        self._seconds, self._since = now - self._since, now
        line = {"step": step, "loss": loss, "lr": lr}
        line |= {"student_loss": student_loss, "gradient": gradient}
        line = {name: value if math.isfinite(value) else None for name, value in line.items()}
        line |= {"seconds": round(self._seconds, 5), "skipped": int(skipped)}
        line |= {"rejected": int(rejected)} if rejected else {}
        self.metrics.write(line | note)
        counts = {"skipped": skipped, "rejected": rejected}
        skips = "".join(f" {name} {n:.0f}" for name, n in counts.items() if n)
        told = f"loss {loss:.4f} α {lr:.4f}{skips}"
        self._bar.advance(1, told)
        console.detail(f"step {step}: {told}, {self._seconds:.3f} s")
        return int(in_row)


def _evaluated(state, evaluate, teller, on_saved, log):
    """Scores the images and keeps them if they are the best so far."""
    if evaluate is None:
        return state
    step, synthetic = int(state.step), state.outer.synthetic
    begin = time.perf_counter()
    scores = evaluate(synthetic, step)
    teller.evaluation = time.perf_counter() - begin
    score, test = scores.get("validation"), scores.get("test")
    line = {"step": step}
    for name, found in (("evaluation", score), ("test", test)):
        line |= {} if found is None else {name: found.record()}
    teller.metrics.write(line)
    shown = [f"{n} {100 * s.mean:.2f} ± {100 * s.std:.2f} %" for n, s in scores.items()]
    log(f"step {step}: {', '.join(shown)}, α {mean_rate(synthetic):.4f}")
    # Of equal ones the later has learned more; ``best`` is float32, and a score is not.
    if score is not None and np.float32(score.mean) >= state.best:
        state = state._replace(best=np.float32(score.mean), best_step=np.int32(step))
        on_saved("best", synthetic, step)
    if test is not None and np.float32(test.mean) > state.best_test:  # the published one
        state = state._replace(best_test=np.float32(test.mean))
        on_saved("best_on_test", synthetic, step)
    return state


def _save(state, folder, on_saved, behind):
    """Has the state written behind the next steps, which use up its buffers: by a copy of it."""
    folder.metrics_log.flush()
    copied = jax.tree.map(np.array, jax.device_get(state))
    behind.do(_write, copied, folder, on_saved)


def _write(state, folder, on_saved):
    """The last set, then the state: a kill between the two repeats some steps."""
    on_saved("last", state.outer.synthetic, int(state.step))
    folder.save_state(state)


def _divergence(step, folder, method):
    return (
        f"{MOST_SKIPS_IN_A_ROW} steps in a row to step {step} diverged: a loss, gradient or move "
        "was not finite, or took images or rate beyond use. The last good images are in "
        f"{folder.path}. {method.remedies}, and begin a new run in another folder"
    )
