"""MTT as a method of the loop: pairs of expert snapshots, the student's exact gradient."""

import time
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jax import lax

from mttjax.core.objectives.trajectory import match_loss
from mttjax.core.unrolling import sample_batches
from mttjax.distilling.method import Method, compile_program, tell_compiled, working_memory
from mttjax.distilling.step import Slope, field_optimiser, initial_state, make_update
from mttjax.system.threads import cores, in_one_program, in_threads

__all__ = ["make_gradient", "make_outer_step", "matching_optimiser", "mtt", "trajectory_keys"]


def mtt(synthetic, pairs, *, apply, augment, matching, chunk=None):
    """Cazenavette et al., "Dataset Distillation by Matching Training Trajectories", CVPR 2022.

    Args:
      synthetic: the ``Synthetic`` to begin with.
      pairs: a ``PairSource``.
      apply: the network.
      augment: ``augment(key, images)`` or None.
      matching: a ``Matching``.
      chunk: see ``match_loss``.

    Returns:
      A ``Method``. Its contexts are (start, target), with a leading axis of K trajectories.
    """
    compile_step = partial(_compile, apply, augment, matching, chunk)
    remedies = (
        f"Lower --distill.lr-img ({matching.lr_img:g}) or --distill.lr-lr "
        f"({matching.lr_lr:g}) tenfold, or --distill.max-start ({matching.max_start})"
    )
    initial = initial_state(synthetic, matching_optimiser(matching))
    return Method(pairs.draw, initial, compile_step, remedies)


def matching_optimiser(matching):
    """SGD with momentum on images and log α, each at its own rate; labels stay."""
    sgd = partial(optax.sgd, momentum=matching.momentum or None)
    return field_optimiser(images=sgd(matching.lr_img), log_lr=sgd(matching.lr_lr))


def _matching_update(matching):
    in_alpha = lambda g, synthetic: g._replace(log_lr=g.log_lr / jnp.exp(synthetic.log_lr) ** 2)
    adjust = in_alpha if matching.lr_lr_in == "alpha" else None
    return make_update(matching_optimiser(matching), adjust=adjust)


def make_gradient(apply, augment, matching, n, chunk=None):
    """One trajectory: ``gradient(synthetic, start, target, key) -> Slope``; n is N."""

    def gradient(synthetic, start, target, key):
        batches_key, augment_key = jax.random.split(key)
        batches = sample_batches(batches_key, n, matching.student_steps, matching.batch or n)
        (loss, aux), grads = jax.value_and_grad(match_loss, has_aux=True)(
            synthetic,
            start,
            target,
            apply=apply,
            batches=batches,
            augment=augment,
            key=augment_key,
            chunk=chunk,
            derivative=matching.derivative,
        )
        return Slope(loss, aux.losses[-1], grads)

    return gradient


def make_outer_step(apply, augment, matching, n, chunk=None, vectorise=None):
    """The step as a pure function ``step(state, (start, target), key) -> (state, StepRecord)``.

    ``start`` and ``target`` have a leading axis of K trajectories.

    Args:
      apply: the network.
      augment: ``augment(key, images)`` or None.
      matching: a ``Matching``.
      n: N, how many synthetic images there are.
      chunk: see ``match_loss``.
      vectorise: compute the K trajectories in one ``vmap``; None: on accelerators. On a
        CPU they run one after another, in the memory of one.
    """
    one = make_gradient(apply, augment, matching, n, chunk)
    update = _matching_update(matching)
    vectorise = in_one_program() if vectorise is None else vectorise

    def step(state, pairs, key):
        start, target = pairs
        keys = trajectory_keys(key, jax.tree.leaves(start)[0].shape[0])
        if len(keys) == 1:
            each = one(state.synthetic, *jax.tree.map(lambda x: x[0], (start, target)), keys[0])
            return update(state, each)
        if vectorise:
            each = jax.vmap(one, in_axes=(None, 0, 0, 0))(state.synthetic, start, target, keys)
        else:
            each = lax.map(lambda at: one(state.synthetic, *at), (start, target, keys))
        return update(state, jax.tree.map(partial(jnp.mean, axis=0), each))

    return step


def trajectory_keys(key, count):
    """The random keys [K] of the trajectories of a step."""
    return key[None] if count == 1 else jax.random.split(key, count)


def _compile(apply, augment, matching, chunk, state, pairs, key, log):
    """See ``Method.compile``.

    On a CPU the trajectories of a step run side by side, each in a thread: one alone
    leaves cores idle. Elsewhere, and for a single one, the step is one program.
    """
    n = len(state.synthetic.images)
    if matching.trajectories == 1 or in_one_program():
        step = make_outer_step(apply, augment, matching, n, chunk)
        return compile_program(step, (state, pairs, key), log)
    begin, first = time.perf_counter(), lambda tree, i=0: jax.tree.map(lambda x: x[i], tree)
    gradient = jax.jit(make_gradient(apply, augment, matching, n, chunk))
    gradient = gradient.lower(state.synthetic, *first(pairs), key).compile()
    update = jax.jit(_mean_and(_matching_update(matching)), donate_argnums=0)
    count = matching.trajectories
    tell_compiled(log, begin, working_memory(gradient) * min(count, cores()))

    def step(state, pairs, key):
        one = lambda i, key: jax.block_until_ready(gradient(state.synthetic, *first(pairs, i), key))
        return update(state, in_threads(one, range(count), trajectory_keys(key, count)))

    return step


def _mean_and(update):
    def run(state, each):
        return update(state, jax.tree.map(lambda *x: jnp.mean(jnp.stack(x), axis=0), *each))

    return run
