"""Winograd's form of the 3×3 convolution, for CPUs: fewer products (Lavin & Gray, CVPR 2016).

F(m×m, 3×3) computes a tile of m × m pixels from a window of n × n, n = m + 2, as

    y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A,    ⊙ a product of matrices [pixels, C] [C, O] at each tap.

That is n² products for m² pixels where the direct sum has 9·m²: 2.25 times fewer for m = 2, 4 times
for m = 4. The three maps are linear (``mttjax.core.tile_maps``), the products are convolutions by
a 1×1 kernel, and JAX makes every derivative of them. So a gradient shares the taps of x between y
and the gradient of w, and those of the cotangent between the gradients of w and x; and the two
products of a tangent are added before the one map back.
"""

from fractions import Fraction

import jax
import numpy as np

from mttjax.core.contractions import Form
from mttjax.core.tile_maps import TileMap, from_taps, to_taps
from mttjax.core.trilinear import contract

__all__ = ["winograd", "winograd_tile"]

# With less, the maps cost more than the products save.
FEWEST_CHANNELS = 64
SMALLEST_SIDE = 8


def _matrices(m, points):
    """Bᵀ [n, n], G [n, 3] and A [n, m] of F(m, 3), interpolated at n - 1 points and infinity."""
    points = [Fraction(point) for point in points]
    others = [[q for q in points if q != p] for p in points]
    poles = [np.prod([p - q for q in rest]) for p, rest in zip(points, others, strict=True)]
    last = lambda size: [*[0] * (size - 1), 1]
    windows = [[*_polynomial(rest), 0] for rest in others] + [_polynomial(points)]
    kernels = [[p**i / f for i in range(3)] for p, f in zip(points, poles, strict=True)]
    results = [[p**i for i in range(m)] for p in points]
    return tuple(
        tuple(tuple(float(number) for number in row) for row in matrix)
        for matrix in (windows, [*kernels, last(3)], [*results, last(m)])
    )


def _polynomial(roots):
    """The coefficients of Π (x - root), the constant first."""
    product = [Fraction(1)]
    for root in roots:
        product = [a - root * b for a, b in zip([0, *product], [*product, 0], strict=True)]
    return product


# For m = 4 these points lose less than the usual 0, ±1, ±2.
_MATRICES = {m: _matrices(m, p) for m, p in {2: (0, 1, -1), 4: (0, 0.75, -0.75, 1.5, -1.5)}.items()}


def winograd(x: jax.Array, w: jax.Array, m: int) -> jax.Array:
    """The 3×3 convolution with stride 1 and padding 1, in tiles of m × m.

    Args:
      x: [B, H, W, C], m a divisor of H and W.
      w: [3, 3, C, O].
      m: 2 or 4. In float32 an error is about that of the direct sum with 2, three times with 4.

    Returns:
      [B, H, W, O]; differentiable to any order in both, forward and reverse, and under ``vmap``.
    """
    windows, kernels, results = _MATRICES[m]
    size, (channels, features) = (x.shape[1], x.shape[2]), w.shape[2:]
    window, tile = TileMap(windows, m, 1, size), TileMap(results, m, 0, size)
    flat = w.reshape(1, 3, 3, channels * features)
    of_w = to_taps(flat, TileMap(kernels, 3, 0, (3, 3)))
    of_w = [u.reshape(1, 1, 1, channels, features) for u in of_w]
    by_one = (window.tiles, (1, 1), 1, 0)
    of_x = to_taps(x, window)
    products = [contract(v[None], u, by_one)[0] for v, u in zip(of_x, of_w, strict=True)]
    return from_taps(products, tile)


def winograd_tile(tile: int | None, form: Form, kernel: jax.Array) -> int | None:
    """The tile to take where ``tile`` is asked for: it, a smaller one, or None for the direct sum.

    It is made for 3×3 kernels with stride 1, padding 1 and at least 64 channels on either side,
    and images of at least 8 pixels a side that the tile divides.

    Raises:
      ValueError: a tile that there is not.
    """
    if tile not in (None, *_MATRICES):
        raise ValueError(f"tile is {tile!r}: take one of {', '.join(map(str, _MATRICES))}, or None")
    image, *others = form
    made_for = (
        others == [(3, 3), 1, 1]
        and min(kernel.shape[2:]) >= FEWEST_CHANNELS
        and min(image) >= SMALLEST_SIDE
        and kernel.dtype.itemsize >= np.dtype(np.float32).itemsize
    )
    if tile is None or not made_for:
        return None
    fitting = [m for m in _MATRICES if m <= tile and not any(side % m for side in image)]
    return max(fitting, default=None)
