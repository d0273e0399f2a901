"""MTT as a method of the loop: pairs of expert snapshots, the student's exact gradient."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from mttjax.config.methods import MTT
from mttjax.core.decoding import AS_LEARNED, Decoder
from mttjax.core.objectives.trajectory import match_loss
from mttjax.core.synthetic import Synthetic
from mttjax.core.unrolling import sample_batches
from mttjax.distilling.clipping import clip_by_usual
from mttjax.distilling.method import Method, compile_program
from mttjax.distilling.pairs import ExpertPairs
from mttjax.distilling.side_by_side import (
    by_what_is_learned,
    compile_side_by_side,
    devices_of_step,
    trajectory_keys,
)
from mttjax.distilling.step import (
    OuterState,
    Slope,
    StepRecord,
    field_optimiser,
    initial_state,
    make_update,
)
from mttjax.system.team import ALONE, Team

__all__ = ["make_gradient", "make_outer_step", "matching_optimiser", "mtt"]

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
    decode: Decoder = AS_LEARNED,
    team: Team = ALONE,
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

    DATM (Guo et al., "Towards Lossless Dataset Distillation via Difficulty-Aligned Trajectory
    Matching", ICLR 2024) is the same with learned soft labels, a window of start epochs that grows,
    and steps of too large a loss left out. Different from its published code, beside the above:

    - The logits that labels begin as are the mean over the experts that are matched, there over
      all 100; after the last epoch that is matched, there after the 100th (``label_epoch``).
    - An image that no expert knows, where such are taken, begins as the mean over all of them.

    Args:
      synthetic: what is learned, to begin with.
      pairs: what is matched.
      apply: the network.
      augment: ``augment(key, images)`` or None.
      settings: an ``MTT``; its chunk is the caller's to see to.
      chunk: see ``match_loss``.
      decode: what is learned -> the set.
      team: the processes that share the trajectories; each has the pairs of its own.

    Returns:
      A ``Method``. Its contexts are (start, target), with a leading axis of P trajectories, in a
      team of those of this process.

    Raises:
      InputError: see ``devices_of_step``.
    """
    remedies = (
        f"Lower lr_img ({settings.lr_img:g}) or lr_lr ({settings.lr_lr:g}) tenfold, or "
        f"max_start ({settings.max_start})"
    )
    initial = initial_state(synthetic, matching_optimiser(settings))
    devices = devices_of_step(settings.devices, settings.trajectories, team)
    compiling = partial(_compile, apply, augment, settings, chunk, decode, devices, team)
    return Method(pairs.draw, initial, compiling, remedies, decode)


def matching_optimiser(settings: MTT) -> optax.GradientTransformation:
    """SGD with momentum on images, log α and labels that are learned, each at its own rate, and
    with a gradient that is clipped on its own where there is a ``clip``."""

    def sgd(lr, momentum):
        descent = optax.sgd(lr, momentum=momentum or None)
        return optax.chain(clip_by_usual(settings.clip), descent) if settings.clip else descent

    moved = {
        "images": sgd(settings.lr_img, settings.momentum),
        "log_lr": sgd(settings.lr_lr, settings.momentum),
    }
    if settings.labels == "learned":
        moved["labels"] = sgd(settings.lr_labels, settings.label_momentum)
    return field_optimiser(**moved)


def _matching_update(settings, decode):
    in_alpha = lambda g, synthetic: g._replace(log_lr=g.log_lr / jnp.exp(synthetic.log_lr) ** 2)
    adjust = in_alpha if settings.lr_lr_in == "alpha" else None
    optimiser, most_loss = matching_optimiser(settings), settings.most_loss
    return make_update(optimiser, adjust=adjust, decode=decode, most_loss=most_loss)


def make_gradient(
    apply: Apply, augment: Augment | None, settings: MTT, n: int, chunk: int | None = None
) -> Callable[[Synthetic, Any, Any, jax.Array], Slope]:
    """One trajectory: ``gradient(synthetic, start, target, key)``, by the set; n is N."""

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
    decode: Decoder = AS_LEARNED,
) -> Callable[[OuterState, tuple[Any, Any], jax.Array], tuple[OuterState, StepRecord]]:
    """The step as a pure function ``step(state, (start, target), key)``.

    ``start`` and ``target`` have a leading axis of P trajectories, which are run one after
    another, in the memory of one. ``mtt`` has several computed side by side in its place.

    Args:
      apply: the network.
      augment: ``augment(key, images)`` or None.
      settings: an ``MTT``.
      n: N, how many synthetic images there are.
      chunk: see ``match_loss``.
      decode: what is learned -> the set, once for all trajectories.
    """
    gradient = make_gradient(apply, augment, settings, n, chunk)
    update = _matching_update(settings, decode)

    def mean_slope(synthetic, start, target, keys):
        if len(keys) == 1:
            start, target = jax.tree.map(lambda x: x[0], (start, target))
            return gradient(synthetic, start, target, keys[0])
        slopes = lax.map(lambda at: gradient(synthetic, *at), (start, target, keys))
        return jax.tree.map(partial(jnp.mean, axis=0), slopes)

    def step(state, pairs, key):
        start, target = pairs
        keys = trajectory_keys(key, jax.tree.leaves(start)[0].shape[0])
        synthetic, pull_back = jax.vjp(decode, state.synthetic)
        slope = mean_slope(synthetic, start, target, keys)
        return update(state, by_what_is_learned(slope, pull_back))

    return step


def _compile(apply, augment, settings, chunk, decode, devices, team, state, pairs, root, log):
    """See ``Method.compile``: one trajectory in one process is one program."""
    synthetic, count = jax.eval_shape(decode, state.synthetic), settings.trajectories
    n = len(synthetic.images)
    if count == 1:
        step = make_outer_step(apply, augment, settings, n, chunk, decode=decode)
        return compile_program(step, state, pairs, root, log)
    gradient = make_gradient(apply, augment, settings, n, chunk)
    how = (gradient, _matching_update(settings, decode), decode, count, devices, team)
    return compile_side_by_side(*how, state, pairs, root, log)
