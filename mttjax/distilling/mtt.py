"""MTT as a method of the loop: pairs of expert snapshots, the student's exact gradient."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from mttjax.config.methods import MTT
from mttjax.core.objectives.trajectory import match_loss
from mttjax.core.synthetic import Synthetic
from mttjax.core.unrolling import sample_batches
from mttjax.distilling.method import Method, compile_program, tell_compiled, working_memory
from mttjax.distilling.pairs import ExpertPairs
from mttjax.distilling.step import (
    OuterState,
    Slope,
    StepRecord,
    field_optimiser,
    initial_state,
    make_update,
)
from mttjax.system.threads import cores, in_one_program, in_threads

__all__ = ["make_gradient", "make_outer_step", "matching_optimiser", "mtt", "trajectory_keys"]

Apply = Callable[[Any, jax.Array], jax.Array]
Augment = Callable[[jax.Array, jax.Array], jax.Array]


def mtt(
    synthetic: Synthetic,
    pairs: ExpertPairs,
    *,
    apply: Apply,
    augment: Augment | None,
    settings: MTT,
    chunk: int | None = None,
) -> Method:
    """Cazenavette et al., "Dataset Distillation by Matching Training Trajectories", CVPR 2022.

    Different from the published code:

    - α is learned as its logarithm. With ``lr_lr_in="alpha"`` the logarithm moves by lr_lr / α²
      times its gradient, which is the published step of α to first order.
    - A step is skipped where it is not finite, or takes the images' rms above 30 or α out of
      1e-6..100. There, nothing is.
    - Where B does not divide N, the rest of a permutation is left out; there it comes first.
    - An expert is drawn anew for every step; there, by default, a file of experts is gone through.
    - Sets are tried on the way by fewer and shorter networks, on validation images held out of the
      training set, and the last set is the one reported. There: on the test set, every 100 steps,
      the best one reported; ``data.validation`` 0 with ``track_test`` does that.

    Args:
      synthetic: the ``Synthetic`` to begin with.
      pairs: what is matched.
      apply: the network.
      augment: ``augment(key, images)`` or None.
      settings: an ``MTT``; its chunk is the caller's to see to.
      chunk: see ``match_loss``.

    Returns:
      A ``Method``. Its contexts are (start, target), with a leading axis of P trajectories.
    """
    remedies = (
        f"Lower lr_img ({settings.lr_img:g}) or lr_lr ({settings.lr_lr:g}) tenfold, or "
        f"max_start ({settings.max_start})"
    )
    initial = initial_state(synthetic, matching_optimiser(settings))
    return Method(pairs.draw, initial, partial(_compile, apply, augment, settings, chunk), remedies)


def matching_optimiser(settings: MTT) -> optax.GradientTransformation:
    """SGD with momentum on images and log α, each at its own rate; labels stay."""
    sgd = partial(optax.sgd, momentum=settings.momentum or None)
    return field_optimiser(images=sgd(settings.lr_img), log_lr=sgd(settings.lr_lr))


def _matching_update(settings):
    in_alpha = lambda g, synthetic: g._replace(log_lr=g.log_lr / jnp.exp(synthetic.log_lr) ** 2)
    adjust = in_alpha if settings.lr_lr_in == "alpha" else None
    return make_update(matching_optimiser(settings), adjust=adjust)


def make_gradient(
    apply: Apply, augment: Augment | None, settings: MTT, n: int, chunk: int | None = None
) -> Callable[[Synthetic, Any, Any, jax.Array], Slope]:
    """One trajectory: ``gradient(synthetic, start, target, key)``; n is N."""

    def gradient(synthetic, start, target, key):
        batches_key, augment_key = jax.random.split(key)
        batches = sample_batches(batches_key, n, settings.student_steps, settings.batch or n)
        (loss, aux), grads = jax.value_and_grad(match_loss, has_aux=True)(
            synthetic,
            start,
            target,
            apply=apply,
            batches=batches,
            augment=augment,
            key=augment_key,
            chunk=chunk,
            derivative=settings.derivative,
            distinct=True,
        )
        return Slope(loss, aux.losses[-1], grads)

    return gradient


def make_outer_step(
    apply: Apply,
    augment: Augment | None,
    settings: MTT,
    n: int,
    chunk: int | None = None,
    vectorise: bool | None = None,
) -> Callable[[OuterState, tuple[Any, Any], jax.Array], tuple[OuterState, StepRecord]]:
    """The step as a pure function ``step(state, (start, target), key)``.

    ``start`` and ``target`` have a leading axis of P trajectories.

    Args:
      apply: the network.
      augment: ``augment(key, images)`` or None.
      settings: an ``MTT``.
      n: N, how many synthetic images there are.
      chunk: see ``match_loss``.
      vectorise: compute the P trajectories in one ``vmap``; None: on accelerators. On a
        CPU they run one after another, in the memory of one.
    """
    gradient = make_gradient(apply, augment, settings, n, chunk)
    update = _matching_update(settings)
    vectorise = in_one_program() if vectorise is None else vectorise

    def step(state, pairs, key):
        start, target = pairs
        keys = trajectory_keys(key, jax.tree.leaves(start)[0].shape[0])
        if len(keys) == 1:
            start, target = jax.tree.map(lambda x: x[0], (start, target))
            return update(state, gradient(state.synthetic, start, target, keys[0]))
        if vectorise:
            slopes = jax.vmap(gradient, (None, 0, 0, 0))(state.synthetic, start, target, keys)
        else:
            slopes = lax.map(lambda at: gradient(state.synthetic, *at), (start, target, keys))
        return update(state, jax.tree.map(partial(jnp.mean, axis=0), slopes))

    return step


def trajectory_keys(key: jax.Array, count: int) -> jax.Array:
    """The random keys [P] of the trajectories of a step."""
    return key[None] if count == 1 else jax.random.split(key, count)


def _compile(apply, augment, settings, chunk, state, pairs, root, log):
    """See ``Method.compile``.

    On a CPU the trajectories of a step run side by side, each in a thread: one alone
    leaves cores idle. Elsewhere, and for a single one, the step is one program.
    """
    n, count = len(state.synthetic.images), settings.trajectories
    if count == 1 or in_one_program():
        step = make_outer_step(apply, augment, settings, n, chunk)
        return compile_program(step, state, pairs, root, log)
    begin, pair = time.perf_counter(), lambda tree, i: jax.tree.map(lambda x: x[i], tree)
    gradient = jax.jit(make_gradient(apply, augment, settings, n, chunk))
    gradient = gradient.lower(state.synthetic, *pair(pairs, 0), root).compile()
    update = jax.jit(_mean_and(_matching_update(settings)), donate_argnums=0)
    tell_compiled(log, begin, working_memory(gradient) * min(count, cores()))

    def step(state, pairs, root, index):
        def slope(i, key):
            return jax.block_until_ready(gradient(state.synthetic, *pair(pairs, i), key))

        keys = trajectory_keys(jax.random.fold_in(root, index), count)
        return update(state, in_threads(slope, range(count), keys))

    return step


def _mean_and(update):
    def run(state, slopes):
        mean = jax.tree.map(lambda *x: jnp.mean(jnp.stack(x), axis=0), *slopes)
        state, record = update(state, mean)
        return state, record.packed()

    return run
