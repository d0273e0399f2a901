"""Matching training trajectories: the distance of a student's end to an expert's."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mttjax.core.checks import check_alike
from mttjax.core.synthetic import Synthetic
from mttjax.core.types import Apply, Augment, Params
from mttjax.core.unrolling import unroll

__all__ = ["MatchAux", "match_loss"]


class MatchAux(NamedTuple):
    """What ``match_loss`` saw on the way; none of it carries a gradient."""

    losses: jax.Array
    """[S] the student's cross entropy before each step."""
    params: Params
    """θ_S, the student's last parameters."""
    distance: jax.Array
    """[] Σ‖θ_S - θ*‖²."""
    start_distance: jax.Array
    """[] Σ‖θ_0 - θ*‖², the scale that the loss divides by."""


def match_loss(
    synthetic: Synthetic,
    start: Params,
    target: Params,
    *,
    apply: Apply,
    batches: jax.Array,
    augment: Augment | None = None,
    key: jax.Array | None = None,
    chunk: int | None = None,
    derivative: str = "mixed",
    distinct: bool = False,
) -> tuple[jax.Array, MatchAux]:
    """``Σ‖θ_S - θ*‖² / Σ‖θ_0 - θ*‖²``, with θ_S reached by S steps on the synthetic images.

    Cazenavette et al., "Dataset Distillation by Matching Training Trajectories", CVPR
    2022, equation 2, over all leaves of the parameters. With α = exp(log_lr),

        θ_{i+1} = θ_i - α ∇_θ mean_b CE(apply(θ_i, augment(key_i, images[b])), labels[b]).

    Pure and exact: the gradient goes through every step, and its activation memory does
    not grow with S (see ``mttjax.core.unrolling``). It is taken in reverse: forward mode
    (``jax.jvp``) needs ``derivative="plain"`` or ``"checkpoint"``.

    Args:
      synthetic: ``Synthetic(images [N, H, W, C], labels [N, K], log_lr [] or [S])``, floating;
        images may be integers where ``augment`` makes floating ones of them.
      start: θ_0, a pytree of floating arrays, such as an expert's epoch s.
      target: θ*, the same structure, the expert's epoch s + M.
      apply: ``apply(params, images [B, H, W, C]) -> logits [B, K]``. It and ``augment``
        must not close over values that are being differentiated.
      batches: [S, B] integers in 0..N-1; see ``sample_batches``. Under ``jit`` others cannot be
        refused: there JAX takes the nearest image, and counts negative ones from the end.
      augment: ``augment(key, images) -> images``, such as ``mttjax.dsa`` with its
        operations, or None.
      key: a JAX random key for ``augment``.
      chunk: images per piece of a minibatch, a divisor of B, or None.
      derivative: ``mixed`` (default), ``checkpoint`` or ``plain``; the same derivative.
      distinct: no minibatch holds an image twice; see ``unroll``.

    Returns:
      (loss [], ``MatchAux``). If start equals target the loss is not finite.

    Raises:
      ValueError: trees that differ or are not floating, and what ``unroll`` raises.
      TypeError: forward mode of ``mixed``.
    """
    check_alike(start, target, "start and target", floating=True)
    params, losses = unroll(
        synthetic,
        start,
        apply=apply,
        batches=batches,
        augment=augment,
        key=key,
        chunk=chunk,
        derivative=derivative,
        distinct=distinct,
    )
    distance = _squared_distance(params, target)
    start_distance = _squared_distance(start, target)
    aux = MatchAux(losses, params, distance, start_distance)
    return distance / start_distance, lax.stop_gradient(aux)


def _squared_distance(a, b):
    return sum(jax.tree.leaves(jax.tree.map(lambda x, y: jnp.sum(jnp.square(x - y)), a, b)))
