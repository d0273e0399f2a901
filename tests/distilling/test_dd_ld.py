"""DD and LD in the loop: orders, rates, labels, and the networks of LD."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mttjax.config.methods import DD, LD
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.objectives.meta import class_by_class
from mttjax.core.synthetic import Synthetic, mean_rate
from mttjax.core.unrolling import soft_cross_entropy
from mttjax.distilling.dd import dd
from mttjax.distilling.ld import Carry, _watched, ld, probabilities
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
    np.testing.assert_array_equal(
        class_by_class(2, 3, 2), [[0, 2, 4], [1, 3, 5], [0, 2, 4], [1, 3, 5]]
    )


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


def lives(wrong, patience):
    """How many steps each network lives, as the published code counts: a window to be filled,
    then as many steps without a lower sum of it and one more."""
    lived, window, least, since, found = 0, [], None, 0, []
    for count in wrong:
        window, lived = [*window, count][-patience:], lived + 1
        if lived < patience:
            continue
        if lived == patience or sum(window) < least:
            least, since = sum(window), 0
        elif since < patience:
            since += 1
        else:
            found.append(lived)
            lived, window, since = 0, [], 0
    return found


@pytest.mark.parametrize("patience", [1, 5])
def test_a_network_of_ld_lives_as_long_as_published(patience):
    wrong = np.random.default_rng(0).integers(0, 20, 300)
    fresh = Carry({}, (), jnp.zeros(patience, jnp.int32), *[jnp.int32(0)] * 3)
    watched, carry, found = jax.jit(_watched), fresh, []
    for count in wrong:
        carry = watched(carry, jnp.int32(count))
        if int(carry.since) > patience:
            found.append(int(carry.steps))
            carry = fresh
    assert found == lives(wrong, patience)
    assert len(found) > 5


def test_lds_network_is_replaced_when_its_error_no_longer_falls():
    """Without a rate the error on the same images is always the same."""
    even = np.full((K * IPC, K), 1 / K)
    still = replace(LABELS, real_batch=30, network_lr=0.0, lr_labels=0.0)
    states, _ = steps(method(ld, still, even, 0.01, seed=0), 7)
    kernels = [np.asarray(s.carry.params["linear"]["kernel"]) for s in states]
    changed = [not np.array_equal(a, b) for a, b in itertools.pairwise(kernels)]
    assert changed == [False, False, False, False, False, True, False]  # 2 · 2 + 1 steps
    assert [int(s.carry.since) for s in states[1:]] == [0, 0, 1, 2, 3, 0, 0]


def test_lds_network_learns_from_the_labels_as_they_were_before_the_step():
    """At a rate of the labels that moves them far: one step of Adam, by hand."""
    even = np.full((K * IPC, K), 1 / K)
    far = replace(LABELS, base_batch=K * IPC, lr_labels=0.3)
    (first, second), _ = steps(method(ld, far, even, 0.01, seed=0), 1)
    assert np.abs(second.synthetic.labels - even).max() > 0.1

    def stepped(labels):
        params, adam = first.carry.params, optax.adam(far.network_lr)
        loss = lambda p: soft_cross_entropy(NETWORK.apply(p, first.synthetic.images), labels)
        updates, _ = adam.update(jax.grad(loss)(params), adam.init(params))
        return optax.apply_updates(params, updates)

    distance = lambda tree: max(
        float(jnp.abs(a - b).max())
        for a, b in zip(*map(jax.tree.leaves, (tree, second.carry.params)), strict=True)
    )
    assert distance(stepped(first.synthetic.labels)) < 1e-6
    assert distance(stepped(second.synthetic.labels)) > 1e-4


def test_dd_augments_photographs_and_nothing_else(monkeypatch):
    seen = []

    def noted(key, images):
        seen.append(images.shape)
        return images

    monkeypatch.setattr("mttjax.distilling.dd.crop_and_flip", noted)
    for channels, augmented in ((1, True), (3, False), (3, True)):
        network = make_network(NetworkSpec(depth=1, width=4), (8, 8, channels), K)
        first = Synthetic(jnp.zeros((K, 8, 8, channels)), jnp.eye(K), jnp.zeros(1))
        images = np.zeros((9, 8, 8, channels), np.uint8)
        batches = MixedBatches(images, np.arange(9) % K, size=9, seed=0)
        how = {"network": network, "preprocessing": prepare}
        settings = DD(passes=1, real_batch=9, augmented=augmented)
        steps(dd(first, batches, settings=settings, **how), 1)
    assert seen == [(9, 8, 8, 3)]
