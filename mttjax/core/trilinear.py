"""The trilinear form of a convolution: three primitives, closed under every derivative.

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
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from mttjax.core.contractions import (
    Form,
    backward,
    backward_cpu,
    forward,
    forward_cpu,
    one_by_one,
    out_shape,
    together,
    weight,
    weight_cpu,
)
from mttjax.core.varying import alike, axes_of

__all__ = ["contract"]


def contract(x: jax.Array, w: jax.Array, form: Form) -> jax.Array:
    """T(x, w, ·): images x [G, B, H, W, C] and kernels w [G, h, w, C, O] give y.

    It and all its derivatives are of the ``jax.default_matmul_precision`` in force here.
    """
    precision = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return _bind(forward_p, x, w, form=form, precision=precision)


def _bind(primitive, a, b, **how):
    """Both operands of a primitive vary over the same axes of a mesh, and so does its result."""
    return primitive.bind(*alike(a, b), **how)


def _forward_shape(x, w, *, form, **_):
    return _result(x, w, (*x.shape[:2], *out_shape(form), w.shape[4]))


def _backward_shape(y, w, *, form, **_):
    return _result(y, w, (*y.shape[:2], *form[0], w.shape[3]))


def _weight_shape(x, y, *, form, **_):
    return _result(x, y, (x.shape[0], *form[1], x.shape[4], y.shape[4]))


def _result(a, b, shape):
    if axes_of(a) != axes_of(b):  # a tangent that does not vary as its primal does
        raise TypeError(f"operands vary over {set(axes_of(a))} and {set(axes_of(b))} of the mesh")
    return a.update(shape=shape, weak_type=False)


def _batch(primitive, free, args, dims, **how):
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
    out = _bind(primitive, *folded, **how)
    shape = (*out.shape[:out_axis], size, out.shape[out_axis] // size, *out.shape[out_axis + 1 :])
    return out.reshape(shape), out_axis


def _fold(x, axis):
    x = jnp.moveaxis(x, 0, axis)
    return x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])


def _in_precision(run):
    """``run`` traced, as late as it is, in the precision that the primitive was bound with."""

    def traced(a, b, *, form, precision):
        with jax.default_matmul_precision(precision):
            return run(a, b, form=form)

    return traced


def _primitive(name, shape, contract, contract_cpu, free):
    primitive = Primitive(name)
    primitive.def_abstract_eval(shape)
    # Outside jit the operation is compiled alone: the backend is known only then.
    primitive.def_impl(jax.jit(primitive.bind, static_argnames=("form", "precision")))
    for platform, run in ((None, together(contract)), ("cpu", one_by_one(contract_cpu))):
        rule = mlir.lower_fun(_in_precision(run), multiple_results=False)
        mlir.register_lowering(primitive, rule, platform=platform)
    batching.primitive_batchers[primitive] = partial(_batch, primitive, free)
    return primitive


# The free axes: x [G, B, H, W, C] has B and C, w [G, h, w, C, O] has C and O, y has B and O.
forward_p = _primitive("convolve", _forward_shape, forward, forward_cpu, ((1, 1), (4, 4)))
backward_p = _primitive(
    "convolve_backward", _backward_shape, backward, backward_cpu, ((1, 1), (3, 4))
)
weight_p = _primitive("convolve_weight", _weight_shape, weight, weight_cpu, ((4, 3), (4, 4)))

ad.defbilinear(
    forward_p,
    lambda y, x, w, **how: _bind(backward_p, y, w, **how),
    lambda y, x, w, **how: _bind(weight_p, x, y, **how),
)
ad.defbilinear(
    backward_p,
    lambda x, y, w, **how: _bind(forward_p, x, w, **how),
    lambda x, y, w, **how: _bind(weight_p, x, y, **how),
)
ad.defbilinear(
    weight_p,
    lambda w, x, y, **how: _bind(backward_p, y, w, **how),
    lambda w, x, y, **how: _bind(forward_p, x, w, **how),
)
