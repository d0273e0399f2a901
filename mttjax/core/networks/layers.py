"""The layers of the networks, with the initialisation of PyTorch's, and what networks return."""

import math
from functools import partial, reduce
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mttjax.core.convolution import convolve

__all__ = ["ACTIVATIONS", "POOLS", "Convolution", "Dense", "Layers", "average_pool", "max_pool"]


class Layers(NamedTuple):
    """What a network computes on the way to its logits."""

    blocks: tuple[jax.Array, ...]
    """[B, H', W', C'] after the activation of each block, before its pool."""
    embedding: jax.Array
    """[B, D]: the flattened features that the last linear layer reads."""


def _uniform(fan_in):
    """PyTorch's default for the weight and the bias of a layer: uniform in ±1/√fan_in."""
    bound = fan_in**-0.5

    def init(key, shape, dtype=jnp.float32):
        # Drawn flat: the same bits, compiled in a fifth of the time where the last axis is short.
        flat = jax.random.uniform(key, (math.prod(shape),), dtype, -bound, bound)
        return flat.reshape(shape)

    return init


class Convolution(nn.Module):
    """A square convolution; [B, H, W, C] -> [B, H', W', features].

    A bias that a norm takes away again is a parameter, as in the published networks, but
    is not added: its gradient is zero.
    """

    features: int
    size: int = 3
    stride: int = 1
    padding: int = 1
    biased: bool = True
    """Whether there is a bias."""
    normalised: bool = False
    """Whether a norm follows that takes the bias away."""
    tile: int | None = None
    """See ``convolve``."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = _uniform(self.size**2 * x.shape[-1])
        kernel = self.param("kernel", init, (self.size, self.size, x.shape[-1], self.features))
        bias = self.param("bias", init, (self.features,)) if self.biased else None
        form = partial(convolve, stride=self.stride, padding=self.padding, tile=self.tile)
        x = form(x, kernel.astype(x.dtype))
        if bias is None or self.normalised:
            return x
        return x + bias.astype(x.dtype)[None, None, None]


class Dense(nn.Module):
    """[B, D] -> [B, features]."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = _uniform(x.shape[-1])
        kernel = self.param("kernel", init, (x.shape[-1], self.features))
        bias = self.param("bias", init, (self.features,))
        return x @ kernel.astype(x.dtype) + bias.astype(x.dtype)[None]


def _windows(x, size):
    """[B, H', size, W', size, C]: windows without overlap; a remainder is dropped."""
    batch, height, width, channels = x.shape
    height, width = height // size, width // size
    x = x[:, : height * size, : width * size]
    return x.reshape(batch, height, size, width, size, channels)


def average_pool(x: jax.Array, size: int = 2) -> jax.Array:
    """Means over ``size`` × ``size`` windows without overlap; a remainder is dropped."""
    return jnp.mean(_windows(x, size), axis=(2, 4))


def max_pool(x: jax.Array, size: int = 2) -> jax.Array:
    """Maxima over ``size`` × ``size`` windows without overlap; a remainder is dropped.

    Of equal pixels the first one counts, as in PyTorch.
    """
    # Not jnp.max: its derivative looks for the pixels that equal the maximum, and finds none
    # (0 / 0) where XLA computes them once more and rounds otherwise.
    windows = _windows(x, size)
    columns = reduce(_greater, [windows[:, :, :, :, j] for j in range(size)])
    return reduce(_greater, [columns[:, :, i] for i in range(size)])


def _greater(a, b):
    return jnp.where(a < b, b, a)


ACTIVATIONS = {"relu": nn.relu, "sigmoid": nn.sigmoid, "leaky_relu": nn.leaky_relu}
"""The leaky ReLU's slope is .01."""
POOLS = {"average": average_pool, "max": max_pool, "none": lambda x: x}
