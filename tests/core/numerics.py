"""Slopes by finite differences, and what several losses are tried on."""

import jax
import jax.numpy as jnp
import numpy as np

import mttjax

__all__ = ["check_slopes", "siamese", "smooth_apply"]


def check_slopes(function, at, *, step=1e-5, rtol=1e-5, parts=None):
    """The gradient of ``function(*at) -> []`` is that of central differences, in float64.

    Along three random directions in all of ``at``; or along one in each of ``parts`` alone,
    trees like ``at`` of bools.
    """
    at, rng = tuple(at), np.random.default_rng(1)
    grads = jax.jit(jax.grad(function, argnums=tuple(range(len(at)))))(*at)
    function = jax.jit(function)
    for part in parts or 3 * [jax.tree.map(lambda _: True, at)]:
        direction = jax.tree.map(lambda x, on: on * rng.standard_normal(jnp.shape(x)), at, part)
        moved = lambda h, d=direction: function(*jax.tree.map(lambda x, v: x + h * v, at, d))
        exact = sum(map(jnp.vdot, jax.tree.leaves(grads), jax.tree.leaves(direction)))
        assert exact != 0
        difference = (moved(step) - moved(-step)) / (2 * step)
        np.testing.assert_allclose(difference, exact, rtol=rtol)


def siamese(key, images):
    """Two operations, one draw of their parameters for all images."""
    return mttjax.dsa(key, images, ops=("color", "scale"), siamese=True)


def smooth_apply(params, images):
    """As a ConvNet of one block, with tanh: a ReLU's kink makes a gradient jump."""
    x = mttjax.convolve(images, params["conv0"]["kernel"], padding=1)
    x = jnp.tanh(x + params["conv0"]["bias"][None, None, None])
    x = x.reshape(x.shape[0], 4, 2, 4, 2, -1).mean((2, 4)).reshape(x.shape[0], -1)
    return x @ params["linear"]["kernel"] + params["linear"]["bias"][None]
