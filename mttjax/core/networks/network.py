"""From a description of a network to its pure functions."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mttjax.core.networks.checks import check_memory, check_shape, check_size, check_spec
from mttjax.core.networks.plain import alexnet, convnet, vgg11
from mttjax.core.networks.resnet import resnet18, resnet18_ap
from mttjax.core.networks.spec import NetworkSpec

__all__ = ["Network", "in_bfloat16", "make_network", "parameter_count"]


class Network(NamedTuple):
    """A network as pure functions.

    ``init(key) -> params``; ``apply(params, images [B, H, W, C]) -> logits [B, K]``;
    ``layers(params, images) -> Layers``, whose embedding the last linear layer maps to the logits.
    """

    init: Callable
    apply: Callable
    layers: Callable
    per_image: bool = True
    """Whether an image's logits do not depend on the images beside it. Where they do (batch
    norm), a batch must not be computed in chunks."""


class _Architecture(NamedTuple):
    module: Callable
    """``module(classes, **settings)`` -> a flax module."""
    settings: tuple
    """The fields of ``NetworkSpec`` that it takes."""
    least: int
    """Pixels a side, for a norm to see more than one of them and a pool to leave one."""


_ARCHITECTURES = {
    "convnet": _Architecture(convnet, ("depth", "width", "norm", "activation", "pooling"), 1),
    "alexnet": _Architecture(alexnet, (), 8),
    "vgg11": _Architecture(vgg11, ("norm",), 32),
    "resnet18": _Architecture(resnet18, ("norm",), 9),
    "resnet18_ap": _Architecture(resnet18_ap, ("norm",), 16),
}


def make_network(spec: NetworkSpec, image_shape, classes) -> Network:
    """The network that ``spec`` describes, for images [H, W, C] and K classes.

    Raises:
      InputError: an unknown name or value, a field that the architecture does not use, no
        classes to tell apart, an image too small for the architecture, or more parameters
        than the machine has memory for.
    """
    check_shape(image_shape, classes)
    check_spec(spec, classes, {name: a.settings for name, a in _ARCHITECTURES.items()})
    architecture = _ARCHITECTURES[spec.name]
    check_size(spec, tuple(image_shape), architecture.least)
    settings = {name: getattr(spec, name) for name in architecture.settings}
    module = architecture.module(classes, **settings)

    def init(key):
        return module.init(key, jnp.zeros((1, *image_shape), jnp.float32))["params"]

    check_memory(spec, init)
    apply = partial(_apply, module)
    return Network(init, apply, partial(apply, with_layers=True), spec.norm != "batch")


def _apply(module, params, images, **options):
    return module.apply({"params": params}, images, **options)


def in_bfloat16(function):
    """``apply`` or ``layers`` computed in bfloat16 from parameters, and to results, of float32.

    Norms take their means in float32, and an accelerator accumulates the products of
    bfloat16 numbers in float32; so do the gradients of the parameters over chunks.
    """

    def run(params, images):
        short = lambda x: x.astype(jnp.bfloat16)
        results = function(jax.tree.map(short, params), short(images))
        return jax.tree.map(lambda x: x.astype(images.dtype), results)

    return run


def parameter_count(params) -> int:
    """How many numbers a pytree of arrays holds."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
