"""Networks as pure functions of their parameters: ``apply(params, images) -> logits``.

The ConvNet of the dataset-distillation papers (Gidaris & Komodakis, CVPR 2018, as
used by MTT, CVPR 2022), with the initialisation of PyTorch's layers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mttjax.convolution import convolve
from mttjax.errors import InputError

__all__ = ["ConvNet", "Network", "NetworkSpec", "in_bfloat16", "make_network", "parameter_count"]

EPSILON = 1e-5  # of the instance norm, as in PyTorch


def _uniform(fan_in):
    """PyTorch's default for the weight and the bias of a layer: uniform in ±1/√fan_in."""
    bound = fan_in**-0.5

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class Convolution(nn.Module):
    """A square convolution with bias; [B, H, W, C] -> [B, H', W', features].

    A bias that an instance norm takes away again is a parameter, as in the published
    network, but is not added: its gradient is zero.
    """

    features: int
    size: int = 3
    stride: int = 1
    padding: int = 1
    normalised: bool = False
    """Whether an instance norm follows."""

    @nn.compact
    def __call__(self, x):
        init = _uniform(self.size**2 * x.shape[-1])
        kernel = self.param("kernel", init, (self.size, self.size, x.shape[-1], self.features))
        bias = self.param("bias", init, (self.features,))
        x = convolve(x, kernel.astype(x.dtype), stride=self.stride, padding=self.padding)
        return x if self.normalised else x + bias.astype(x.dtype)[None, None, None]


def _spatial_mean(x):
    accurate = jnp.promote_types(x.dtype, jnp.float32)
    return jnp.mean(x, axis=(1, 2), keepdims=True, dtype=accurate).astype(x.dtype)


@jax.custom_jvp
def normalise(x):
    """Each image and channel of [B, H, W, C] to mean 0 and variance 1.

    The variance is biased and taken in two passes, as PyTorch does: the one-pass
    variance loses digits.

    Returns:
      x̂ [B, H, W, C] and the factor f = (variance + epsilon)^-1/2, [B, 1, 1, C].
    """
    x = x - _spatial_mean(x)
    factor = jax.lax.rsqrt(_spatial_mean(x * x) + EPSILON)
    return x * factor, factor


@normalise.defjvp
def _normalise_jvp(primals, tangents):
    normal, factor = normalise(*primals)
    (dx,) = tangents
    along = factor * _spatial_mean(normal * dx)
    dnormal = factor * dx - factor * _spatial_mean(dx) - normal * along
    return (normal, factor), (dnormal, -factor * along)


@jax.custom_jvp
def instance_norm(x, scale, bias):
    """Each image and channel normalised, then an affine map: scale and bias [1, 1, 1, C].

    The derivative is written out so that every order of it goes over the images as
    seldom as it can: the two sums that the cotangents of x need are also those of
    scale and bias.
    """
    return normalise(x)[0] * scale + bias


@instance_norm.defjvp
def _instance_norm_jvp(primals, tangents):
    x, scale, bias = primals
    dx, dscale, dbias = tangents
    normal, factor = normalise(x)
    factor = factor * scale
    # Small arrays are put together before they are spread over the pixels.
    dscale = dscale - factor * _spatial_mean(normal * dx)
    dbias = dbias - factor * _spatial_mean(dx)
    return normal * scale + bias, factor * dx + normal * dscale + dbias


class InstanceNorm(nn.Module):
    """A group norm with one group per channel, with PyTorch's epsilon."""

    @nn.compact
    def __call__(self, x):
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],)).astype(x.dtype)
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],)).astype(x.dtype)
        return instance_norm(x, scale[None, None, None], bias[None, None, None])


def average_pool(x, size=2):
    """Means over ``size`` × ``size`` windows without overlap; a remainder is dropped."""
    batch, height, width, channels = x.shape
    height, width = height // size, width // size
    x = x[:, : height * size, : width * size]
    x = x.reshape(batch, height, size, width, size, channels)
    return jnp.mean(x, axis=(2, 4))


class Dense(nn.Module):
    """[B, D] -> [B, features]."""

    features: int

    @nn.compact
    def __call__(self, x):
        init = _uniform(x.shape[-1])
        kernel = self.param("kernel", init, (x.shape[-1], self.features))
        bias = self.param("bias", init, (self.features,))
        return x @ kernel.astype(x.dtype) + bias.astype(x.dtype)[None]


class ConvNet(nn.Module):
    """[convolution 3×3 → instance norm → ReLU → 2×2 average pool] × depth, then linear.

    A one-channel 28×28 image gets padding 3 in the first convolution, so that every
    pool halves evenly (28 → 32).
    """

    classes: int
    depth: int = 3
    width: int = 128

    @nn.compact
    def __call__(self, x):
        for i in range(self.depth):
            padding = 3 if i == 0 and x.shape[1:] == (28, 28, 1) else 1
            x = Convolution(self.width, padding=padding, normalised=True, name=f"conv{i}")(x)
            x = InstanceNorm(name=f"norm{i}")(x)
            x = average_pool(nn.relu(x))
        return Dense(self.classes, name="linear")(x.reshape(x.shape[0], -1))


@dataclass(frozen=True)
class NetworkSpec:
    """What a distilled set and a store say of their network."""

    name: str = "convnet"
    """The architecture; only ``convnet`` so far."""
    depth: int = 3
    """Blocks of convolution, norm, ReLU and pool, each halving the image."""
    width: int = 128
    """Channels of every convolution."""


class Network(NamedTuple):
    """A network as two pure functions.

    ``init(key) -> params``; ``apply(params, images [B, H, W, C]) -> logits [B, K]``.
    """

    init: Callable
    apply: Callable


def make_network(spec: NetworkSpec, image_shape, classes) -> Network:
    """The network that ``spec`` describes, for images [H, W, C] and K classes.

    Raises:
      InputError: an unknown name, no classes to tell apart, or an image that ``depth``
        halvings leave empty.
    """
    if spec.name != "convnet":
        raise InputError(f"network.name is {spec.name!r}; known is 'convnet'")
    if spec.depth < 1 or spec.width < 1 or classes < 2:
        raise InputError(
            f"a network needs depth and width of at least 1 and 2 classes, "
            f"got depth {spec.depth}, width {spec.width}, {classes} classes"
        )
    side = min(image_shape[:2])
    if side >> spec.depth < 1:
        raise InputError(
            f"network.depth {spec.depth} halves a {side}-pixel image away; "
            f"at most {side.bit_length() - 1} fits"
        )
    module = ConvNet(classes, spec.depth, spec.width)
    empty = jnp.zeros((1, *image_shape), jnp.float32)

    def init(key):
        return module.init(key, empty)["params"]

    return Network(init, partial(_apply, module))


def _apply(module, params, images):
    return module.apply({"params": params}, images)


def in_bfloat16(apply):
    """``apply`` computed in bfloat16 from parameters, and to logits, of float32.

    Norms take their means in float32, and an accelerator accumulates the products of
    bfloat16 numbers in float32; so do the gradients of the parameters over chunks.
    """

    def run(params, images):
        short = lambda x: x.astype(jnp.bfloat16)  # noqa: E731
        return apply(jax.tree.map(short, params), short(images)).astype(images.dtype)

    return run


def parameter_count(params) -> int:
    """How many numbers a pytree of arrays holds."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
