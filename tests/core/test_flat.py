"""Steps towards flat minima, against the published optimiser's numbers and counted gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mttjax.core.flat import Flat, flat_direction
from mttjax.core.training import TrainState, make_epoch, sgd


def test_the_direction_is_that_of_the_published_optimiser(x64):
    """L = Σ a w² / 2: its numbers were checked against FTD's own GSAM class in float64."""
    a, w = np.array([1.0, 4.0]), {"x": jnp.array([1.0]), "y": jnp.array([0.25])}
    gradient_at = lambda w: {"x": a[0] * w["x"], "y": a[1] * w["y"]}
    direction = flat_direction(w, gradient_at(w), gradient_at, Flat(rho=0.1, alpha=0.3))
    found = np.array([direction["x"][0], direction["y"][0]])
    np.testing.assert_allclose(found, [1.10693978, 1.01362294], atol=5e-9)
    np.testing.assert_allclose(
        np.array([1, 0.25]) - 0.1 * found, [0.88930602, 0.14863771], atol=5e-9
    )


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_who_does_not_look_around_descends_the_gradient(alpha):
    w = {"x": jnp.array([0.3, -2.0])}
    gradient_at = lambda w: jax.tree.map(jnp.sin, w)
    direction = flat_direction(w, gradient_at(w), gradient_at, Flat(rho=0.0, alpha=alpha))
    np.testing.assert_allclose(direction["x"], jnp.sin(w["x"]), rtol=1e-6)


def epoch(flat, looked):
    """An epoch of a linear network on 20 numbers, by batches of 5; ``looked`` notes every batch."""

    def apply(params, images):
        jax.debug.callback(lambda x: looked.append(np.asarray(x)), images)
        return images @ params

    how = dict(prepare=lambda x, y: (x, jax.nn.one_hot(y, 3)), batch=5, flat=flat)
    augment = lambda key, x: x + 0.1 * jax.random.normal(key, x.shape)
    return make_epoch(apply, sgd(), augment=augment, **how)


def test_an_epoch_takes_two_gradients_of_every_augmented_batch_of_the_plain_one():
    images, labels = jax.random.normal(jax.random.key(0), (20, 4)), jnp.arange(20) % 3
    plain, twice, ends = [], [], {}
    for flat, looked in ((None, plain), (Flat(0.05, 0.3), twice)):
        state = TrainState(jnp.ones((4, 3)), sgd().init(jnp.ones((4, 3))))
        ends[flat], record = epoch(flat, looked)(state, jax.random.key(1), images, labels, 0.1)
        jax.effects_barrier()
        assert record.correct.shape == (20,)
    assert (len(plain), len(twice)) == (4, 8)
    for k, batch in enumerate(plain):
        np.testing.assert_array_equal(twice[2 * k], batch)
        np.testing.assert_array_equal(twice[2 * k + 1], batch)
    difference = jnp.max(jnp.abs(ends[None].params - ends[Flat(0.05, 0.3)].params))
    assert 1e-6 < difference < 0.1
