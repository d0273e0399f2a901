"""The outer loop of every method that learns: steps, evaluated now and then, resumable.

Everything drawn at step t comes from the seed and t alone, so that a run which was
killed and goes on ends with the same bits as one that was not.
"""

import jax

from mttjax.outer_loop import Diverged, Loop, LoopState, Schedule
from mttjax.progress import progress_bar
from mttjax.stopping import stop_requested

__all__ = ["Diverged", "LoopState", "Schedule", "distill"]


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
