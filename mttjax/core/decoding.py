"""From what is learned to the set that is used: a function, differentiated once an outer step.

What is learned may be fewer numbers than the set's: then the same storage holds more images.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.core.synthetic import Synthetic

__all__ = ["AS_LEARNED", "Decoder", "cosines", "encode_dct", "encode_tiles"]

Part = Callable[[jax.Array], jax.Array]


def _same(part: jax.Array) -> jax.Array:
    return part


@dataclasses.dataclass(frozen=True)
class Decoder:
    """How each part of what is learned becomes that of the set; the rate is learned as it is.

    What is learned is a ``Synthetic`` too, with other shapes and meanings of images and labels.
    """

    images: Part = _same
    """-> images [N, H, W, C] in normalised space."""
    labels: Part = _same
    """-> labels [N, K], probabilities."""
    mask_bits: int = 0
    """Beside the numbers that are learned, what is stored to decode them."""

    def __call__(self, learned: Synthetic) -> Synthetic:
        """The set."""
        images, labels = self.images(learned.images), self.labels(learned.labels)
        return learned._replace(images=images, labels=labels)

    def stored_bytes(self, learned: Synthetic) -> int:
        """What storing the images takes: the numbers that are learned, and the masks."""
        return learned.images.size * learned.images.dtype.itemsize + -(-self.mask_bits // 8)


AS_LEARNED = Decoder()
"""What is learned is the set."""


def encode_tiles(images: jax.Array, factor: int) -> tuple[jax.Array, Decoder]:
    """Canvases of f × f images shrunk to tiles; decoded, every tile is brought to full size.

    Kim et al., "Dataset Condensation via Efficient Synthetic-Data Parameterization", ICML 2022: the
    multi-formation of IDC, bilinear. Canvases hold f times the tiles: a step of the same rate then
    moves the images about as far as one of pixels does.

    Args:
      images: [N·f², H, W, C], those of a canvas one after another.
      factor: f, a divisor of H and W.

    Returns:
      ([N, H, W, C], the decoder; labels are not its business).

    Raises:
      ValueError: f divides H or W not.
    """
    n, height, width, channels = images.shape
    if height % factor or width % factor:
        raise ValueError(f"factor is {factor}: must divide the images' {height}x{width} pixels")
    rows, columns = height // factor, width // factor
    tiles = factor * jax.image.resize(images, (n, rows, columns, channels), "linear")
    tiles = tiles.reshape(-1, factor, factor, rows, columns, channels)
    canvases = tiles.transpose(0, 1, 3, 2, 4, 5).reshape(-1, height, width, channels)

    def decode(canvases):
        cut = canvases.reshape(-1, factor, rows, factor, columns, channels)
        tiles = cut.transpose(0, 1, 3, 2, 4, 5).reshape(-1, rows, columns, channels)
        return jax.image.resize(tiles, (len(tiles), height, width, channels), "linear") / factor

    return canvases, Decoder(decode)


def encode_dct(images: jax.Array, classes: int, factor: int) -> tuple[jax.Array, Decoder]:
    """The H·W / f² cosine coefficients of every image that vary most within its class.

    Shin et al., "Frequency Domain-based Dataset Distillation", NeurIPS 2023 (FreD): which positions
    is decided once, from the first images, for each class and all of its channels together. Here in
    the orthonormal transform, where f = 1 is gradient descent on pixels.

    Args:
      images: [N, H, W, C], class by class, as many of each.
      classes: K.
      factor: f; f² divides H·W.

    Returns:
      ([N, m, C] coefficients, m = H·W / f², the decoder).

    Raises:
      ValueError: f² divides H·W not.
    """
    n, height, width, channels = images.shape
    kept, rest = divmod(height * width, factor**2)
    if rest:
        raise ValueError(f"factor is {factor}: its square must divide {height}x{width} pixels")
    by_row, by_column = (jnp.asarray(cosines(side), images.dtype) for side in (height, width))
    all_of_them = jnp.einsum("uh,nhwc,vw->nuvc", by_row, images, by_column).reshape(n, -1, channels)
    # Of un-normalised coefficients, as its code has it: those of index 0 are √2 times larger.
    first = [np.where(np.arange(side) == 0, 2**0.5, 1.0) for side in (height, width)]
    gray = np.asarray(jnp.mean(all_of_them, axis=-1)) * np.outer(*first).reshape(-1)
    spread = np.var(gray.reshape(classes, -1, height * width), axis=1)
    positions = np.sort(np.argsort(-spread, axis=1, kind="stable")[:, :kept], axis=1)
    at = jnp.asarray(np.repeat(positions, n // classes, axis=0))[..., None]  # [N, m, 1]

    def decode(coefficients):
        grid = jnp.zeros((n, height * width, channels), coefficients.dtype)
        grid = grid.at[jnp.arange(n)[:, None], at[..., 0]].set(coefficients, unique_indices=True)
        grid = grid.reshape(n, height, width, channels)
        return jnp.einsum("uh,nuvc,vw->nhwc", by_row, grid, by_column)

    coefficients = jnp.take_along_axis(all_of_them, at, axis=1)
    return coefficients, Decoder(decode, mask_bits=classes * height * width if factor > 1 else 0)


def cosines(size: int) -> np.ndarray:
    """[size, size] float64: the orthonormal DCT-II, ``cosines(n) @ x`` of n numbers x."""
    k, n = np.arange(size)[:, None], np.arange(size)[None]
    basis = np.sqrt(2 / size) * np.cos(np.pi * (2 * n + 1) * k / (2 * size))
    basis[0] /= np.sqrt(2)
    return basis
