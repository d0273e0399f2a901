"""How good the student's end is on real images: what DD and LD descend."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mttjax.core.checks import check_chunk, check_images
from mttjax.core.synthetic import Synthetic
from mttjax.core.types import Apply, Augment, Params
from mttjax.core.unrolling import soft_cross_entropy, unroll

__all__ = ["TerminalAux", "class_by_class", "terminal_loss"]


class TerminalAux(NamedTuple):
    """What ``terminal_loss`` saw on the way; none of it carries a gradient."""

    losses: jax.Array
    """[S] the student's cross entropy before each step."""
    params: Params
    """θ_S, the student's last parameters."""
    wrong: jax.Array
    """[] int32, real images that θ_S takes for another class than their most probable."""


def class_by_class(ipc: int, classes: int, passes: int) -> jax.Array:
    """[S, K] int32: minibatch i is image i of every class, gone through ``passes`` times.

    The fixed order of DD, of images that lie class by class; S = passes·ipc.
    """
    once = jnp.arange(ipc, dtype=jnp.int32)[:, None]
    once = once + ipc * jnp.arange(classes, dtype=jnp.int32)[None]
    return jnp.tile(once, (passes, 1))


def terminal_loss(
    synthetic: Synthetic,
    start: Params,
    images: jax.Array,
    labels: jax.Array,
    *,
    apply: Apply,
    batches: jax.Array,
    augment: Augment | None = None,
    key: jax.Array | None = None,
    chunk: int | None = None,
    real_chunk: int | None = None,
    derivative: str = "mixed",
) -> tuple[jax.Array, TerminalAux]:
    """The cross entropy of real images at θ_S, reached by S steps on the synthetic images.

    Wang et al., "Dataset Distillation", 2018 (DD), with a rate for every step; with S = 1
    and the gradient taken in the labels, Bohdal et al., "Flexible Dataset Distillation:
    Learn Labels Instead of Images", 2020 (LD). The student is that of ``match_loss``, and
    so are its exact gradient and its memory.

    Args:
      synthetic: ``Synthetic`` with log_lr [], or [S] for a rate of its own for every step.
      start: θ_0, a pytree of floating arrays.
      images: [R, H, W, C] real images, normalised.
      labels: [R, K] probabilities.
      apply: ``apply(params, images [B, H, W, C]) -> logits [B, K]``.
      batches: [S, B] integers in 0..N-1.
      augment: ``augment(key, images)`` for the synthetic images, or None.
      key: a JAX random key for ``augment``.
      chunk: see ``match_loss``.
      real_chunk: real images at once, a divisor of R; each piece is computed again going
        backward, so that memory grows with it and not with R. None: all.
      derivative: see ``unroll``.

    Returns:
      (loss [], ``TerminalAux``).

    Raises:
      ValueError: real images that do not fit, and what ``unroll`` raises.
    """
    check_images("real", images, labels)
    check_chunk(real_chunk, len(images), "real images")
    params, losses = unroll(
        synthetic,
        start,
        apply=apply,
        batches=batches,
        augment=augment,
        key=key,
        chunk=chunk,
        derivative=derivative,
    )
    loss, wrong = _over_pieces(apply, params, images, labels, real_chunk or len(images))
    return loss, lax.stop_gradient(TerminalAux(losses, params, wrong))


def _over_pieces(apply, params, images, labels, piece):
    """The mean cross entropy, and how many are wrong."""

    def one(at):
        logits, labels = apply(params, at[0]), at[1]
        differ = jnp.argmax(logits, axis=-1) != jnp.argmax(labels, axis=-1)
        return soft_cross_entropy(logits, labels), jnp.sum(differ)

    if piece == len(images):
        return one((images, labels))
    split = lambda x: x.reshape(-1, piece, *x.shape[1:])
    losses, wrong = lax.map(jax.checkpoint(one), (split(images), split(labels)))
    return jnp.mean(losses), jnp.sum(wrong)
