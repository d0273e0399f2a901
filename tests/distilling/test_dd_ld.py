"""DD and LD in the loop: orders, rates, labels, and the networks of LD."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mttjax.config.methods import DD, LD
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.synthetic import Synthetic, mean_rate
from mttjax.distilling.dd import dd, dd_batches
from mttjax.distilling.ld import ld, probabilities
from mttjax.distilling.real_batches import MixedBatches
from mttjax.distilling.step import StepRecord

K, IPC = 3, 2
SHAPE = (8, 8, 1)
NETWORK = make_network(NetworkSpec(depth=1, width=4), SHAPE, K)
LABELS = LD(base_batch=4, real_batch=20, lr_labels=0.05, patience=2)


def prepare(images):
    return jnp.asarray(images, jnp.float32) / 255


def method(function, settings, labels, rates, **more):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, *SHAPE)).astype(np.uint8)
    batches = MixedBatches(images, np.arange(30) % K, size=settings.real_batch, seed=0)
    first = jnp.asarray(rng.standard_normal((K * IPC, *SHAPE)), jnp.float32)
    synthetic = Synthetic(first, jnp.asarray(labels, jnp.float32), jnp.log(jnp.float32(rates)))
    how = {"network": NETWORK, "preprocessing": prepare, "settings": settings}
    return function(synthetic, batches, **how, **more)


def steps(method, count):
    """The states before the first step and after each, and the losses."""
    root, states, losses = jax.random.key(5), [method.initial], []
    step = method.compile(states[0], method.draw(0).context, root, lambda line: None)
    for i in range(count):
        state = jax.tree.map(jnp.copy, states[-1])
        state, record = step(state, method.draw(i).context, root, i)
        states.append(state)
        losses.append(float(StepRecord(*record).loss))
    return states, losses


def test_dd_goes_through_one_image_of_every_class_at_a_time_in_one_order():
    np.testing.assert_array_equal(dd_batches(2, 3, 2), [[0, 2, 4], [1, 3, 5], [0, 2, 4], [1, 3, 5]])


def test_dd_moves_images_and_the_rate_of_every_step_and_leaves_labels():
    hard = np.repeat(np.eye(K), IPC, axis=0)
    settings = DD(passes=2, real_batch=20, lr_img=0.1)
    (first, *_, last), _ = steps(method(dd, settings, hard, np.full(4, 0.1)), 3)
    assert last.synthetic.log_lr.shape == (4,)
    assert (np.abs(last.synthetic.log_lr - first.synthetic.log_lr) > 0.01).all()
    assert np.abs(last.synthetic.images - first.synthetic.images).max() > 0.01
    np.testing.assert_array_equal(last.synthetic.labels, hard)
    assert mean_rate(last.synthetic) == pytest.approx(np.exp(last.synthetic.log_lr).mean())


def test_dds_rate_is_halved_and_adams_first_step_is_its_rate():
    hard = np.repeat(np.eye(K), IPC, axis=0)
    settings = DD(passes=1, real_batch=20, lr_img=0.1, halve_every=1)
    (before, after, _), _ = steps(method(dd, settings, hard, np.full(2, 0.1)), 2)
    moves = np.abs(after.synthetic.log_lr - before.synthetic.log_lr)
    np.testing.assert_allclose(moves, 0.1, rtol=1e-3)


def test_labels_stay_probabilities():
    labels = jnp.array([[0.5, 0.5, 2.0], [-1.0, 0.25, 0.25], [-1.0, -2.0, 0.0]])
    whole = probabilities(Synthetic(jnp.zeros((3, 1, 1, 1)), labels, jnp.zeros(())))
    expected = [[0.25, 0.25, 0.5], [0, 0.5, 0.5], [1 / 3] * 3]
    np.testing.assert_allclose(whole.labels, expected, rtol=1e-6)


def test_ld_moves_labels_alone_and_trains_its_network():
    even = np.full((K * IPC, K), 1 / K)
    (first, second, *_, last), _ = steps(method(ld, LABELS, even, 0.01, seed=0), 4)
    assert np.abs(last.synthetic.labels - even).max() > 0.02
    np.testing.assert_allclose(last.synthetic.labels.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(last.synthetic.images, first.synthetic.images)
    np.testing.assert_array_equal(last.synthetic.log_lr, first.synthetic.log_lr)
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), first.carry, second.carry)
    assert moved.params["linear"]["kernel"] == pytest.approx(LABELS.network_lr, rel=0.01)  # Adam


def test_lds_network_is_replaced_when_its_loss_no_longer_falls():
    """At a decay of 1 in float32 the average stays what it was, and the patience runs out."""
    even = np.full((K * IPC, K), 1 / K)
    states, losses = steps(
        method(ld, replace(LABELS, decay=1 - 2**-40, network_lr=0.0), even, 0.01, seed=0), 7
    )
    kernels = [np.asarray(s.carry.params["linear"]["kernel"]) for s in states]
    changed = [not np.array_equal(a, b) for a, b in itertools.pairwise(kernels)]
    # Steps 1, 2, 3: the first average is the least, then two without a new one.
    assert changed == [False, False, False, True, False, False, True]
    assert float(states[1].carry.average) == pytest.approx(losses[0], rel=1e-6)
    assert [int(s.carry.since) for s in states[1:]] == [0, 1, 2, 0, 1, 2, 0]
