"""The networks without shortcuts: ConvNet, AlexNet and VGG11."""

from functools import partial

import flax.linen as nn
import jax

from mttjax.core.networks.layers import ACTIVATIONS, POOLS, Convolution, Dense, Layers
from mttjax.core.networks.norms import CANCEL_BIAS, Norm

__all__ = ["Plain", "alexnet", "convnet", "vgg11"]


class Plain(nn.Module):
    """Stages of [convolution → norm → activation] blocks, a 2×2 pool after each; then linear.

    A one-channel 28×28 image gets two pixels more of padding in the first convolution, so
    that every pool halves evenly (28 → 32). The published code pads every one-channel image so,
    of whatever size; published are only those of 28×28.
    """

    classes: int
    stages: tuple[tuple[tuple[int, int], ...], ...]
    """Stages of (channels, side of the kernel) pairs, one a block."""
    norm: str = "instance"
    activation: str = "relu"
    pooling: str = "average"
    tile: int | None = None
    """See ``convolve``."""

    @nn.compact
    def __call__(self, x: jax.Array, *, with_layers: bool = False) -> jax.Array | Layers:
        blocks: list[jax.Array] = []
        for stage in self.stages:
            for width, size in stage:
                x = self._block(x, len(blocks), width, size)
                blocks.append(x)
            x = POOLS[self.pooling](x)
        embedding = x.reshape(x.shape[0], -1)
        if with_layers:
            return Layers(tuple(blocks), embedding)
        return Dense(self.classes, name="linear")(embedding)

    def _block(self, x, index, width, size):
        padding = size // 2 + (2 if index == 0 and x.shape[1:] == (28, 28, 1) else 0)
        normalised = self.norm in CANCEL_BIAS
        layer = partial(Convolution, padding=padding, normalised=normalised, tile=self.tile)
        x = layer(width, size, name=f"conv{index}")(x)
        if self.norm != "none":
            x = Norm(self.norm, name=f"norm{index}")(x)
        return ACTIVATIONS[self.activation](x)


def convnet(
    classes: int,
    depth: int = 3,
    width: int = 128,
    norm: str = "instance",
    activation: str = "relu",
    pooling: str = "average",
    tile: int | None = None,
) -> Plain:
    """[convolution 3×3 → norm → activation → 2×2 pool] × depth, then linear.

    Gidaris & Komodakis, CVPR 2018, as used by the dataset-distillation papers.
    """
    return Plain(classes, (((width, 3),),) * depth, norm, activation, pooling, tile)


def alexnet(classes: int, tile: int | None = None) -> Plain:
    """The AlexNet of DC's and MTT's published code: no norm, three max pools.

    The published last layer is fixed to the 192·4·4 features of 32 pixels; here it reads what
    there is.
    """
    stages = (((128, 5),), ((192, 5),), ((256, 3), (192, 3), (192, 3)))
    return Plain(classes, stages, norm="none", pooling="max", tile=tile)


def vgg11(classes: int, norm: str = "instance", tile: int | None = None) -> Plain:
    """VGG11 (Simonyan & Zisserman, ICLR 2015) as in DC's and MTT's published code.

    Eight convolutions with norms, five max pools and one linear layer. The published one is
    fixed to the 512 features of 32 pixels; here it reads what there is.
    """
    widths = [[64], [128], [256, 256], [512, 512], [512, 512]]
    stages = tuple(tuple((width, 3) for width in stage) for stage in widths)
    return Plain(classes, stages, norm=norm, pooling="max", tile=tile)
