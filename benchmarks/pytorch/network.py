"""The ConvNet as a module, how it computes, and its parameters from Flax's layout."""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

__all__ = ["ConvNet", "How", "nchw", "params_from_jax"]

WEIGHTS = {"conv": "kernel", "norm": "scale", "linear": "kernel"}  # Flax's name of a weight


class How(NamedTuple):
    """What every piece of work is told."""

    ops: tuple[str, ...] = ()
    """The operations of DSA; empty for none."""
    channels_last: bool = False
    """The memory format of images and kernels."""
    device: str = "cpu"
    """``cpu`` or ``cuda``."""

    @property
    def memory_format(self):
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def laid_out(self, x):
        """Images [B, C, H, W] or kernels in the memory format."""
        return x.contiguous(memory_format=self.memory_format)


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


def nchw(images):
    """[n, H, W, C] of NumPy -> [n, C, H, W], of the same dtype."""
    return torch.tensor(np.asarray(images)).permute(0, 3, 1, 2).contiguous()


def params_from_jax(params):
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
            converted[f"{layer}.{name}"] = torch.tensor(np.ascontiguousarray(array))
    return converted
