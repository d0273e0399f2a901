"""DATM: labels as logits that are learned, and steps of too large a loss that move nothing."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_equal

from mttjax.config.methods import MTT
from mttjax.core.decoding import AS_LEARNED, Decoder
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.objectives import match_loss
from mttjax.core.synthetic import Synthetic
from mttjax.core.unrolling import sample_batches
from mttjax.distilling.mtt import make_outer_step, matching_optimiser
from mttjax.distilling.step import initial_state

DATM = MTT(
    student_steps=3,
    lr_img=5.0,
    lr_lr=1e-3,
    lr_lr_in="alpha",
    lr=0.05,
    labels="learned",
    lr_labels=2.0,
)
DECODE = Decoder(labels=jax.nn.softmax)
NETWORK = make_network(NetworkSpec(depth=1, width=6), (8, 8, 1), 3)


@pytest.fixture
def arguments():
    """What is learned, and (start, target) of one trajectory with its axis."""
    keys = jax.random.split(jax.random.key(0), 3)
    start = jax.tree.map(lambda x: x[None], NETWORK.init(keys[0]))
    target = jax.tree.map(lambda x: x + 0.1 * jnp.cos(9 * x), start)
    logits = 3 * jax.nn.one_hot(jnp.arange(6) % 3, 3) + jax.random.normal(keys[1], (6, 3))
    images = jax.random.normal(keys[2], (6, 8, 8, 1))
    return Synthetic(images, logits, jnp.log(jnp.float32(0.05))), (start, target)


@functools.cache
def compiled(settings, decode):
    return jax.jit(make_outer_step(NETWORK.apply, None, settings, 6, decode=decode))


def moved(learned, pairs, settings=DATM, decode=DECODE, steps=1):
    """(state, the last record) after so many steps."""
    step = compiled(settings, decode)
    state = initial_state(learned, matching_optimiser(settings))
    for index in range(steps):
        state, record = step(state, pairs, jax.random.fold_in(jax.random.key(5), index))
    return state, record


def loss_of(learned, pairs, key):
    start, target = jax.tree.map(lambda x: x[0], pairs)
    batches = sample_batches(jax.random.split(key)[0], 6, 3, 6)
    return match_loss(DECODE(learned), start, target, apply=NETWORK.apply, batches=batches)[0]


def test_the_gradient_in_the_logits_is_that_of_finite_differences(arguments, x64):
    learned, pairs = jax.tree.map(lambda x: x.astype(jnp.float64), arguments)
    loss = jax.jit(
        lambda logits: loss_of(learned._replace(labels=logits), pairs, jax.random.key(3))
    )
    slope, step = jax.grad(loss)(learned.labels), 1e-5
    for at in [(0, 0), (2, 1), (5, 2)]:
        up, down = (loss(learned.labels.at[at].add(sign * step)) for sign in (1, -1))
        np.testing.assert_allclose(slope[at], (up - down) / (2 * step), rtol=1e-6)


def test_a_step_moves_images_logits_and_rate_each_by_its_own(arguments):
    learned, pairs = arguments
    after, _ = moved(learned, pairs)
    key = jax.random.fold_in(jax.random.key(5), 0)
    slope = jax.jit(jax.grad(loss_of))(learned, pairs, key)
    np.testing.assert_allclose(
        after.synthetic.images, learned.images - 5 * slope.images, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        after.synthetic.labels, learned.labels - 2 * slope.labels, rtol=1e-4, atol=1e-6
    )
    # To first order α itself moves by its rate times its gradient.
    in_alpha = slope.log_lr / 0.05
    np.testing.assert_allclose(jnp.exp(after.synthetic.log_lr), 0.05 - 1e-3 * in_alpha, rtol=1e-3)


def test_fixed_labels_stay_and_learned_ones_have_a_momentum_of_their_own(arguments):
    learned, pairs = arguments
    fixed, _ = moved(learned, pairs, replace(DATM, labels="fixed"), AS_LEARNED, steps=2)
    np.testing.assert_array_equal(fixed.synthetic.labels, learned.labels)
    ends = [moved(learned, pairs, replace(DATM, label_momentum=m), steps=2)[0] for m in (0, 0.9)]
    assert float(jnp.abs(ends[0].synthetic.labels - ends[1].synthetic.labels).max()) > 1e-3


def test_above_the_most_loss_nothing_moves_and_it_is_no_divergence(arguments):
    learned, pairs = arguments
    free, record = moved(learned, pairs)
    kept, refused = moved(learned, pairs, replace(DATM, most_loss=float(record.loss) * 0.999))
    before = initial_state(learned, matching_optimiser(DATM))
    assert_trees_all_equal(kept._replace(rejected=before.rejected), before)
    assert (int(kept.rejected), int(refused.rejected), int(refused.skipped)) == (1, 1, 0)
    moving, _ = moved(learned, pairs, replace(DATM, most_loss=float(record.loss) * 1.001))
    assert_trees_all_equal(moving, free)


def test_a_loss_that_is_no_number_is_a_divergence_whatever_the_most_loss(arguments):
    learned, (start, _) = arguments
    state, record = moved(learned, (start, start), replace(DATM, most_loss=1.0))
    assert (int(record.skipped), int(record.rejected)) == (1, 0)
    np.testing.assert_array_equal(state.synthetic.images, learned.images)
