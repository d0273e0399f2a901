"""How many floating-point operations a piece of work cannot do without.

Counted are the convolutions and the linear layer, a multiplication and an addition as two.
One forward pass of an image is F.
"""

__all__ = ["DISTILLING", "DISTILLING_KEPT", "TRAINING", "flops_per_image"]

TRAINING = 3
"""Forward and backward: F for the output, F each for the gradients of input and weights."""

DISTILLING = 11
"""A student step and its exact derivative with the step recomputed: 3F and 8F."""

DISTILLING_KEPT = 9
"""The same with every activation kept: 3F and 6F."""


def flops_per_image(depth, width, image, classes):
    """F, the operations of one forward pass of the ConvNet.

    Args:
      depth: blocks of a 3×3 convolution and a 2×2 pool.
      width: channels of every convolution.
      image: (H, W, C).
      classes: K.
    """
    height, broad, channels = image
    if tuple(image) == (28, 28, 1):  # padded by 3, so that every pool halves evenly
        height, broad = 32, 32
    total = 0
    for _ in range(depth):
        total += 2 * 9 * channels * width * height * broad
        height, broad, channels = height // 2, broad // 2, width
    return total + 2 * height * broad * width * classes
