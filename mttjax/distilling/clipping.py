"""Gradients with heavy tails, made to keep their usual length."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

__all__ = ["clip_by_usual"]

DECAY = 0.9


class _Usual(NamedTuple):
    """What is kept from step to step."""

    length: jax.Array
    """[] the running geometric mean of the gradients' lengths as they were let through; 0 before
    the first."""


def clip_by_usual(factor: float) -> optax.GradientTransformation:
    """Shortens a gradient that is longer than ``factor`` times what is usual to that.

    The gradient through a long student has heavy tails: rare ones are a hundred times as long as
    those before them, at an ordinary loss, and one such step can undo hundreds. What is usual is
    the running geometric mean, decay .9, of the Euclidean lengths after clipping, so that none
    raises it by more than factor^.1. A gradient that is not longer passes bit by bit.

    Args:
      factor: at least 1.

    Returns:
      An optax transformation for any pytree, whose length is that of all its leaves together.
    """

    def init(params):
        del params
        return _Usual(jnp.zeros(()))

    def update(updates, state, params=None):
        del params
        length = optax.tree.norm(updates)
        usual = jnp.where(state.length > 0, state.length, length)
        bound = factor * usual
        scale = jnp.where(length > bound, bound / length, 1.0)
        updates = jax.tree.map(lambda x: x * scale.astype(x.dtype), updates)
        passed = jnp.minimum(length, bound)
        return updates, _Usual(usual**DECAY * passed ** (1 - DECAY))

    return optax.GradientTransformation(init, update)
