"""One convolution that is fast on every backend for every order of derivative."""

import jax

from mttjax.core.contractions import out_shape
from mttjax.core.trilinear import contract
from mttjax.core.winograd import winograd, winograd_tile

__all__ = ["convolve"]


def convolve(
    images: jax.Array,
    kernel: jax.Array,
    *,
    stride: int = 1,
    padding: int = 0,
    tile: int | None = None,
) -> jax.Array:
    """2-D cross-correlation with square stride and symmetric zero padding.

    Args:
      images: [B, H, W, C], floating point.
      kernel: [h, w, C, O], same dtype.
      stride: the step of the window, at least 1.
      padding: zeros added on each of the four sides, at least 0.
      tile: None for the direct sum. 2 or 4: Winograd's form in tiles of so many pixels a side
        where it is made for the shapes (see ``winograd_tile``). On a CPU it is faster; a tile of
        2 is as exact in float32, one of 4 loses half a digit.

    Returns:
      [B, H', W', O] with H' = (H + 2·padding - h) // stride + 1. Differentiable to
      any order in both arguments, forward and reverse, and under ``vmap``. It and all its
      derivatives are of the ``jax.default_matmul_precision`` in force where this is called.

    Raises:
      ValueError: ranks, channels or dtypes that do not fit, or a kernel larger than
        the padded image, or another tile.
    """
    if images.ndim != 4 or kernel.ndim != 4:
        raise ValueError(
            f"convolve needs images [B, H, W, C] and a kernel [h, w, C, O], "
            f"got shapes {images.shape} and {kernel.shape}"
        )
    if images.shape[3] != kernel.shape[2] or images.dtype != kernel.dtype:
        raise ValueError(
            f"images {images.shape} {images.dtype} and kernel {kernel.shape} {kernel.dtype} "
            "must agree in channels and dtype"
        )
    form = (tuple(images.shape[1:3]), tuple(kernel.shape[:2]), int(stride), int(padding))
    if min(out_shape(form)) < 1:
        raise ValueError(
            f"a {kernel.shape[:2]} kernel does not fit images of {images.shape[1:3]} "
            f"with padding {padding}"
        )
    if tile := winograd_tile(tile, form, kernel):
        return winograd(images, kernel, tile)
    return contract(images[None], kernel[None], form)[0]
