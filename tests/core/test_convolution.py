"""The convolution against ``lax.conv_general_dilated``, in float64, for every derivative."""

import itertools
import re
from functools import partial

import jax
import jax.numpy as jnp
import pytest
from chex import assert_trees_all_close
from jax import lax

from mttjax.core.convolution import convolve

FORMS = [  # H, W, kernel, stride, padding
    (8, 8, 3, 1, 1),
    (6, 7, 3, 1, 3),
    (9, 8, 3, 2, 1),
    (8, 8, 1, 2, 0),
    (7, 9, 5, 1, 2),
    (10, 7, 3, 3, 0),
    (2, 3, 3, 1, 1),  # a kernel larger than the image
    (3, 2, 5, 2, 2),
]


def reference(x, w, stride=1, padding=0):
    return lax.conv_general_dilated(
        x, w, (stride, stride), [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def operands(form, seed=0, channels=2):
    height, width, k, _, _ = form
    keys = jax.random.split(jax.random.key(seed), 2)
    x = jax.random.normal(keys[0], (3, height, width, channels), jnp.float64)
    w = jax.random.normal(keys[1], (k, k, channels, 4), jnp.float64)
    return x, w


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [2, 6])  # few channels take another way than many
def test_value_and_derivatives_equal_those_of_lax(form, channels, x64):
    """The second ones forward and reverse over reverse."""
    *_, stride, padding = form
    at, along = (operands(form, seed, channels) for seed in (0, 1))

    def derivatives(convolution):
        energy = lambda x, w: jnp.sum(jnp.sin(convolution(x, w)))
        gradient = jax.grad(energy, argnums=(0, 1))
        slope = lambda x, w: sum(map(jnp.vdot, gradient(x, w), along))
        forward = jax.jvp(gradient, at, along)[1]
        return energy(*at), gradient(*at), forward, jax.grad(slope, argnums=(0, 1))(*at)

    ours = derivatives(partial(convolve, stride=stride, padding=padding))
    theirs = derivatives(partial(reference, stride=stride, padding=padding))
    assert_trees_all_close(ours[0], theirs[0], rtol=1e-12)
    assert_trees_all_close(ours[1], theirs[1], rtol=1e-10, atol=1e-12)
    assert_trees_all_close(ours[2:], theirs[2:], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "axes", [p for p in itertools.product((0, 1, None), repeat=2) if p != (None, None)]
)
def test_vmap_of_the_gradient_equals_a_loop(axes, x64):
    form = FORMS[2]
    *_, stride, padding = form
    x, w = operands(form)
    batched = [
        a if axis is None else jnp.stack([a, 2 * a, a - 1], axis)
        for a, axis in zip((x, w), axes, strict=True)
    ]
    function = jax.value_and_grad(
        lambda x, w: jnp.sum(jnp.sin(convolve(x, w, stride=stride, padding=padding))),
        argnums=(0, 1),
    )
    take = lambda a, axis, i: a if axis is None else jnp.take(a, i, axis)
    expected = [function(*map(take, batched, axes, (i, i))) for i in range(3)]
    expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *expected)
    assert_trees_all_close(jax.vmap(function, in_axes=axes)(*batched), expected, rtol=1e-11)


def test_many_groups_run_in_a_loop_with_the_same_result(x64):
    x, w = operands(FORMS[0])
    scales = jnp.arange(1.0, 13.0)
    ours = jax.vmap(lambda s: convolve(s * x, s * w, padding=1))(scales)
    one = reference(x, w, padding=1)
    expected = scales[:, None, None, None, None] ** 2 * one[None]
    assert_trees_all_close(ours, expected, rtol=1e-11, atol=1e-12)


def test_other_platforms_compile_the_plain_convolution(x64):
    """What accelerators compile holds no transposes of ours, only XLA's own convolution."""
    x, w = operands(FORMS[0])

    def program(convolution):
        gradient = jax.jit(jax.grad(lambda w: jnp.sum(convolution(x, w) ** 2)))
        return jax.export.export(gradient, platforms=["cuda"])(w).mlir_module()

    ours, plain = program(partial(convolve, padding=1)), program(partial(reference, padding=1))
    for operation in ("stablehlo.convolution", "stablehlo.reverse"):
        assert ours.count(operation) == plain.count(operation)


@pytest.mark.parametrize(
    ("x", "w", "message"),
    [
        ((2, 8, 8), (3, 3, 1, 1), r"\[B, H, W, C\]"),
        ((2, 8, 8, 2), (3, 3, 1, 1), "channels"),
        ((2, 2, 2, 1), (5, 5, 1, 1), "does not fit"),
    ],
)
def test_operands_that_do_not_fit_are_refused(x, w, message):
    with pytest.raises(ValueError, match=message):
        convolve(jnp.zeros(x), jnp.zeros(w))


def test_inside_a_loop_every_convolution_is_in_the_fast_layout():
    """XLA for CPU has no other fast one there: the naive loop it falls to is 60 times slower."""
    x, w = jnp.ones((2, 8, 8, 8)), jnp.ones((3, 3, 8, 8))

    def layouts(convolution):
        def energy(x, w):
            body = lambda x, _: (jnp.tanh(convolution(x, w)), None)
            return jnp.sum(lax.scan(body, x, length=3)[0] ** 2)

        def hessian_product(x, w):
            return jax.jvp(jax.grad(energy, (0, 1)), (x, w), (x, w))[1]

        text = jax.jit(hessian_product).lower(x, w).as_text("hlo")
        return set(re.findall(r"dim_labels=(\S+?)[,\s]", text))

    fast = {"b01f_01io->b01f"}
    assert (
        layouts(partial(reference, padding=1)) > fast
    )  # what differentiating makes of a plain one
    assert layouts(partial(convolve, padding=1)) == fast
