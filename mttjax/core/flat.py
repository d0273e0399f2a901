"""Descent towards flat minima (GSAM): what flat experts are trained by."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mttjax.core.types import Params

__all__ = ["Flat", "flat_direction"]

_LEAST = 1e-12  # beside a norm that is divided by


class Flat(NamedTuple):
    """How far a step looks around itself."""

    rho: float
    """ρ, the length of the perturbation, in units of the parameters' own sizes."""
    alpha: float
    """α, the weight of what the perturbed gradient lacks."""


def flat_direction(
    params: Params, gradient: Params, gradient_at: Callable[[Params], Params], how: Flat
) -> Params:
    """The direction of a step of adaptive GSAM, in place of the gradient.

    Du et al., "Minimizing the Accumulated Trajectory Error to Improve Dataset Distillation", CVPR
    2023, by Zhuang et al., "Surrogate Gap Minimization", ICLR 2022. With g the gradient at the
    parameters w, all norms over all of them together:

        ε = ρ w² g / ‖w g‖,  h = ∇L(w + ε),  v = g - (⟨g, h⟩ / ‖h‖²) h,  direction = h - α v.

    Args:
      params: w, a pytree of floating arrays.
      gradient: g, the same structure.
      gradient_at: ``gradient_at(params)``, of the same batch.
      how: ρ and α.
    """
    scale = how.rho / (optax.tree.norm(jax.tree.map(jnp.multiply, params, gradient)) + _LEAST)
    around = jax.tree.map(lambda w, g: w + scale * jnp.square(w) * g, params, gradient)
    perturbed = gradient_at(around)
    length, other = optax.tree.norm(gradient), optax.tree.norm(perturbed)
    cosine = optax.tree.vdot(gradient, perturbed) / (length * other + _LEAST)
    share = cosine * length / (other + _LEAST)
    return jax.tree.map(lambda g, h: h - how.alpha * (g - share * h), gradient, perturbed)
