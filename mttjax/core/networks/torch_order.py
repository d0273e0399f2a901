"""The parameters of ConvNet, AlexNet and VGG11 as the published PyTorch code lists them, and back.

There a snapshot is the list that ``parameters()`` gives: of every block the convolution's weight
and bias and the norm's γ and β, at the end those of the linear layer.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mttjax.core.types import Params
from mttjax.system.errors import InputError

__all__ = ["from_torch_order", "to_torch_order", "torch_shapes"]

_CONVOLUTION, _PER_PIXEL = (3, 2, 0, 1), (2, 0, 1)  # axes of ours, in the order of PyTorch's


def to_torch_order(params: Params) -> list[np.ndarray]:
    """The parameters of a network without shortcuts, in PyTorch's order and layout.

    Kernels [h, w, in, out] become [out, in, h, w]; the scale and bias of a layer norm
    [H, W, C] become [C, H, W]; the linear kernel [h·w·C, K], whose rows are numbered by (row,
    column, channel), becomes [K, C·h·w].

    Raises:
      InputError: a network with shortcuts.
    """
    tensors, channels = [], _channels(params)
    for layer, name in _order(params):
        array = np.asarray(params[layer][name])
        if layer == "linear" and name == "kernel":
            pixels = array.reshape(-1, channels, array.shape[1])
            array = pixels.transpose(2, 1, 0).reshape(array.shape[::-1])
        elif axes := _axes(array):
            array = array.transpose(axes)
        tensors.append(np.ascontiguousarray(array))
    return tensors


def from_torch_order(tensors: Sequence[np.ndarray], shapes: Params) -> Params:
    """The parameters that ``to_torch_order`` lists as ``tensors``.

    Args:
      tensors: as PyTorch's ``parameters()`` has them, floating-point.
      shapes: of the network, arrays or ``jax.ShapeDtypeStruct``.

    Raises:
      InputError: a network with shortcuts, or tensors of other shapes than its.
    """
    found, expected = [tensor.shape for tensor in tensors], torch_shapes(shapes)
    if found != expected:
        raise InputError(
            f"the snapshot's tensors are {_listed(found)}, the network's are {_listed(expected)}: "
            "is it of another depth, width, norm or size of images?"
        )
    params: dict[str, dict[str, np.ndarray]] = {}
    channels = _channels(shapes)
    for (layer, name), tensor in zip(_order(shapes), tensors, strict=True):
        array = tensor.astype(np.float32)
        if layer == "linear" and name == "kernel":
            pixels = array.reshape(array.shape[0], channels, -1)
            array = pixels.transpose(2, 1, 0).reshape(array.shape[::-1])
        elif axes := _axes(array):
            array = array.transpose(np.argsort(axes))
        params.setdefault(layer, {})[name] = np.ascontiguousarray(array)
    return params


def torch_shapes(shapes: Params) -> list[tuple[int, ...]]:
    """The shapes of the tensors that ``to_torch_order`` gives.

    Raises:
      InputError: a network with shortcuts.
    """
    listed = []
    for layer, name in _order(shapes):
        shape = shapes[layer][name].shape
        axes = (1, 0) if layer == "linear" and name == "kernel" else _axes(shapes[layer][name])
        listed.append(tuple(shape[axis] for axis in axes) if axes else shape)
    return listed


def _axes(leaf):
    """The axes of a leaf in PyTorch's order; None where they are ours."""
    return {4: _CONVOLUTION, 3: _PER_PIXEL}.get(len(leaf.shape))


def _channels(params):
    """C of what the linear layer reads."""
    return params[f"conv{len(_blocks(params)) - 1}"]["kernel"].shape[-1]


def _blocks(params):
    return [layer for layer in params if layer.startswith("conv")]


def _order(params: Any) -> Iterator[tuple[str, str]]:
    """(layer, name) of every leaf."""
    blocks = range(len(_blocks(params)))
    layers = [f"{kind}{block}" for block in blocks for kind in ("conv", "norm")] + ["linear"]
    if unknown := sorted(set(params) - set(layers)):
        raise InputError(
            f"the network has {unknown[0]}: only networks without shortcuts are converted, "
            "convnet, alexnet and vgg11"
        )
    for layer in layers:
        if layer in params:
            yield layer, "scale" if layer.startswith("norm") else "kernel"
            yield layer, "bias"


def _listed(shapes):
    return " ".join("x".join(map(str, shape)) or "()" for shape in shapes[:40]) or "none"
