"""Norms and pools against flax, lax and hand-computed values, with their derivatives."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close

from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.networks.layers import average_pool, max_pool
from mttjax.core.networks.norms import Norm, affine_norm

KEY = jax.random.key(0)
FLAX = {
    "instance": nn.GroupNorm(None, group_size=1, epsilon=1e-5, use_fast_variance=False),
    "group": nn.GroupNorm(4, epsilon=1e-5, use_fast_variance=False),
    "layer": nn.LayerNorm(
        1e-5, reduction_axes=(1, 2, 3), feature_axes=(1, 2, 3), use_fast_variance=False
    ),
    "batch": nn.BatchNorm(use_running_average=False, epsilon=1e-5, use_fast_variance=False),
}


@pytest.mark.parametrize("kind", FLAX)
def test_norms_and_their_derivatives_are_those_of_flax(kind, x64):
    """Value, gradient and the gradient's derivative, which are written out by hand here."""
    rng = np.random.default_rng(0)
    x, dx = rng.normal(1, 2, (2, 3, 5, 4, 8))
    shape = (5, 4, 8) if kind == "layer" else (8,)
    params, dparams = ({n: rng.normal(0, 1, shape) for n in ("scale", "bias")} for _ in range(2))
    shapes = jax.eval_shape(Norm(kind).init, KEY, x)["params"]
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes)

    def ours(x, params):
        return Norm(kind).apply({"params": params}, x)

    def theirs(x, params):
        empty = {"mean": np.zeros(8), "var": np.ones(8)}
        variables = {"params": params, "batch_stats": empty}
        return FLAX[kind].apply(variables, x, mutable=["batch_stats"])[0]

    def derivatives(norm):
        gradient = jax.grad(lambda x, p: jnp.sum(jnp.sin(norm(x, p))), argnums=(0, 1))
        run = jax.jit(lambda *at: (norm(*at[0]), jax.jvp(gradient, *at)))
        return run((x, params), (dx, dparams))

    assert_trees_all_close(derivatives(ours), derivatives(theirs), rtol=1e-9, atol=1e-9)


def test_instance_norm_keeps_its_digits_far_from_zero():
    """The one-pass variance E[x²] - E[x]² has none left at a mean of 1000."""
    spread = np.random.default_rng(0).standard_normal((2, 8, 8, 3))
    images = np.asarray(1000 + spread, np.float32)
    normal = Norm().apply(Norm().init(KEY, images), images)
    far = images.astype(np.float64)
    centred = far - far.mean(axis=(1, 2), keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(axis=(1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(normal, expected, atol=1e-3)


def test_the_norm_of_short_floats_takes_its_means_in_float32():
    x = jnp.full((1, 32, 32, 1), 0.1, jnp.bfloat16).at[0, 0, 0, 0].set(1)
    given = x, jnp.ones((1, 1, 1, 1), x.dtype), jnp.zeros((1, 1, 1, 1), x.dtype)
    exact = affine_norm(*(a.astype(jnp.float32) for a in given), (1, 2))
    short = affine_norm(*given, (1, 2))
    assert short.dtype == jnp.bfloat16
    np.testing.assert_allclose(short[0, 0, 0, 0].astype(jnp.float32), exact[0, 0, 0, 0], rtol=0.02)


@pytest.mark.parametrize("kind", ["instance", "batch", "layer", "group", "none"])
def test_a_bias_counts_unless_the_norm_takes_it_away(kind, x64):
    """It is a parameter in either case, as published."""
    network = make_network(NetworkSpec(depth=1, width=4, norm=kind), (4, 4, 2), 3)
    params = network.init(KEY)
    images = jax.random.normal(KEY, (3, 4, 4, 2), jnp.float64)
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(jnp.sin(network.apply(p, images)))))(params)
    counts = kind in ("layer", "group", "none")
    assert bool(jnp.any(gradient["conv0"]["bias"] != 0)) == counts
    assert ("norm0" in params) == (kind != "none")


@pytest.mark.parametrize("size", [2, 3])
def test_average_pool_takes_means_and_drops_a_remainder(size):
    x = np.arange(2 * 7 * 6 * 2, dtype=np.float32).reshape(2, 7, 6, 2)
    pooled = average_pool(jnp.asarray(x), size)
    assert pooled.shape == (2, 7 // size, 6 // size, 2)
    for i, j in np.ndindex(*pooled.shape[1:3]):
        window = x[:, i * size : (i + 1) * size, j * size : (j + 1) * size]
        np.testing.assert_allclose(pooled[:, i, j], window.mean(axis=(1, 2)), rtol=1e-6)


@pytest.mark.parametrize("size", [2, 3])
def test_max_pool_and_its_derivatives_are_those_of_pairwise_maxima(size, x64):
    x, dx = jax.random.normal(KEY, (2, 2, 7, 6, 3), jnp.float64)
    rows, columns = 7 // size * size, 6 // size * size

    def pairwise(x):
        x = x[:, :rows, :columns]
        views = [x[:, i::size, j::size] for i in range(size) for j in range(size)]
        return functools.reduce(jnp.maximum, views)

    def derivatives(pool):
        gradient = jax.grad(lambda x: jnp.sum(jnp.sin(pool(x))))
        return pool(x), *jax.jvp(gradient, (x,), (dx,))

    ours = jax.jit(lambda: derivatives(lambda x: max_pool(x, size)))()
    assert ours[0].shape == (2, 7 // size, 6 // size, 3)
    assert_trees_all_close(ours, derivatives(pairwise), rtol=1e-12)


def test_of_equal_pixels_the_first_has_the_gradient():
    x = jnp.array([[1.0, 2.0], [2.0, 0.0]]).reshape(1, 2, 2, 1)
    gradient = jax.grad(lambda x: jnp.sum(max_pool(x)))(x)
    np.testing.assert_array_equal(gradient.ravel(), [0, 1, 0, 0])
