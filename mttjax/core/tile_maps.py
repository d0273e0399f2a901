"""A linear map between an image and the taps of its tiles, and its transpose, as primitives.

The transforms of windows, kernels and results in Winograd's form are all this map or its
transpose, with different matrices, so the two primitives, each the other's transpose, are closed
under every derivative.

On a CPU each is compiled as a function of its own, whose operands lie in memory. Otherwise XLA
would compute what comes before (a norm, a gate) once more for every tap.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from mttjax.core.varying import alike, axes_of

__all__ = ["TileMap", "from_taps", "to_taps"]


class TileMap(NamedTuple):
    """taps[k][l][a, b] = Σ_ij matrix[k][i] · matrix[l][j] · x[stride·a + i - p, stride·b + j - p]

    for the tiles (a, b) of an image of ``size`` (H, W), p = ``padding``, zero beyond its edge. The
    stride divides H and W, and the matrix is [n, stride + 2·p].
    """

    matrix: tuple[tuple[float, ...], ...]
    stride: int
    padding: int
    size: tuple[int, int]

    @property
    def tiles(self) -> tuple[int, int]:
        """(h, w)."""
        return self.size[0] // self.stride, self.size[1] // self.stride


def to_taps(x: jax.Array, of: TileMap) -> list[jax.Array]:
    """[B, H, W, C] -> n² taps [B, h, w, C], row by row."""
    return to_taps_p.bind(x, of=of)


def from_taps(taps: Sequence[jax.Array], of: TileMap) -> jax.Array:
    """The transpose of ``to_taps``: n² taps [B, h, w, C] -> [B, H, W, C]."""
    (x,) = from_taps_p.bind(*alike(*taps), of=of)
    return x


# --- on arrays -----------------------------------------------------------------------


def _to_taps(x, *, of):
    pads = [(0, 0), (of.padding, of.padding), (of.padding, of.padding), (0, 0)]
    x, span = jnp.pad(x, pads), range(len(of.matrix[0]))
    every = lambda i, axis: slice(i, i + of.stride * (of.tiles[axis] - 1) + 1, of.stride)
    pixels = [x[:, :, every(j, 1)] for j in span]
    columns = [_combination(row, pixels) for row in of.matrix]
    columns = [[column[:, every(i, 0)] for i in span] for column in columns]
    return [_combination(row, column) for row in of.matrix for column in columns]


def _from_taps(*taps, of):
    n, batch, channels = len(of.matrix), taps[0].shape[0], taps[0].shape[3]
    rows = [_overlapped(taps[k * n : (k + 1) * n], of, axis=2) for k in range(n)]
    columns = [_overlapped(column, of, axis=1) for column in zip(*rows, strict=True)]
    lines = [jnp.stack(line, axis=3) for line in zip(*columns, strict=True)]
    return [jnp.stack(lines, axis=2).reshape(batch, *of.size, channels)]


def _overlapped(taps, of, axis):
    """Along one axis, each of a tile's pixels: what it gets from this tile and from its neighbours.

    Number i of a tile's window is pixel q of the tile d further on, i - padding = stride·d + q.
    """
    pixels = [0] * of.stride
    for i in range(len(of.matrix[0])):
        d, q = divmod(i - of.padding, of.stride)
        part = _combination([row[i] for row in of.matrix], taps)
        pixels[q] = pixels[q] + _moved(part, d, axis)
    return pixels


def _moved(x, d, axis):
    """x[a - d] at a, along an axis; zero beyond its ends."""
    pads = [(0, 0, 0)] * x.ndim
    pads[axis] = (d, -d, 0)
    return lax.pad(x, jnp.zeros((), x.dtype), pads) if d else x


def _combination(factors, arrays):
    """Σ factor · array, without zeros and without products by one."""
    total = None
    for factor, array in zip(factors, arrays, strict=True):
        if factor:
            term = array if factor == 1 else -array if factor == -1 else factor * array
            total = term if total is None else total + term
    return total


# --- as primitives ---------------------------------------------------------------------


def _taps_shape(x, *, of):
    tap = x.update(shape=(x.shape[0], *of.tiles, x.shape[3]), weak_type=False)
    return [tap] * len(of.matrix) ** 2


def _image_shape(*taps, of):
    if len({axes_of(tap) for tap in taps}) > 1:  # a tangent that does not vary as its primal does
        raise TypeError("taps vary over different axes of the mesh")
    return [taps[0].update(shape=(taps[0].shape[0], *of.size, taps[0].shape[3]), weak_type=False)]


def _apart(function):
    """``function``, compiled as one of its own."""

    def run(*arrays, of):
        with set_xla_metadata(inlineable="false"):
            return jax.jit(partial(function, of=of))(*arrays)

    return run


def _jvp(primitive, primals, tangents, *, of):
    tangents = [ad.instantiate_zeros(tangent) for tangent in tangents]
    return primitive.bind(*primals, of=of), primitive.bind(*alike(*tangents), of=of)


def _batch(primitive, args, dims, *, of):
    """vmap: its axis and that of the images become one."""
    (size,) = {a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None}
    args = [
        jnp.broadcast_to(a, (size, *a.shape)) if d is None else jnp.moveaxis(a, d, 0)
        for a, d in zip(args, dims, strict=True)
    ]
    out = primitive.bind(*(a.reshape(-1, *a.shape[2:]) for a in args), of=of)
    return [a.reshape(size, -1, *a.shape[1:]) for a in out], [0] * len(out)


def _primitive(name, shape, function):
    primitive = Primitive(name)
    primitive.multiple_results = True
    primitive.def_abstract_eval(shape)
    primitive.def_impl(jax.jit(primitive.bind, static_argnames="of"))
    mlir.register_lowering(primitive, mlir.lower_fun(function))
    mlir.register_lowering(primitive, mlir.lower_fun(_apart(function)), platform="cpu")
    ad.primitive_jvps[primitive] = partial(_jvp, primitive)
    batching.primitive_batchers[primitive] = partial(_batch, primitive)
    return primitive


to_taps_p = _primitive("to_taps", _taps_shape, _to_taps)
from_taps_p = _primitive("from_taps", _image_shape, _from_taps)


def _transposed_to_taps(cotangents, _, *, of):
    return [from_taps([ad.instantiate_zeros(cotangent) for cotangent in cotangents], of)]


def _transposed_from_taps(cotangents, *_, of):
    return to_taps(cotangents[0], of)


ad.primitive_transposes[to_taps_p] = _transposed_to_taps
ad.primitive_transposes[from_taps_p] = _transposed_from_taps
