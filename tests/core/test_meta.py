"""DD's and LD's loss: against a Python loop and finite differences, in float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close
from core.numerics import check_slopes

from mttjax.core.objectives import terminal_loss
from mttjax.core.synthetic import Synthetic
from mttjax.core.unrolling import soft_cross_entropy

N, K, S = 6, 3, 4


def apply(params, images):
    """Two smooth layers: finite differences need no kinks."""
    x = jnp.tanh(images.reshape(len(images), -1) @ params["a"])
    return x @ params["b"]


@pytest.fixture
def problem(x64):
    """(synthetic with a rate for every step, θ_0, real images and labels, batches)."""
    rng = np.random.default_rng(0)
    normal = lambda *shape: jnp.asarray(rng.standard_normal(shape))
    labels = jax.nn.softmax(normal(N, K))
    synthetic = Synthetic(normal(N, 2, 2, 1), labels, jnp.log(jnp.linspace(0.1, 0.7, S)))
    params = {"a": normal(4, 5), "b": normal(5, K)}
    real = normal(8, 2, 2, 1), jax.nn.one_hot(jnp.arange(8) % K, K)
    return synthetic, params, *real, jnp.arange(2 * S).reshape(S, 2) % N


def loss_of(synthetic, params, images, labels, batches, **options):
    return terminal_loss(synthetic, params, images, labels, apply=apply, batches=batches, **options)


def by_loop(synthetic, params, images, labels, batches):
    """The definition, step by step, differentiated by JAX's plain reverse mode."""
    for i, batch in enumerate(batches):
        x, y = synthetic.images[batch], synthetic.labels[batch]
        grads = jax.grad(lambda p, x=x, y=y: soft_cross_entropy(apply(p, x), y))(params)
        rate = jnp.exp(jnp.broadcast_to(synthetic.log_lr, (len(batches),))[i])
        params = jax.tree.map(lambda p, g, rate=rate: p - rate * g, params, grads)
    return soft_cross_entropy(apply(params, images), labels)


@pytest.mark.parametrize("own_rates", [True, False])
def test_value_and_gradient_equal_those_of_a_python_loop(problem, own_rates):
    synthetic, *rest = problem
    if not own_rates:
        synthetic = synthetic._replace(log_lr=synthetic.log_lr[1])
    expected = jax.jit(jax.value_and_grad(by_loop))(synthetic, *rest)
    for options in ({}, {"real_chunk": 2}, {"derivative": "plain"}, {"chunk": 1}):
        run = jax.jit(jax.value_and_grad(partial(loss_of, **options), has_aux=True))
        (loss, aux), grads = run(synthetic, *rest)
        assert_trees_all_close((loss, grads), expected, rtol=1e-9, atol=1e-12)
        assert aux.losses.shape == (S,)


def test_the_gradient_is_that_of_finite_differences(problem):
    synthetic, *rest = problem
    check_slopes(lambda s: loss_of(s, *rest)[0], (synthetic,), rtol=1e-7)


def test_memory_does_not_grow_with_the_real_images_beyond_a_piece(problem):
    synthetic, params, _, _, batches = problem
    wide = params | {"a": jnp.zeros((4, 2000)), "b": jnp.zeros((2000, K))}

    def temporaries(real):
        images, labels = jnp.zeros((real, 2, 2, 1)), jnp.zeros((real, K))
        grad = jax.jit(jax.grad(lambda s, x, y: loss_of(s, wide, x, y, batches, real_chunk=8)[0]))
        compiled = grad.lower(synthetic, images, labels).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporaries(256) < temporaries(64) + 256 * 64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": 3}, r"log_lr must be \[\] or \[4\].*\(3,\)"),
        ({"real_chunk": 3}, "chunk 3 does not divide the 8 real images"),
        ({"labels": 7}, r"real.*\(8, 2, 2, 1\) and \(7, 3\)"),
        ({"derivative": "wrong"}, "derivative is one of"),
    ],
)
def test_what_does_not_fit_is_refused(problem, change, message):
    synthetic, params, images, labels, batches = problem
    if "rates" in change:
        synthetic = synthetic._replace(log_lr=jnp.zeros(change.pop("rates")))
    labels = labels[: change.pop("labels", None)]
    with pytest.raises(ValueError, match=message):
        loss_of(synthetic, params, images, labels, batches, **change)
