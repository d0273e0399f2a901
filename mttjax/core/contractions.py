"""The three contractions of a convolution, for CPU and for every other backend.

See ``mttjax.core.convolution``, whose primitives they are. ``form`` is what is fixed of a
convolution: (H, W) of the image, (h, w) of the kernel, stride, padding; x is [B, H, W, C], w
[h, w, C, O], y [B, H', W', O]. ``together`` and ``one_by_one`` give them a leading group axis.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = [
    "Form",
    "backward",
    "backward_cpu",
    "forward",
    "forward_cpu",
    "one_by_one",
    "out_shape",
    "together",
    "weight",
    "weight_cpu",
]

_FAST = ("NHWC", "HWIO", "NHWC")
_FEW_CHANNELS = 4  # up to here a product with patches beats the convolution on CPU
_UNROLLED_GROUPS = 8  # more groups than this run in a loop: the program stays small

Form = tuple[tuple[int, ...], tuple[int, ...], int, int]
Contraction = Callable[[jax.Array, jax.Array, Form], jax.Array]


def out_shape(form: Form) -> tuple[int, ...]:
    """(H', W')."""
    image, kernel, stride, padding = form
    return tuple((n + 2 * padding - k) // stride + 1 for n, k in zip(image, kernel, strict=True))


# --- the three contractions as the backends other than CPU compile them -------------


def forward(x: jax.Array, w: jax.Array, form: Form) -> jax.Array:
    """T(x, w, ·): images and kernel give y."""
    _, _, stride, padding = form
    return lax.conv_general_dilated(
        x, w, (stride, stride), [(padding, padding)] * 2, dimension_numbers=_FAST
    )


def backward(y: jax.Array, w: jax.Array, form: Form) -> jax.Array:
    """T(·, w, y): the transpose in x."""
    x = jax.ShapeDtypeStruct((y.shape[0], *form[0], w.shape[2]), y.dtype)
    (x,) = jax.linear_transpose(lambda x: forward(x, w, form), x)(y)
    return x


def weight(x: jax.Array, y: jax.Array, form: Form) -> jax.Array:
    """T(x, ·, y): the transpose in w."""
    w = jax.ShapeDtypeStruct((*form[1], x.shape[3], y.shape[3]), y.dtype)
    (w,) = jax.linear_transpose(lambda w: forward(x, w, form), w)(y)
    return w


# --- the same on CPU, every convolution in the fast layout ---------------------------


def _pad_or_crop(x, low, high):
    """Pads axes 1 and 2 by ``low`` before and ``high[axis]`` after; negative values crop."""
    pads = [(0, 0, 0), *((low[i], high[i], 0) for i in range(2)), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), pads)


def _scatter_taps(y, w, form):
    """One product with all taps of the kernel, each then added where its window saw it.

    The images are planes [C, B, H, W] meanwhile: with few channels, rows of an image
    are long where pixels are short.
    """
    image, kernel, stride, padding = form
    out = out_shape(form)
    rows, columns = ((n - 1) * stride + 1 for n in out)
    height, width = (n + 2 * padding for n in image)
    planes = w.reshape(-1, w.shape[3]) @ y.reshape(-1, y.shape[3]).T
    planes = planes.reshape(*kernel, w.shape[2], y.shape[0], *out)
    x = jnp.zeros((*planes.shape[2:4], height, width), y.dtype)
    zero, none = jnp.zeros((), y.dtype), (0, 0, 0)
    for i, j in np.ndindex(*kernel):
        down, right = (i, height - i - rows, stride - 1), (j, width - j - columns, stride - 1)
        x += lax.pad(planes[i, j], zero, [none, none, down, right])
    x = x[:, :, padding : height - padding, padding : width - padding]
    return jnp.moveaxis(x, 0, 3)


def _is_product(form):
    """Whether each pixel is multiplied by itself alone: one product of matrices."""
    return form[1:] == ((1, 1), 1, 0)


def _product(a, b, axes):
    """The product of matrices, each as it lies, over an axis of both."""
    return lax.dot_general(a, b, (((axes[0],), (axes[1],)), ((), ())))


def backward_cpu(y: jax.Array, w: jax.Array, form: Form) -> jax.Array:
    if _is_product(form):
        return _product(y, w[0, 0], (3, 1))
    if w.shape[2] <= _FEW_CHANNELS or min(out_shape(form)) < max(form[1]):
        return _scatter_taps(y, w, form)
    image, kernel, stride, padding = form
    spread = [(n - 1) * stride + 1 for n in out_shape(form)]
    low = [k - 1 - padding for k in kernel]
    high = [n + k - 1 - s - lo for n, k, s, lo in zip(image, kernel, spread, low, strict=True)]
    if min(low) < 0 or min(high) < 0:
        crop_low, crop_high = [min(lo, 0) for lo in low], [min(hi, 0) for hi in high]
        if stride > 1:
            y = lax.pad(
                y, jnp.zeros((), y.dtype), [(0, 0, 0), *[(0, 0, stride - 1)] * 2, (0, 0, 0)]
            )
            stride = 1
        y = _pad_or_crop(y, crop_low, crop_high)
        low, high = [max(lo, 0) for lo in low], [max(hi, 0) for hi in high]
    w = jnp.swapaxes(w[::-1, ::-1], 2, 3)
    pads = list(zip(low, high, strict=True))
    return lax.conv_general_dilated(
        y, w, (1, 1), pads, lhs_dilation=(stride, stride), dimension_numbers=_FAST
    )


def _taps(x, form):
    """The h·w shifted views of padded x that a window sees: each [B, H', W', C]."""
    _, kernel, stride, padding = form
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = ((n - 1) * stride + 1 for n in out_shape(form))
    for i, j in np.ndindex(*kernel):
        yield x[:, i : i + rows : stride, j : j + columns : stride]


def _patches(x, form):
    """[B·H'·W', h·w·C]: what every window sees, in the order of the kernel's numbers."""
    patches = jnp.concatenate(list(_taps(x, form)), axis=3)
    return patches.reshape(-1, patches.shape[3])


def forward_cpu(x: jax.Array, w: jax.Array, form: Form) -> jax.Array:
    if _is_product(form):
        return _product(x, w[0, 0], (3, 0))
    # With a kernel larger than the image too, XLA for CPU falls into its naive loop.
    if w.shape[2] > _FEW_CHANNELS and min(form[0]) >= max(form[1]):
        return forward(x, w, form)
    y = _patches(x, form) @ w.reshape(-1, w.shape[3])
    return y.reshape(x.shape[0], *out_shape(form), w.shape[3])


def weight_cpu(x: jax.Array, y: jax.Array, form: Form) -> jax.Array:
    if _is_product(form):
        x, y = x.reshape(-1, x.shape[3]), y.reshape(-1, y.shape[3])
        return _product(x, y, (0, 0))[None, None]
    if x.shape[3] <= _FEW_CHANNELS:
        w = (y.reshape(-1, y.shape[3]).T @ _patches(x, form)).T
        return w.reshape(*form[1], x.shape[3], y.shape[3])
    # A convolution too, with batch and channels exchanged and y for its kernel.
    image, kernel, stride, padding = form
    spans = [k + (n - 1) * stride for k, n in zip(kernel, out_shape(form), strict=True)]
    high = [span - n - padding for span, n in zip(spans, image, strict=True)]
    x = x.transpose(3, 1, 2, 0)
    x = x[:, : image[0] + min(high[0], 0), : image[1] + min(high[1], 0)]  # no window sees more
    w = lax.conv_general_dilated(
        x,
        y.transpose(1, 2, 0, 3),
        (1, 1),
        [(padding, max(h, 0)) for h in high],
        rhs_dilation=(stride, stride),
        dimension_numbers=_FAST,
    )
    return w.transpose(1, 2, 0, 3)


def one_by_one(contract: Contraction) -> Callable[..., jax.Array]:
    """Runs the groups one after another: XLA for CPU has no fast grouped convolution.

    Nor one for short floats: they are multiplied and summed as float32, and the result
    rounded, as an accelerator does.
    """

    def run(a, b, *, form):
        if a.dtype.itemsize < 4:
            wide = run(a.astype(jnp.float32), b.astype(jnp.float32), form=form)
            return wide.astype(a.dtype)
        if a.shape[0] > _UNROLLED_GROUPS:
            return lax.map(lambda ab: contract(*ab, form), (a, b))
        return jnp.stack([contract(a[g], b[g], form) for g in range(a.shape[0])])

    return run


def together(contract: Contraction) -> Callable[..., jax.Array]:
    def run(a, b, *, form):
        return jax.vmap(partial(contract, form=form))(a, b)

    return run
