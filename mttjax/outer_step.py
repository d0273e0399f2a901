"""One outer step of a distillation: gradient, guard, and the update by optax."""

import dataclasses
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from mttjax.objectives.trajectory import match_loss
from mttjax.parallel import in_one_program
from mttjax.synthetic import Synthetic
from mttjax.unrolling import DERIVATIVES, sample_batches

__all__ = [
    "Matching",
    "OuterState",
    "StepRecord",
    "Trajectory",
    "initial_state",
    "make_gradient",
    "make_outer_step",
    "make_update",
    "trajectory_keys",
]


@dataclasses.dataclass(frozen=True)
class Matching:
    """What is matched, and how the images and the rate move."""

    student_steps: int = 30
    """S, gradient steps of the student on the synthetic images."""
    expert_epochs: int = 2
    """M, epochs of the expert from start to target."""
    max_start: int = 20
    """T⁺, the start epoch is drawn from 0 to T⁺ - 1."""
    batch: int | None = None
    """B, synthetic images per student step; a divisor of N. None: all of them."""
    lr_img: float = 100.0
    """The rate of the images."""
    lr_lr: float = 0.1
    """The rate of log α."""
    lr_lr_in: Literal["log", "alpha"] = "log"
    """`alpha`: lr_lr is a published rate of α itself; log α then moves by lr_lr / α² times
    its gradient, which moves α as published to first order."""
    lr: float = 0.01
    """α₀, the student's learning rate to begin with."""
    momentum: float = 0.5
    """Of the SGD that moves images and log α."""
    trajectories: int = 1
    """K, pairs of expert snapshots per outer step; the mean of their losses is descended."""
    derivative: Literal[DERIVATIVES] = "mixed"
    """How the exact gradient is computed: `mixed` and `checkpoint` keep only
    the parameters of every step, `plain` every activation; their speeds hardly differ."""


class OuterState(NamedTuple):
    """Everything that an outer step changes."""

    synthetic: Synthetic
    optimiser: tuple
    skipped: jax.Array
    """[] int32, steps skipped so far because something was not finite."""
    skipped_in_row: jax.Array
    """[] int32, the same since the last good step."""


class StepRecord(NamedTuple):
    """What one outer step saw; all [] float32."""

    loss: jax.Array
    lr: jax.Array
    student_loss: jax.Array
    """The student's last cross entropy on its minibatch."""


class Trajectory(NamedTuple):
    """What one pair of snapshots, or the mean over several, gives."""

    loss: jax.Array
    student_loss: jax.Array
    """The student's last cross entropy on its minibatch."""
    gradient: Synthetic
    """Of the loss, by images, labels and log α."""


def outer_optimiser(matching):
    """SGD with momentum on images and log α, each at its own rate; labels stay."""
    rates = {"images": matching.lr_img, "log_lr": matching.lr_lr}
    moved = {n: optax.sgd(rate, momentum=matching.momentum or None) for n, rate in rates.items()}
    moved["fixed"] = optax.set_to_zero()
    return optax.partition(moved, Synthetic("images", "fixed", "log_lr"))


def make_outer_step(apply, augment, matching, n, chunk=None, vectorise=None):
    """The step as a pure function ``step(state, start, target, key) -> (state, StepRecord)``.

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
    update = make_update(matching)
    vectorise = in_one_program() if vectorise is None else vectorise

    def step(state, start, target, key):
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


def make_gradient(apply, augment, matching, n, chunk=None):
    """One trajectory: ``gradient(synthetic, start, target, key) -> Trajectory``."""

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
        return Trajectory(loss, aux.losses[-1], grads)

    return gradient


def make_update(matching):
    """The move of images and rate: ``update(state, Trajectory) -> (state, StepRecord)``.

    A loss, gradient or update that is not finite never enters the state: the step is
    skipped and counted.
    """
    optimiser = outer_optimiser(matching)

    def update(state, trajectory):
        grads = trajectory.gradient
        lr = jnp.exp(state.synthetic.log_lr)
        if matching.lr_lr_in == "alpha":
            grads = grads._replace(log_lr=grads.log_lr / lr**2)
        updates, optimiser_state = optimiser.update(grads, state.optimiser, state.synthetic)
        moved = (optax.apply_updates(state.synthetic, updates), optimiser_state)
        good = _all_finite((trajectory.loss, jnp.exp(moved[0].log_lr), moved))
        synthetic, optimiser_state = jax.tree.map(
            lambda new, old: jnp.where(good, new, old), moved, (state.synthetic, state.optimiser)
        )
        state = OuterState(
            synthetic,
            optimiser_state,
            state.skipped + ~good,
            jnp.where(good, 0, state.skipped_in_row + 1),
        )
        return state, StepRecord(trajectory.loss, lr, trajectory.student_loss)

    return update


def initial_state(synthetic, matching):
    """The state before the first step."""
    # Two buffers: the step is given its state to overwrite, and one cannot be given twice.
    counts = (jnp.zeros((), jnp.int32) for _ in range(2))
    return OuterState(synthetic, outer_optimiser(matching).init(synthetic), *counts)


def _all_finite(tree):
    """Whether no number is NaN or infinite, nor so large that a variance of them would be."""
    energies = [jnp.sum(jnp.square(x)) for x in jax.tree.leaves(tree)]
    return jnp.all(jnp.isfinite(jnp.stack(energies)))
