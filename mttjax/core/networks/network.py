"""From a description of a network to its pure functions."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mttjax.core.network_spec import NetworkSpec
from mttjax.core.networks.layers import Layers
from mttjax.core.networks.norms import GROUPS
from mttjax.core.networks.own import own_module, sees_images_alone
from mttjax.core.networks.plain import alexnet, convnet, vgg11
from mttjax.core.networks.resnet import resnet18, resnet18_ap
from mttjax.core.types import Apply, Params
from mttjax.system.errors import InputError
from mttjax.system.fields import is_whole
from mttjax.system.text import shown

__all__ = ["Network", "make_network", "parameter_count"]


class Network(NamedTuple):
    """A network as pure functions."""

    init: Callable[[jax.Array], Params]
    """``init(key) -> params``, compiled."""
    apply: Apply
    """``apply(params, images [B, H, W, C]) -> logits [B, K]``, in the precision of ``spec``
    whatever JAX's default is."""
    layers: Callable[[Params, jax.Array], Layers]
    """``layers(params, images) -> Layers``, whose embedding the last layer maps to the logits."""
    spec: NetworkSpec
    image_shape: tuple[int, ...]
    """(H, W, C)."""
    classes: int
    """K."""
    shapes: Params
    """The parameters as ``jax.ShapeDtypeStruct``."""
    per_image: bool
    """Whether an image's logits do not depend on the images beside it. Where they do (batch norm),
    a batch must not be computed in chunks."""

    def __repr__(self) -> str:
        said = [
            f"{field.name} {value}"
            for field in fields(self.spec)
            if field.name in (*_used(self.spec), "precision")
            and ((value := getattr(self.spec, field.name)) != field.default or type(value) is int)
        ]
        size = "x".join(map(str, self.image_shape))
        return f"Network({', '.join([self.spec.name, *said])}, for {size}, {self.classes} classes)"


class _Architecture(NamedTuple):
    module: Callable
    """``module(classes, **settings)`` -> a flax module."""
    used: tuple[str, ...]
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


def _used(spec):
    """The fields of ``NetworkSpec`` that its network takes, beside name and precision."""
    return () if spec.is_own else _ARCHITECTURES[spec.name].used


def make_network(
    spec: NetworkSpec, image_shape: Sequence[int], classes: int, *, tile: int | None = None
) -> Network:
    """The network that ``spec`` describes, for images [H, W, C] and K classes.

    The same arguments give the same functions, so that what is compiled of them is compiled once.

    Args:
      spec: the architecture and its settings.
      image_shape: (H, W, C).
      classes: K.
      tile: in which form it computes its convolutions, see ``convolve``. On a CPU 2 is faster
        than None and as exact, 4 is the fastest in training.

    Raises:
      InputError: no sizes of images, fewer than two classes, a field that the architecture
        does not use, or an image too small for it; a network of one's own that is not there,
        was changed, or does not work.
    """
    _check_sizes(image_shape, classes)
    _check_fields(spec)
    if not spec.is_own:
        _check_pools(spec, image_shape)
    return _made(spec, tuple(image_shape), classes, tile)


@lru_cache(maxsize=32)
def _made(spec, image_shape, classes, tile):
    if spec.is_own:
        module = own_module(spec.name, image_shape, classes)
        per_image = sees_images_alone(module, image_shape)
    else:
        used = {name: getattr(spec, name) for name in _used(spec)}
        module = _ARCHITECTURES[spec.name].module(classes, tile=tile, **used)
        per_image = spec.norm != "batch"

    @jax.jit  # operation by operation it would compile fifty programs, the whole network among them
    def init(key):
        return module.init(key, jnp.zeros((1, *image_shape), jnp.float32))["params"]

    apply = partial(_apply, module, spec.precision)
    layers, shapes = partial(apply, with_layers=True), jax.eval_shape(init, jax.random.key(0))
    return Network(init, apply, layers, spec, image_shape, classes, shapes, per_image)


def _apply(module, precision, params, images, **options):
    """Every product in ``precision``, and so are those of all derivatives.

    bfloat16 is the network computed from parameters, and to results, of float32: norms take
    their means in float32, and the products of bfloat16 numbers are accumulated in float32; so
    are the gradients of the parameters over chunks.
    """
    with jax.default_matmul_precision(precision):
        if precision != "bfloat16":
            return module.apply({"params": params}, images, **options)
        short = lambda x: x.astype(jnp.bfloat16)
        variables = {"params": jax.tree.map(short, params)}
        results = module.apply(variables, short(images), **options)
        return jax.tree.map(lambda x: x.astype(images.dtype), results)


def _check_sizes(image_shape, classes):
    sizes = (*image_shape, classes)
    if len(sizes) != 4 or not all(is_whole(n) and 1 <= n < 2**31 for n in sizes) or classes < 2:
        raise InputError(
            "a network needs images (height, width, channels) of at least 1 each, and 2 classes, "
            f"got {shown(tuple(image_shape))} and {shown(classes)} classes"
        )


def _check_fields(spec):
    """What no field can say by itself."""
    used = ("name", "precision", *_used(spec))
    for field in fields(spec):
        value = getattr(spec, field.name)
        if field.name not in used and value != field.default:
            raise InputError(
                f"network.{field.name} is {shown(value)}, which {spec.name} does not use: "
                f"leave it at {field.default!r}, or take a convnet"
            )
    if spec.norm == "group" and spec.width % GROUPS:
        raise InputError(
            f"network.width is {spec.width}: the group norm makes {GROUPS} groups of the channels, "
            f"it must be a multiple of {GROUPS}"
        )


def _check_pools(spec, image_shape):
    side, least = min(image_shape[:2]), _ARCHITECTURES[spec.name].least
    if spec.name == "convnet" and spec.pooling != "none" and side >> spec.depth < 1:
        raise InputError(
            f"network.depth {spec.depth} halves a {side}-pixel image away; "
            f"at most {side.bit_length() - 1} fits"
        )
    padded = spec.name == "vgg11" and tuple(image_shape) == (28, 28, 1)
    if side < least and not padded:
        raise InputError(
            f"a {spec.name} needs images of at least {least} pixels a side, got {side}: "
            "take a convnet, or larger images"
        )


def parameter_count(params: Params) -> int:
    """How many numbers a pytree of arrays, or of their shapes, holds."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
