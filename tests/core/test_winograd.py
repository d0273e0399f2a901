"""Winograd's form against the direct sum: every derivative in float64, the errors of float32."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close
from jax import lax

import mttjax
from mttjax.core.winograd import winograd, winograd_tile


def direct(x, w):
    names = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, w, (1, 1), [(1, 1)] * 2, dimension_numbers=names)


def normal(seed, *shape, dtype=jnp.float64):
    return jax.random.normal(jax.random.key(seed), shape, dtype)


def derivatives(convolution, x, w):
    """The second ones forward and reverse over reverse, and of several at once."""
    along = (normal(2, *x.shape), normal(3, *w.shape))
    energy = lambda x, w: jnp.sum(jnp.sin(convolution(x, w)))
    gradient = jax.grad(energy, argnums=(0, 1))
    slope = lambda x, w: sum(map(jnp.vdot, gradient(x, w), along))
    scales = jnp.arange(3.0)
    return (
        energy(x, w),
        gradient(x, w),
        jax.jvp(gradient, (x, w), along)[1],
        jax.grad(slope, argnums=(0, 1))(x, w),
        jax.vmap(lambda s: gradient(s * x, w))(scales),
        jax.vmap(lambda s: gradient(x, s * w))(scales),
        jax.vmap(lambda s: gradient(s * x, w + s), out_axes=1)(scales),
    )


@pytest.mark.parametrize("tile", [2, 4])
def test_value_and_derivatives_equal_those_of_the_direct_sum(tile, x64):
    x, w = normal(0, 3, 4, 8, 5), normal(1, 3, 3, 5, 6)
    ours, theirs = (
        jax.jit(partial(derivatives, form))(x, w) for form in (partial(winograd, m=tile), direct)
    )
    assert_trees_all_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("asked", "image", "kernel", "stride", "padding", "channels", "taken"),
    [
        (None, (32, 32), (3, 3), 1, 1, 128, None),
        (2, (32, 32), (3, 3), 1, 1, 128, 2),
        (4, (32, 32), (3, 3), 1, 1, 128, 4),
        (4, (8, 14), (3, 3), 1, 1, 64, 2),
        (4, (8, 15), (3, 3), 1, 1, 64, None),
        (2, (4, 4), (3, 3), 1, 1, 128, None),
        (2, (32, 32), (3, 3), 1, 1, 32, None),
        (2, (32, 32), (3, 3), 2, 1, 128, None),
        (2, (32, 32), (3, 3), 1, 2, 128, None),
        (2, (32, 32), (5, 5), 1, 1, 128, None),
    ],
)
def test_it_is_taken_for_the_shapes_that_it_is_made_for(
    asked, image, kernel, stride, padding, channels, taken
):
    weights = jax.ShapeDtypeStruct((*kernel, channels, 128), jnp.float32)
    assert winograd_tile(asked, (image, kernel, stride, padding), weights) == taken


def test_another_tile_is_refused():
    with pytest.raises(ValueError, match=r"tile is 3.*2, 4"):
        mttjax.convolve(jnp.ones((1, 8, 8, 64)), jnp.ones((3, 3, 64, 64)), padding=1, tile=3)


@pytest.mark.parametrize(("tile", "times"), [(2, 2), (4, 6)])
def test_the_errors_of_float32_are_near_those_of_the_direct_sum(tile, times, x64):
    """Root mean squares, for the value and both gradients."""
    x, w, y = normal(0, 8, 16, 16, 64), normal(1, 3, 3, 64, 64) / 24, normal(2, 8, 16, 16, 64)

    def results(convolution, dtype):
        value, pull = jax.vjp(convolution, x.astype(dtype), w.astype(dtype))
        return value, *pull(y.astype(dtype))

    exact = results(direct, jnp.float64)
    form = partial(mttjax.convolve, padding=1)
    ours, theirs = (
        [
            float(jnp.sqrt(jnp.mean((a - b) ** 2)))
            for a, b in zip(results(partial(form, tile=t), jnp.float32), exact, strict=True)
        ]
        for t in (tile, None)
    )
    assert (np.array(ours) < times * np.array(theirs)).all()
    assert ours != theirs  # it was taken


def gradient(activation, tile, steps, dtype, *, width=128, size=32):
    """That of ``match_loss`` in the images, [N, H, W, C]."""
    single = lambda x: x.astype(jnp.float32).astype(dtype)  # the same numbers in either dtype
    spec = mttjax.NetworkSpec(depth=2, width=width, activation=activation)
    network = mttjax.make_network(spec, (size, size, 3), 10, tile=tile)
    start, target = (jax.tree.map(single, network.init(jax.random.key(s))) for s in (0, 1))
    images = single(normal(2, 10, size, size, 3))
    labels, rate = jnp.eye(10, dtype=dtype), single(jnp.log(0.05))
    batches = mttjax.sample_batches(jax.random.key(3), 10, steps, 10)
    synthetic = mttjax.Synthetic(images, labels, rate)
    loss = partial(mttjax.match_loss, apply=network.apply, batches=batches)
    return jax.jit(jax.grad(loss, has_aux=True))(synthetic, start, target)[0].images


def test_the_distillation_gradient_is_the_same_in_float64(x64):
    ours, theirs = (gradient("relu", t, 1, jnp.float64, width=64, size=16) for t in (2, None))
    assert_trees_all_close(ours, theirs, rtol=1e-9, atol=1e-13 * float(jnp.abs(theirs).max()))
    assert not jnp.array_equal(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [10, 50])
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_the_distillation_gradient_of_float32_is_as_exact_as_the_direct_one(activation, steps, x64):
    """Smooth: within half as much again. A ReLU's gate that flips moves either one alike."""
    exact = gradient(activation, None, steps, jnp.float64)
    error = lambda g: float(jnp.linalg.norm(g - exact) / jnp.linalg.norm(exact))
    errors = {t: error(gradient(activation, t, steps, jnp.float32)) for t in (None, 2, 4)}
    print(activation, steps, errors)
    if activation == "sigmoid":
        assert errors[2] < 1.5 * errors[None]
        assert errors[4] < 4 * errors[None]
    else:
        assert max(errors.values()) < 0.05


def test_a_map_is_compiled_apart_from_what_comes_before_it():
    """Else that is computed once more for each of the taps."""
    x, w = jnp.ones((2, 8, 8, 64)), jnp.ones((3, 3, 64, 64))
    run = jax.jit(lambda x, w: mttjax.convolve(jnp.tanh(x), w, padding=1, tile=2))
    text = run.lower(x, w).compile().as_text()
    assert text.count("tanh(") == 1
