"""One outer step of a distillation, whatever its method: the guard, and the update by optax."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mttjax.config.methods import RATES
from mttjax.core.decoding import AS_LEARNED, Decoder
from mttjax.core.synthetic import Synthetic

__all__ = ["OuterState", "Slope", "StepRecord", "field_optimiser", "initial_state", "make_update"]

MOST_RMS = 30.0
"""The root mean square of images in normalised space, where that of real ones is 1; distilled
ones were seen up to 3."""


class OuterState(NamedTuple):
    """Everything that an outer step changes."""

    synthetic: Synthetic
    optimiser: optax.OptState
    skipped: jax.Array
    """[] int32, steps skipped so far because something was not finite."""
    skipped_in_row: jax.Array
    """[] int32, the same since the last good step."""
    rejected: jax.Array
    """[] int32, good steps so far that moved nothing, as their loss was above ``most_loss``."""
    carry: Any = ()
    """What a method keeps from step to step beside the images, such as a network."""


class StepRecord(NamedTuple):
    """What one outer step saw; all [] float32, the counts [] int32."""

    loss: jax.Array
    lr: jax.Array
    """The student's learning rate α; the mean where every student step has its own."""
    student_loss: jax.Array
    """The student's last cross entropy on its minibatch; NaN where there is no student."""
    gradient: jax.Array
    """The Euclidean norm of the loss's gradient by the images as they are learned, unclipped."""
    skipped: jax.Array
    """As in the state after the step."""
    skipped_in_row: jax.Array
    rejected: jax.Array

    def packed(self) -> jax.Array:
        """[7] float32, for the host to fetch in one go."""
        return jnp.stack([jnp.asarray(x, jnp.float32) for x in self])


class Slope(NamedTuple):
    """What a method's objective gives at the images as they are."""

    loss: jax.Array
    student_loss: jax.Array
    """See ``StepRecord``."""
    gradient: Synthetic
    """Of the loss, by images, labels and log α."""


def field_optimiser(**moved: optax.GradientTransformation) -> optax.GradientTransformation:
    """optax transformations by field of ``Synthetic``; a field that has none stays as it is."""
    names: Any = {name: name if name in moved else "fixed" for name in Synthetic._fields}
    names = Synthetic(**names)
    return optax.partition(moved | {"fixed": optax.set_to_zero()}, names)


def make_update(
    optimiser: optax.GradientTransformation,
    *,
    adjust: Callable[[Synthetic, Synthetic], Synthetic] | None = None,
    project: Callable[[Synthetic], Synthetic] | None = None,
    decode: Decoder = AS_LEARNED,
    most_loss: float | None = None,
) -> Callable[[OuterState, Slope], tuple[OuterState, StepRecord]]:
    """The move of what is learned, ``update(state, slope)``.

    A move that diverges never enters the state: the step is skipped and counted. It does
    when a loss, gradient or update is not finite, or when the images or the rate would leave
    what training can use (``MOST_RMS``, ``RATES``): with rates far too large a loss often stays
    finite, because a norm hides the size of the images and a student without a rate stands still.

    Args:
      optimiser: an optax transformation for a ``Synthetic``; see ``field_optimiser``.
      adjust: ``adjust(gradient, synthetic) -> gradient`` before the optimiser, or None.
      project: ``project(synthetic) -> synthetic`` after the move, or None.
      decode: what is learned -> the set that is used.
      most_loss: with a higher loss nothing moves, the optimiser neither; that is no divergence.
    """

    def update(state, slope):
        lr = jnp.mean(jnp.exp(state.synthetic.log_lr))
        length = optax.tree.norm(slope.gradient.images)
        grads = adjust(slope.gradient, state.synthetic) if adjust else slope.gradient
        updates, optimiser_state = optimiser.update(grads, state.optimiser, state.synthetic)
        synthetic = optax.apply_updates(state.synthetic, updates)
        moved = (project(synthetic) if project else synthetic, optimiser_state)
        good = _all_finite((slope.loss, moved)) & _usable(decode(moved[0]))
        accepted = good if most_loss is None else good & (slope.loss <= most_loss)
        synthetic, optimiser_state = jax.tree.map(
            partial(jnp.where, accepted), moved, (state.synthetic, state.optimiser)
        )
        skipped, in_row = state.skipped + ~good, jnp.where(good, 0, state.skipped_in_row + 1)
        counts = (skipped, in_row, state.rejected + (good & ~accepted))
        state = OuterState(synthetic, optimiser_state, *counts, state.carry)
        return state, StepRecord(slope.loss, lr, slope.student_loss, length, *counts)

    return update


def initial_state(
    synthetic: Synthetic, optimiser: optax.GradientTransformation, carry: Any = ()
) -> OuterState:
    """The state before the first step."""
    # A buffer each: the step is given its state to overwrite, and one cannot be given twice.
    skipped, in_row, rejected = jax.device_put([np.zeros((), np.int32) for _ in range(3)])
    return OuterState(synthetic, optimiser.init(synthetic), skipped, in_row, rejected, carry)


def _usable(synthetic):
    rms = jnp.sqrt(jnp.mean(jnp.square(synthetic.images)))
    rates = jnp.exp(synthetic.log_lr)
    return (rms <= MOST_RMS) & jnp.all((rates >= RATES.low) & (rates <= RATES.high))


def _all_finite(tree):
    """Whether no number is NaN or infinite, nor so large that a variance of them would be."""
    leaves = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.all(jnp.isfinite(jnp.stack([jnp.sum(jnp.square(x)) for x in leaves])))
