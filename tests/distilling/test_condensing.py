"""DC, DSA, DM and CAFE in the loop: sums over classes, the networks' lives, the moves."""

import itertools
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close

from mttjax.config.methods import Condensation
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.objectives import gradient_match_loss, mean_feature_loss
from mttjax.core.synthetic import Synthetic
from mttjax.core.training import TrainState, make_epoch, sgd
from mttjax.distilling.condensing import condensing, summed_over_classes
from mttjax.distilling.real_batches import ClassBatches, MixedBatches
from mttjax.distilling.step import StepRecord
from mttjax.system.errors import InputError

K, IPC, R = 3, 2, 4
SHAPE = (8, 8, 1)
NETWORK = make_network(NetworkSpec(depth=1, width=4), SHAPE, K)
MEANS = Condensation(match="means", augmented=False, real_batch=R, lr_img=2.0, momentum=0.0)


def prepare(images):
    return jnp.asarray(images, jnp.result_type(float)) / 255


EQUAL, UNEQUAL = np.arange(30) % K, np.repeat([0, 1, 2], [26, 3, 1])


def real_images(labels=EQUAL):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, *SHAPE)).astype(np.uint8)
    images[:, 0, 0, 0] = labels  # which class, and which image, a batch can be asked
    images[:, 0, 1, 0] = np.arange(30)
    return images, labels


def method(settings, real=None, **options):
    rng = np.random.default_rng(1)
    images = jnp.asarray(rng.standard_normal((K * IPC, *SHAPE)), jnp.result_type(float))
    labels = jnp.repeat(jnp.eye(K), IPC, axis=0)
    synthetic = Synthetic(images, labels, jnp.log(jnp.float32(0.01)))
    batches = ClassBatches(*(real or real_images()), K, size=settings.real_batch, seed=0)
    options = {"siamese": None, "augment": None} | options
    options = {"network": NETWORK, "preprocessing": prepare} | options
    return condensing(synthetic, batches, settings=settings, **options)


def steps(method, count):
    """The states before the first step and after each, all copied: a step uses up its own."""
    root, states = jax.random.key(5), [method.initial]
    step = method.compile(states[0], method.draw(0).context, root, lambda line: None)
    for i in range(count):
        state = jax.tree.map(jnp.copy, states[-1])
        states.append(step(state, method.draw(i).context, root, i)[0])
    return states


@pytest.mark.parametrize("at_once", [2, 4])
def test_classes_at_once_give_the_same_loss_and_gradient(at_once, x64):
    images, weights = (jax.random.normal(jax.random.key(i), (4, 2, 3)) for i in range(2))
    loss = lambda x, w: jnp.sum(jnp.sin(x * w)) ** 2
    one = summed_over_classes(loss, images, weights, at_once=1)
    together = summed_over_classes(loss, images, weights, at_once=at_once)
    by_hand = jax.value_and_grad(lambda x: sum(map(loss, x, weights)))(images)
    assert_trees_all_close(one, by_hand, rtol=1e-12)
    assert_trees_all_close(together, by_hand, rtol=1e-12)


def test_classes_at_once_must_divide_the_classes():
    with pytest.raises(ValueError, match=r"\(2\) must divide the 3 classes"):
        summed_over_classes(jnp.sum, jnp.ones((3, 1)), at_once=2)


def test_a_step_of_dm_is_sgd_on_the_sum_over_classes():
    before, after = steps(method(MEANS), 1)
    key = jax.random.split(jax.random.fold_in(jax.random.key(5), 0))[0]
    params = NETWORK.init(jax.random.split(key)[0])
    real = prepare(method(MEANS).draw(0).context.real)
    embed = lambda params, x: NETWORK.layers(params, x).embedding

    def total(images):
        each = images.reshape(K, IPC, *SHAPE)
        return sum(mean_feature_loss(each[k], params, real[k], embed=embed) for k in range(K))

    slope = jax.grad(total)(before.synthetic.images)
    expected = before.synthetic.images - MEANS.lr_img * slope
    assert_trees_all_close(after.synthetic.images, expected, rtol=1e-4, atol=1e-6)
    assert_trees_all_close(after.synthetic[1:], before.synthetic[1:])


def test_a_network_lives_for_its_steps_and_is_trained_between_them():
    settings = replace(MEANS, image_steps=2, network_epochs=3, network_lr=0.1)
    contexts = [method(settings).draw(i).context for i in range(4)]
    assert [bool(c.fresh) for c in contexts] == [True, False, True, False]
    assert [bool(c.trained) for c in contexts] == [True, False, True, False]
    _, first, second, third = (s.carry for s in steps(method(settings), 3))
    assert_trees_all_close(first, second)  # used once more, then not trained: another follows
    distance = sum(jax.tree.leaves(jax.tree.map(lambda a, b: jnp.abs(a - b).sum(), second, third)))
    assert distance > 1


def test_the_inner_loop_is_training_on_the_synthetic_images():
    settings = replace(MEANS, image_steps=2, network_epochs=2, network_lr=0.1)
    _, after = steps(method(settings), 1)
    root = jax.random.fold_in(jax.random.key(5), 0)
    gradient_key, advance_key = jax.random.split(root)
    params = NETWORK.init(jax.random.split(gradient_key)[0])
    epoch = make_epoch(NETWORK.apply, sgd(), prepare=lambda *data: data, augment=None, batch=256)
    state = TrainState(params, sgd().init(params))
    for key in jax.random.split(advance_key, 2):
        state, _ = epoch(state, key, *after.synthetic[:2], 0.1)
    assert_trees_all_close(after.carry, state.params, rtol=1e-4, atol=1e-6)


def by_a_plain_loop(match, images, params, reals):
    """The sum over classes, each with the real images that there are of it."""
    embed = lambda params, x: NETWORK.layers(params, x).embedding
    each = images.reshape(K, IPC, *SHAPE)
    if match == "means":
        pairs = zip(each, reals, strict=True)
        return sum(mean_feature_loss(x, params, r, embed=embed) for x, r in pairs)
    if match == "gradients":
        of = lambda n, k: jnp.eye(K)[jnp.full(n, k)]
        return sum(
            gradient_match_loss(x, of(IPC, k), params, r, of(len(r), k), apply=NETWORK.apply)
            for k, (x, r) in enumerate(zip(each, reals, strict=True))
        )
    real, ours = ([NETWORK.layers(params, x) for x in side] for side in (reals, each))
    error = lambda a, b: jnp.sum((a.mean(0) - b.mean(0)) ** 2)
    total = sum(
        error(r.blocks[-1], o.blocks[-1]) + 2 * error(r.embedding, o.embedding)
        for r, o in zip(real, ours, strict=True)
    )
    centres = jnp.stack([o.embedding.mean(0) for o in ours])
    told = sum(
        -jax.nn.log_softmax(feature @ centres.T)[k]
        for k, r in enumerate(real)
        for feature in r.embedding
    )
    return total + 0.01 * told


@pytest.mark.parametrize("match", ["means", "gradients", "layers"])
def test_a_class_of_few_images_is_matched_by_those_that_there_are(match, x64):
    """Against a plain loop in float64, with batches of 4, 3 and 1 real images."""
    settings = replace(MEANS, match=match, lr_img=1.0)
    double = partial(jax.tree.map, lambda x: x.astype(jnp.float64))
    network = NETWORK._replace(init=lambda key: double(NETWORK.init(key)))
    network = network._replace(shapes=jax.eval_shape(network.init, jax.random.key(0)))
    unequal = method(settings, real_images(UNEQUAL), network=network, chunk=2)
    real = prepare(unequal.draw(0).context.real)
    reals = [real[0], real[1, :3], real[2, :1]]
    assert [len(np.unique(r[:, 0, 1, 0])) for r in reals] == [4, 3, 1]
    before, after = steps(unequal, 1)
    key = jax.random.split(jax.random.fold_in(jax.random.key(5), 0))[0]
    params = network.init(jax.random.split(key)[0])
    loss = lambda images: by_a_plain_loop(match, images, params, reals)
    slope = jax.jit(jax.grad(loss))(before.synthetic.images)
    moved = before.synthetic.images - after.synthetic.images
    assert float(jnp.abs(slope).max()) > 1e-4
    assert_trees_all_close(moved, slope, rtol=1e-9, atol=1e-12)


def test_what_fills_up_a_batch_is_kept_from_a_batch_norm():
    network = make_network(NetworkSpec(depth=1, width=4, norm="batch"), SHAPE, K)
    with pytest.raises(InputError, match="class 2 has 1 training image of the 4 of a batch"):
        method(MEANS, real_images(UNEQUAL), network=network)
    method(replace(MEANS, real_batch=1), real_images(UNEQUAL), network=network)
    method(MEANS, network=network)


@pytest.mark.parametrize("match", ["gradients", "layers"])
def test_dc_and_cafe_lower_their_loss_on_one_network(match):
    """The same network and real images at every step: the loss must fall."""
    settings = Condensation(match=match, augmented=False, real_batch=R, lr_img=0.02, momentum=0.0)
    one = method(settings)
    step = one.compile(one.initial, one.draw(0).context, jax.random.key(0), lambda line: None)
    state, losses = jax.tree.map(jnp.copy, one.initial), []
    for _ in range(8):
        state, record = step(state, one.draw(0).context, jax.random.key(0), 0)
        record = StepRecord(*record)
        losses.append(float(record.loss))
    assert losses[-1] < losses[0]
    assert np.isnan(record.student_loss)


def test_the_rate_is_halved_at_the_steps_named():
    plain, halved = (steps(method(replace(MEANS, halve_at=at)), 3) for at in ((), (1, 2)))

    def moves(states):
        images = [np.asarray(state.synthetic.images) for state in states]
        return [after - before for before, after in itertools.pairwise(images)]

    np.testing.assert_array_equal(moves(plain)[0], moves(halved)[0])
    np.testing.assert_allclose(moves(halved)[1], moves(plain)[1] / 2, atol=1e-5)


def test_matched_images_are_augmented_alike_and_those_trained_on_each_by_itself():
    seen = {"siamese": set(), "augment": set()}

    def noted(name):
        def augment(key, images):
            seen[name].add(images.shape[0])
            return images

        return augment

    how = {name: noted(name) for name in seen}
    trained = replace(MEANS, image_steps=2)
    steps(method(trained, **how), 1)
    assert seen == {"siamese": set(), "augment": set()}
    steps(method(replace(trained, augmented=True), **how), 1)
    assert seen["siamese"] == {IPC, R}
    assert K * IPC in seen["augment"]
    assert not seen["siamese"] & seen["augment"]


def test_class_batches_are_of_their_classes_without_repeats_and_decided_by_the_step():
    images, labels = real_images()
    draw = ClassBatches(images, labels, K, size=R, seed=0).draw
    batch = draw(3).context
    assert batch.shape == (K, R, *SHAPE)
    assert (batch[:, :, 0, 0, 0] == np.arange(K)[:, None]).all()
    assert all(len(set(of_class[:, 0, 1, 0].tolist())) == R for of_class in batch)
    np.testing.assert_array_equal(batch, draw(3).context)
    assert not np.array_equal(batch, draw(4).context)
    assert ClassBatches(images, labels, K, size=99, seed=0).draw(0).context.shape[1] == 10
    assert ClassBatches(images, labels, K, size=R, seed=0).mask is None
    unequal = ClassBatches(*real_images(UNEQUAL), K, size=R, seed=0)
    np.testing.assert_array_equal(unequal.mask, [[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0]])
    assert set(unequal.draw(0).context[1, :, 0, 1, 0].tolist()) == {26, 27, 28}
    with pytest.raises(InputError, match="class 3 has no training images"):
        ClassBatches(images, labels, K + 1, size=R, seed=0)


def test_mixed_batches_come_with_their_labels():
    images, labels = real_images()
    chosen, own = MixedBatches(images, labels, size=12, seed=0).draw(2).context
    np.testing.assert_array_equal(chosen[:, 0, 0, 0], own)
    assert len({int(i) for i in chosen[:, 0, 1, 0]}) == 12
    draw = partial(MixedBatches(images, labels, size=99, seed=1).draw, 2)
    assert len(draw().context[1]) == 30
