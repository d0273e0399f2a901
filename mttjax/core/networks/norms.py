"""The norms of the networks, with derivatives that go over the images as seldom as they can."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

__all__ = ["CANCEL_BIAS", "NORMS", "Norm", "affine_norm", "normalise"]

EPSILON = 1e-5  # as in PyTorch
GROUPS = 4  # of the group norm, as in DC's and MTT's published code

# The axes of [B, H, W, C] whose numbers share a mean; a group norm has the channels as [G, C/G].
NORMS = {"instance": (1, 2), "batch": (0, 1, 2), "layer": (1, 2, 3), "group": (1, 2, 4)}
CANCEL_BIAS = ("instance", "batch")
"""The norms that take away a bias which the convolution before them adds to a channel."""


def _mean(x, axes):
    accurate = jnp.promote_types(x.dtype, jnp.float32)
    return jnp.mean(x, axis=axes, keepdims=True, dtype=accurate).astype(x.dtype)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def normalise(x: jax.Array, axes: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """What shares a mean over ``axes`` brought to mean 0 and variance 1.

    The variance is biased and taken in two passes, as PyTorch does: the one-pass
    variance loses digits.

    Returns:
      x̂ of the shape of x, and the factor f = (variance + epsilon)^-1/2 with ``axes`` of size 1.
    """
    x = x - _mean(x, axes)
    factor = jax.lax.rsqrt(_mean(x * x, axes) + EPSILON)
    return x * factor, factor


@normalise.defjvp
def _normalise_jvp(axes, primals, tangents):
    normal, factor = normalise(*primals, axes)
    (dx,) = tangents
    along = factor * _mean(normal * dx, axes)
    dnormal = factor * dx - factor * _mean(dx, axes) - normal * along
    return (normal, factor), (dnormal, -factor * along)


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def affine_norm(
    x: jax.Array, scale: jax.Array, bias: jax.Array, axes: tuple[int, ...]
) -> jax.Array:
    """``normalise``, then an affine map: scale and bias of x's rank, of its size or of size 1.

    The derivative is written out so that every order of it goes over the images as
    seldom as it can: the two sums that the cotangents of x need are also those of
    scale and bias.
    """
    return normalise(x, axes)[0] * scale + bias


@affine_norm.defjvp
def _affine_norm_jvp(axes, primals, tangents):
    x, scale, bias = primals
    dx, dscale, dbias = tangents
    normal, factor = normalise(x, axes)
    factor = factor * scale
    # Small arrays are put together before they are spread over the pixels.
    dscale = dscale - factor * _mean(normal * dx, axes)
    dbias = dbias - factor * _mean(dx, axes)
    return normal * scale + bias, factor * dx + normal * dscale + dbias


class Norm(nn.Module):
    """One of the norms of the papers, [B, H, W, C] -> the same, as their published code has it.

    ``instance``: a group norm with one group per channel. ``group``: four groups.
    ``layer``: over height, width and channels, with a scale and a bias for each of these
    numbers. All three treat each image by itself.

    ``batch``: over the images it is given and their pixels, in training and in testing
    alike. There are no running statistics, so that the network stays a function of its
    parameters: what an image gives depends on the images beside it, and a batch in pieces
    is not the batch. The published networks have running statistics, and test with them.
    """

    kind: str = "instance"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = x.shape[1:] if self.kind == "layer" else x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, shape).astype(x.dtype)
        bias = self.param("bias", nn.initializers.zeros, shape).astype(x.dtype)
        scale, bias = (a.reshape((1,) * (x.ndim - a.ndim) + a.shape) for a in (scale, bias))
        if self.kind != "group":
            return affine_norm(x, scale, bias, NORMS[self.kind])
        grouped = (a.reshape(*a.shape[:-1], GROUPS, -1) for a in (x, scale, bias))
        return affine_norm(*grouped, NORMS["group"]).reshape(x.shape)
