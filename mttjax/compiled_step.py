"""The outer step compiled ahead of the loop, to say what it needs before it is needed."""

import time

import jax
import jax.numpy as jnp

from mttjax.outer_step import make_gradient, make_outer_step, make_update, trajectory_keys
from mttjax.parallel import cores, in_one_program, in_threads

__all__ = ["compile_step"]


def compile_step(apply, augment, matching, chunk, like, log=print):
    """Compiles one step for the shapes of its arguments.

    On a CPU the trajectories of a step run side by side, each in a thread: one alone
    leaves cores idle. Elsewhere, and for a single one, the step is one program.

    Args:
      apply: the network.
      augment: ``augment(key, images)`` or None.
      matching: a ``Matching``.
      chunk: see ``match_loss``.
      like: (``OuterState``, start, target, key) as the step will get them; start and
        target with a leading axis of K trajectories.
      log: told how long it took and how much memory a step works in.

    Returns:
      ``step(state, start, target, key) -> (state, StepRecord)``; the state given is used up.
    """
    begin = time.perf_counter()
    state, start, target, key = like
    n = len(state.synthetic.images)
    if matching.trajectories > 1 and not in_one_program():
        step, size = _threaded(apply, augment, matching, n, chunk, like)
    else:
        function = make_outer_step(apply, augment, matching, n, chunk)
        step = jax.jit(function, donate_argnums=0).lower(state, start, target, key).compile()
        size = _working_memory(step)
    megabytes = f", {size / 2**20:.0f} MiB of working memory" if size else ""
    log(f"the step compiled in {time.perf_counter() - begin:.1f} s{megabytes}")
    return step


def _threaded(apply, augment, matching, n, chunk, like):
    state, start, target, key = like
    first = lambda tree, i=0: jax.tree.map(lambda x: x[i], tree)  # noqa: E731
    gradient = jax.jit(make_gradient(apply, augment, matching, n, chunk))
    gradient = gradient.lower(state.synthetic, first(start), first(target), key).compile()
    update = jax.jit(_mean_and(make_update(matching)), donate_argnums=0)

    def step(state, start, target, key):
        count = matching.trajectories
        one = lambda i, key: jax.block_until_ready(  # noqa: E731
            gradient(state.synthetic, first(start, i), first(target, i), key)
        )
        return update(state, in_threads(one, range(count), trajectory_keys(key, count)))

    return step, _working_memory(gradient) * min(matching.trajectories, cores())


def _mean_and(update):
    def run(state, each):
        return update(state, jax.tree.map(lambda *x: jnp.mean(jnp.stack(x), axis=0), *each))

    return run


def _working_memory(compiled):
    memory = compiled.memory_analysis()
    return memory.temp_size_in_bytes if memory else 0
