"""ResNet18 (He et al., CVPR 2016) as in DC's and MTT's published code."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from mttjax.core.networks.layers import Convolution, Dense, Layers, average_pool
from mttjax.core.networks.norms import Norm

__all__ = ["ResNet", "resnet18", "resnet18_ap"]


class ResidualBlock(nn.Module):
    """relu(norm(conv(relu(norm(conv(x))))) + shortcut(x)); the first convolution may halve."""

    width: int
    halve: bool
    norm: str
    average: bool
    """Halve by a 2×2 average pool, not by the stride of a convolution."""
    tile: int | None
    """See ``convolve``."""

    @nn.compact
    def __call__(self, x):
        layer = partial(Convolution, self.width, biased=False, tile=self.tile)
        stride = 2 if self.halve and not self.average else 1
        pool = average_pool if self.halve and self.average else lambda x: x
        y = layer(stride=stride, name="conv0")(x)
        y = pool(nn.relu(Norm(self.norm, name="norm0")(y)))
        y = Norm(self.norm, name="norm1")(layer(name="conv1")(y))
        if self.halve:
            x = pool(layer(size=1, stride=stride, padding=0, name="shortcut")(x))
            x = Norm(self.norm, name="shortcut_norm")(x)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """A 3×3 stem for small images, stages of two residual blocks, a mean, linear.

    Every stage but the first halves the image. The published code ends with a 4×4 average
    pool, which is the mean over a 32-pixel image's last features and fits no other size
    (but 28); here it is the mean for every size. With ``average`` there is no last pool, as
    published: the last layer reads every pixel.

    The blocks of ``Layers`` are the stem and the residual blocks.
    """

    classes: int
    widths: tuple[int, ...]
    norm: str = "instance"
    average: bool = False
    tile: int | None = None

    @nn.compact
    def __call__(self, x: jax.Array, *, with_layers: bool = False) -> jax.Array | Layers:
        x = Convolution(self.widths[0], biased=False, name="conv0")(x)
        blocks = [nn.relu(Norm(self.norm, name="norm0")(x))]
        for i, width in enumerate(self.widths):
            for j in range(2):
                halve = i > 0 and j == 0
                how = (halve, self.norm, self.average, self.tile)
                block = ResidualBlock(width, *how, name=f"block{i}{j}")
                blocks.append(block(blocks[-1]))
        x = blocks[-1]
        embedding = x.reshape(x.shape[0], -1) if self.average else jnp.mean(x, axis=(1, 2))
        if with_layers:
            return Layers(tuple(blocks), embedding)
        return Dense(self.classes, name="linear")(embedding)


def resnet18(
    classes: int, norm: str = "instance", *, average: bool = False, tile: int | None = None
) -> ResNet:
    """ResNet18 without biases in its convolutions; see ``ResNet``."""
    return ResNet(classes, (64, 128, 256, 512), norm, average, tile)


resnet18_ap = partial(resnet18, average=True)
"""ResNet18-AP: average pools in the place of strides."""
