"""The ConvNet as a module, and its parameters between the layouts of Flax and PyTorch."""

from collections import OrderedDict

import numpy as np
import torch
from torch import nn

__all__ = ["ConvNet", "in_memory_format", "memory_format", "params_from_jax", "params_to_jax"]

WEIGHTS = {"conv": "kernel", "norm": "scale", "linear": "kernel"}  # Flax's name of a weight


class ConvNet(nn.Sequential):
    """[convolution 3×3 → instance norm → ReLU → 2×2 average pool] × depth, then linear.

    Images are [B, C, H, W]; ``image_shape`` is (H, W, C), as everywhere in mttjax. For the
    student's steps it is called by ``torch.func.functional_call`` with a dictionary of
    parameters; its own, freshly initialised, are those of a network that is trained.
    """

    def __init__(self, image_shape, classes, *, depth=3, width=128):
        height, broad, channels = image_shape
        first = 3 if tuple(image_shape) == (28, 28, 1) else 1
        layers = OrderedDict()
        for i in range(depth):
            padding = first if i == 0 else 1
            layers[f"conv{i}"] = nn.Conv2d(channels, width, 3, padding=padding)
            layers[f"norm{i}"] = nn.GroupNorm(width, width, eps=1e-5)
            layers[f"relu{i}"] = nn.ReLU(inplace=True)
            layers[f"pool{i}"] = nn.AvgPool2d(2)
            channels = width
        rows, columns = ((side + 2 * (first - 1)) >> depth for side in (height, broad))
        layers["flatten"] = nn.Flatten()
        layers["linear"] = nn.Linear(width * rows * columns, classes)
        super().__init__(layers)


def memory_format(channels_last):
    """The memory format of images and kernels."""
    return torch.channels_last if channels_last else torch.contiguous_format


def in_memory_format(params, channels_last):
    """Parameters as leaves of a new graph, their kernels in the asked memory format."""
    layout = memory_format(channels_last)
    each = {n: p.detach() for n, p in params.items()}
    each = {n: p.contiguous(memory_format=layout) if p.ndim == 4 else p for n, p in each.items()}
    return {n: p.requires_grad_() for n, p in each.items()}


def params_from_jax(params, device="cpu"):
    """Our Flax tree as ``{name: tensor}``, so that both networks compute one function.

    Kernels go from [3, 3, in, out] to [out, in, 3, 3]. The rows of the linear kernel are
    numbered by (row, column, channel) in Flax and by (channel, row, column) here.
    """
    features = params["linear"]["kernel"].shape[0]
    channels = max(len(p["scale"]) for name, p in params.items() if name.startswith("norm"))
    converted = {}
    for layer, arrays in params.items():
        kind = layer.rstrip("0123456789")
        weight = np.asarray(arrays[WEIGHTS[kind]])
        if kind == "conv":
            weight = weight.transpose(3, 2, 0, 1)
        elif kind == "linear":
            weight = weight.reshape(features // channels, channels, -1).transpose(2, 1, 0)
            weight = weight.reshape(-1, features)
        for name, array in (("weight", weight), ("bias", np.asarray(arrays["bias"]))):
            converted[f"{layer}.{name}"] = torch.tensor(np.ascontiguousarray(array), device=device)
    return converted


def params_to_jax(params):
    """The inverse of ``params_from_jax``: a tree of numpy arrays; also for gradients."""
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in params.items()}
    channels = max(len(a) for name, a in arrays.items() if name.startswith("norm"))
    tree = {}
    for layer in dict.fromkeys(name.split(".")[0] for name in arrays):
        kind = layer.rstrip("0123456789")
        weight = arrays[f"{layer}.weight"]
        if kind == "conv":
            weight = weight.transpose(2, 3, 1, 0)
        elif kind == "linear":
            weight = weight.reshape(len(weight), channels, -1).transpose(2, 1, 0)
            weight = weight.reshape(-1, weight.shape[-1])
        tree[layer] = {WEIGHTS[kind]: weight, "bias": arrays[f"{layer}.bias"]}
    return tree
