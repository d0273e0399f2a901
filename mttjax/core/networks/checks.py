"""Whether a network can be, before it is made: absurd ones are refused in an instant."""

import math
from dataclasses import fields

import jax

from mttjax.core.networks.norms import GROUPS
from mttjax.core.networks.spec import NetworkSpec
from mttjax.system.errors import InputError
from mttjax.system.fields import is_whole
from mttjax.system.memory import require_memory
from mttjax.system.text import shown

__all__ = ["MOST_DEPTH", "MOST_WIDTH", "check_memory", "check_shape", "check_size", "check_spec"]

# Far beyond any network that a set was distilled for, and still described in an instant.
MOST_DEPTH = 64
MOST_WIDTH = 2**14


def check_shape(image_shape, classes):
    """Raises ``InputError`` unless these are the sizes of images and a number of classes."""
    sizes = (*image_shape, classes)
    if len(sizes) != 4 or not all(is_whole(n) and n < 2**31 for n in sizes) or min(sizes) < 1:
        raise InputError(
            f"a network needs images (height, width, channels) of at least 1 each, and classes, "
            f"got {shown(tuple(image_shape))} and {shown(classes)} classes"
        )


def check_spec(spec, classes, used):
    """Raises ``InputError`` unless ``spec`` describes a network.

    Args:
      spec: a ``NetworkSpec``, which may be a stranger's.
      classes: K.
      used: name of an architecture -> the fields of ``NetworkSpec`` that it takes.
    """
    if not isinstance(spec, NetworkSpec):
        raise InputError(f"a network is described by a NetworkSpec, got {type(spec).__name__}")
    for field in fields(spec):
        value = getattr(spec, field.name)
        if field.name not in ("name", *used[spec.name]):
            _check_unused(spec.name, field, value)
    if classes < 2:
        raise InputError(f"a network needs at least 2 classes, got {classes}")
    if spec.norm == "group" and spec.width % GROUPS:
        raise InputError(
            f"network.norm 'group' makes {GROUPS} groups of the channels: "
            f"network.width {spec.width} must be a multiple of {GROUPS}"
        )


def _check_unused(name, field, value):
    if value != field.default:
        raise InputError(
            f"network.{field.name} is {shown(value)}, which network.name {name!r} does not use: "
            f"leave it at {field.default!r}, or take 'convnet'"
        )


def check_size(spec, image_shape, least):
    """Raises ``InputError`` where pools leave nothing of the images."""
    side = min(image_shape[:2])
    if spec.name == "convnet" and spec.pooling != "none" and side >> spec.depth < 1:
        raise InputError(
            f"network.depth {spec.depth} halves a {side}-pixel image away; "
            f"at most {side.bit_length() - 1} fits"
        )
    padded = spec.name == "vgg11" and image_shape == (28, 28, 1)
    if side < least and not padded:
        raise InputError(
            f"network.name {spec.name!r} needs images of at least {least} pixels a side, "
            f"got {side}: take a convnet, or larger images with --data.resolution"
        )


def check_memory(spec, init):
    """Raises ``InputError`` where parameters and gradients alone are more than the memory."""
    leaves = jax.tree.leaves(jax.eval_shape(init, jax.random.key(0)))
    count = sum(math.prod(leaf.shape) for leaf in leaves)
    what = f"network {spec.name!r} with network.depth {spec.depth}, network.width {spec.width}"
    require_memory(2 * 4 * count, f"{what}: training its {count:,} parameters")
