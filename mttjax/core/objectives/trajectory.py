"""Matching training trajectories: the distance of a student's end to an expert's."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mttjax.core.objectives.checks import check_logits, check_params, check_student
from mttjax.core.unrolling import unroll

__all__ = ["MatchAux", "match_loss"]


class MatchAux(NamedTuple):
    """What ``match_loss`` saw on the way; none of it carries a gradient."""

    losses: jax.Array
    """[S] the student's cross entropy before each step."""
    params: Any
    """θ_S, the student's last parameters."""
    distance: jax.Array
    """[] Σ‖θ_S - θ*‖²."""
    start_distance: jax.Array
    """[] Σ‖θ_0 - θ*‖², the scale that the loss divides by."""


def match_loss(
    synthetic,
    start,
    target,
    *,
    apply,
    batches,
    augment=None,
    key=None,
    chunk=None,
    derivative="mixed",
):
    """Σ‖θ_S - θ*‖² / Σ‖θ_0 - θ*‖², with θ_S reached by S steps on the synthetic images.

    Cazenavette et al., "Dataset Distillation by Matching Training Trajectories", CVPR
    2022, equation 2, over all leaves of the parameters. With α = exp(log_lr),

        θ_{i+1} = θ_i - α ∇_θ mean_b CE(apply(θ_i, augment(key_i, images[b])), labels[b]).

    Pure and exact: the gradient goes through every step, and its activation memory does
    not grow with S (see ``mttjax.unrolling``).

    Args:
      synthetic: ``Synthetic(images [N, H, W, C], labels [N, K], log_lr [])``, floating;
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

    Returns:
      (loss [], ``MatchAux``). If start equals target the loss is not finite.

    Raises:
      ValueError: trees that differ or are not floating, wrong ranks or dtypes, empty arrays,
        batches out of range, settings out of range, or ``apply`` fails or gives other logits.
    """
    check_student(synthetic, batches, augment=augment, key=key, chunk=chunk, derivative=derivative)
    _check_trees(start, target)
    check_logits(apply, start, synthetic, batches.shape[1], augment=augment, key=key, chunk=chunk)
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
    distance = _squared_distance(params, target)
    start_distance = _squared_distance(start, target)
    aux = MatchAux(losses, params, distance, start_distance)
    return distance / start_distance, jax.lax.stop_gradient(aux)


def _squared_distance(a, b):
    return sum(jax.tree.leaves(jax.tree.map(lambda x, y: jnp.sum(jnp.square(x - y)), a, b)))


def _check_trees(start, target):
    check_params(start, "start")
    check_params(target, "target")
    trees = [jax.tree.structure(t) for t in (start, target)]
    if trees[0] != trees[1]:
        raise ValueError(f"start and target must have one structure, got {trees[0]} and {trees[1]}")
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(start), jax.tree.leaves(target), strict=True
    ):
        if jnp.shape(a) != jnp.shape(b):
            raise ValueError(
                f"start and target differ at {jax.tree_util.keystr(path)}: "
                f"{jnp.shape(a)} and {jnp.shape(b)}; are they of one network?"
            )
