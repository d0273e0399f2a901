"""One convolution that is fast on every backend for every order of derivative.

XLA for CPU runs a convolution at full speed inside a loop only when its operands
are already in the layout NHWC, HWIO, NHWC; the weight gradient that automatic
differentiation makes is not, and falls to a naive loop some sixty times slower.
The remedy is to never leave that layout. A convolution is one of the three partial
contractions of a single trilinear form ``T(x, w, y)``:

- ``forward``  T(x, w, ·): images x and kernel w give y,
- ``backward`` T(·, w, y): the transpose in x,
- ``weight``   T(x, ·, y): the transpose in w.

Every derivative of one of the three is again one of the three, so three primitives
closed under JVP, transpose and batching cover all orders. On CPU each is written
with explicit transposes in the fast layout; elsewhere each lowers to what JAX
itself makes of ``lax.conv_general_dilated``, left to the compiler.

Inside a primitive every operand has a leading group axis G, which carries
``vmap`` over both operands: x [G, B, H, W, C], w [G, h, w, C, O], y [G, B, H', W', O].
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

__all__ = ["convolve"]

_FAST = ("NHWC", "HWIO", "NHWC")
_FEW_CHANNELS = 4  # up to here a product with patches beats the convolution on CPU
_UNROLLED_GROUPS = 8  # more groups than this run in a loop: the program stays small


def convolve(
    images: jax.Array, kernel: jax.Array, *, stride: int = 1, padding: int = 0
) -> jax.Array:
    """2-D cross-correlation with square stride and symmetric zero padding.

    Args:
      images: [B, H, W, C], floating point.
      kernel: [h, w, C, O], same dtype.
      stride: the step of the window, at least 1.
      padding: zeros added on each of the four sides, at least 0.

    Returns:
      [B, H', W', O] with H' = (H + 2·padding - h) // stride + 1. Differentiable to
      any order in both arguments, forward and reverse, and under ``vmap``.

    Raises:
      ValueError: ranks, channels or dtypes that do not fit, or a kernel larger than
        the padded image.
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
    if min(_out_shape(form)) < 1:
        raise ValueError(
            f"a {kernel.shape[:2]} kernel does not fit images of {images.shape[1:3]} "
            f"with padding {padding}"
        )
    return forward_p.bind(images[None], kernel[None], form=form)[0]


def _out_shape(form):
    image, kernel, stride, padding = form
    return tuple((n + 2 * padding - k) // stride + 1 for n, k in zip(image, kernel, strict=True))


# --- the three contractions as the backends other than CPU compile them -------------


def _forward(x, w, form):
    _, _, stride, padding = form
    return lax.conv_general_dilated(
        x, w, (stride, stride), [(padding, padding)] * 2, dimension_numbers=_FAST
    )


def _backward(y, w, form):
    x = jax.ShapeDtypeStruct((y.shape[0], *form[0], w.shape[2]), y.dtype)
    (x,) = jax.linear_transpose(lambda x: _forward(x, w, form), x)(y)
    return x


def _weight(x, y, form):
    w = jax.ShapeDtypeStruct((*form[1], x.shape[3], y.shape[3]), y.dtype)
    (w,) = jax.linear_transpose(lambda w: _forward(x, w, form), w)(y)
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
    out = _out_shape(form)
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


def _backward_cpu(y, w, form):
    if w.shape[2] <= _FEW_CHANNELS or min(_out_shape(form)) < max(form[1]):
        return _scatter_taps(y, w, form)
    image, kernel, stride, padding = form
    spread = [(n - 1) * stride + 1 for n in _out_shape(form)]
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
    rows, columns = ((n - 1) * stride + 1 for n in _out_shape(form))
    for i, j in np.ndindex(*kernel):
        yield x[:, i : i + rows : stride, j : j + columns : stride]


def _patches(x, form):
    """[B·H'·W', h·w·C]: what every window sees, in the order of the kernel's numbers."""
    patches = jnp.concatenate(list(_taps(x, form)), axis=3)
    return patches.reshape(-1, patches.shape[3])


def _forward_cpu(x, w, form):
    # With a kernel larger than the image too, XLA for CPU falls into its naive loop.
    if w.shape[2] > _FEW_CHANNELS and min(form[0]) >= max(form[1]):
        return _forward(x, w, form)
    y = _patches(x, form) @ w.reshape(-1, w.shape[3])
    return y.reshape(x.shape[0], *_out_shape(form), w.shape[3])


def _weight_cpu(x, y, form):
    if x.shape[3] <= _FEW_CHANNELS:
        w = (y.reshape(-1, y.shape[3]).T @ _patches(x, form)).T
        return w.reshape(*form[1], x.shape[3], y.shape[3])
    # A convolution too, with batch and channels exchanged and y for its kernel.
    image, kernel, stride, padding = form
    spans = [k + (n - 1) * stride for k, n in zip(kernel, _out_shape(form), strict=True)]
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


def _one_by_one(contract):
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


def _together(contract):
    def run(a, b, *, form):
        return jax.vmap(partial(contract, form=form))(a, b)

    return run


# --- the primitives ------------------------------------------------------------------


def _forward_shape(x, w, *, form):
    return ShapedArray((*x.shape[:2], *_out_shape(form), w.shape[4]), x.dtype)


def _backward_shape(y, w, *, form):
    return ShapedArray((*y.shape[:2], *form[0], w.shape[3]), y.dtype)


def _weight_shape(x, y, *, form):
    return ShapedArray((x.shape[0], *form[1], x.shape[4], y.shape[4]), x.dtype)


def _batch(primitive, free, args, dims, *, form):
    """vmap: over one operand it grows that operand's free axis, over both the groups.

    ``free`` is, per operand, (its axis that is not contracted, where that axis is in
    the result).
    """
    (size,) = {a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None}
    mapped = [i for i in range(2) if dims[i] is not None]
    axis, out_axis = free[mapped[0]] if len(mapped) == 1 else (0, 0)
    folded = list(args)
    for i in mapped:
        folded[i] = _fold(jnp.moveaxis(args[i], dims[i], 0), axis)
    out = primitive.bind(*folded, form=form)
    shape = (*out.shape[:out_axis], size, out.shape[out_axis] // size, *out.shape[out_axis + 1 :])
    return out.reshape(shape), out_axis


def _fold(x, axis):
    x = jnp.moveaxis(x, 0, axis)
    return x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])


def _primitive(name, shape, contract, contract_cpu, free):
    primitive = Primitive(name)
    primitive.def_abstract_eval(shape)
    anywhere = _together(contract)
    # Outside jit the operation is compiled alone: the backend is known only then.
    primitive.def_impl(jax.jit(primitive.bind, static_argnames="form"))
    mlir.register_lowering(primitive, mlir.lower_fun(anywhere, multiple_results=False))
    mlir.register_lowering(
        primitive, mlir.lower_fun(_one_by_one(contract_cpu), multiple_results=False), platform="cpu"
    )
    batching.primitive_batchers[primitive] = partial(_batch, primitive, free)
    return primitive


# The free axes: x [G, B, H, W, C] has B and C, w [G, h, w, C, O] has C and O, y has B and O.
forward_p = _primitive("convolve", _forward_shape, _forward, _forward_cpu, ((1, 1), (4, 4)))
backward_p = _primitive(
    "convolve_backward", _backward_shape, _backward, _backward_cpu, ((1, 1), (3, 4))
)
weight_p = _primitive("convolve_weight", _weight_shape, _weight, _weight_cpu, ((4, 3), (4, 4)))

ad.defbilinear(
    forward_p,
    lambda y, x, w, *, form: backward_p.bind(y, w, form=form),
    lambda y, x, w, *, form: weight_p.bind(x, y, form=form),
)
ad.defbilinear(
    backward_p,
    lambda x, y, w, *, form: forward_p.bind(x, w, form=form),
    lambda x, y, w, *, form: weight_p.bind(x, y, form=form),
)
ad.defbilinear(
    weight_p,
    lambda w, x, y, *, form: backward_p.bind(y, w, form=form),
    lambda w, x, y, *, form: forward_p.bind(x, w, form=form),
)
