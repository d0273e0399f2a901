"""An epoch against a plain NumPy loop of PyTorch's SGD; accuracy; no recompilation."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close

from mttjax.core import training
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.training import (
    TrainState,
    accuracy,
    cache_chunk,
    fitting_test_chunk,
    make_epoch,
    sgd,
)

N, B, K = 17, 5, 3
LR = 0.1


def linear(params, images):
    return images.reshape(images.shape[0], -1) @ params["w"] + params["b"][None]


def prepare(images, labels):
    return images / 255.0, jax.nn.one_hot(labels, K, dtype=jnp.result_type(float))


def noise(key, images):
    return images + 0.1 * jax.random.uniform(key, images.shape, images.dtype)


def start(optimiser):
    rng = np.random.default_rng(0)
    params = {"w": jnp.asarray(rng.standard_normal((12, K))), "b": jnp.ones(K)}
    return TrainState(params, optimiser.init(params))


def training_set(count=N):
    """Images that all differ."""
    rng = np.random.default_rng(1)
    images = jnp.asarray(rng.integers(0, 256, (count, 2, 2, 3)), jnp.uint8)
    return images, jnp.asarray(rng.integers(0, K, count), jnp.int32)


class Spy:
    """``prepare`` and ``augment`` that note what every step is given, under jit too."""

    def __init__(self):
        self.given, self.labels, self.keys, self.batches = [], [], [], []

    def prepare(self, images, labels):
        x, y = prepare(images, labels)
        jax.debug.callback(self._note_given, images, labels, y, ordered=True)
        return x, y

    def augment(self, key, images):
        x = noise(key, images)
        jax.debug.callback(self._note_batch, jax.random.key_data(key), x, ordered=True)
        return x

    def _note_given(self, images, labels, y):
        self.given.append((np.array(images), np.array(labels)))
        self.labels.append(np.array(y))

    def _note_batch(self, key, x):
        self.keys.append(np.array(key).tobytes())
        self.batches.append((np.array(x).reshape(len(x), -1), self.labels[-1]))


@functools.cache
def spied_epochs(count, momentum, weight_decay, chunk):
    """Two epochs in float64: (the state after them, the mean losses, one ``Spy`` of both)."""
    spy, losses = Spy(), []
    optimiser = sgd(momentum=momentum, weight_decay=weight_decay)
    epoch = make_epoch(
        linear, optimiser, prepare=spy.prepare, augment=spy.augment, batch=B, chunk=chunk
    )
    with jax.enable_x64(True):
        run, state = jax.jit(epoch), start(optimiser)
        for i in range(2):
            state, record = run(state, jax.random.key(i), *training_set(count), LR)
            losses.append(record.loss)
        jax.effects_barrier()
    return state, losses, spy


def softmax_regression(params, x, y):
    """Loss and gradient by hand."""
    logits = x @ params["w"] + params["b"]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    error = (p - y) / len(x)
    return -np.mean(np.sum(y * np.log(p), axis=1)), {"w": x.T @ error, "b": error.sum(axis=0)}


def pytorch_sgd(params, batches, momentum=0.0, weight_decay=0.0):
    """torch.optim.SGD over the batches: the parameters, and the loss of every image."""
    params = {name: np.asarray(p) for name, p in params.items()}
    buffers, losses = None, []
    for x, y in batches:
        loss, grads = softmax_regression(params, x, y)
        losses += [loss] * len(x)
        grads = {n: g + weight_decay * params[n] for n, g in grads.items()}
        first = buffers is None
        buffers = grads if first else {n: momentum * buffers[n] + grads[n] for n in grads}
        params = {n: params[n] - LR * buffers[n] for n in params}
    return params, losses


@pytest.mark.parametrize(
    ("momentum", "weight_decay", "chunk"),
    [
        (0.0, 0.0, None),
        (0.9, 0.05, None),
        (0.9, 0.05, 2),  # divides neither a batch nor the rest: images one or two at a time
    ],
)
def test_two_epochs_equal_a_loop_of_pytorchs_sgd(momentum, weight_decay, chunk, x64):
    state, means, spy = spied_epochs(N, momentum, weight_decay, chunk)
    params, losses = pytorch_sgd(start(sgd()).params, spy.batches, momentum, weight_decay)
    assert_trees_all_close(state.params, params, rtol=1e-10)
    np.testing.assert_allclose(means, [np.mean(losses[:N]), np.mean(losses[N:])], rtol=1e-10)


@pytest.mark.parametrize(("count", "sizes"), [(17, [5, 5, 5, 2]), (15, [5, 5, 5]), (3, [3])])
def test_an_epoch_sees_every_image_once_with_its_label(count, sizes):
    _, _, spy = spied_epochs(count, 0.0, 0.0, None)
    assert [len(y) for _, y in spy.given] == 2 * sizes
    there = sorted(pairs(training_set(count)))
    for given in (spy.given[: len(sizes)], spy.given[len(sizes) :]):
        assert sorted(pair for data in given for pair in pairs(data)) == there


def pairs(data):
    return [(x.tobytes(), int(y)) for x, y in zip(*map(np.asarray, data), strict=True)]


def test_order_and_augmentation_change_from_step_to_step_and_epoch_to_epoch():
    _, _, spy = spied_epochs(N, 0.0, 0.0, None)
    assert len(spy.keys) == len(set(spy.keys)) == 8
    order = np.concatenate([images for images, _ in spy.given])
    assert not np.array_equal(order[:N], order[N:])
    assert not np.array_equal(order[:N], training_set()[0])


def test_what_orders_the_images_augments_none_of_them(monkeypatch):
    """``split(k)[i]`` is ``fold_in(k, i)``: no key of one is among the descendants of the other."""
    orders, permutation = [], jax.random.permutation
    monkeypatch.setattr(
        jax.random, "permutation", lambda key, n: (orders.append(key), permutation(key, n))[1]
    )
    spy = Spy()
    epoch = make_epoch(linear, sgd(), prepare=spy.prepare, augment=spy.augment, batch=B)
    epoch(start(sgd()), jax.random.key(0), *training_set(), LR)
    jax.effects_barrier()

    def descendants(key, depth=3):
        children = [jax.random.fold_in(key, i) for i in range(6)] if depth else []
        return {jax.random.key_data(key).tobytes()}.union(
            *(descendants(child, depth - 1) for child in children)
        )

    assert len(spy.keys) == 4
    assert not set(spy.keys) & descendants(orders[0])


def test_without_augmentation_an_epoch_of_one_batch_is_a_gradient_step(x64):
    """The whole set at once: the order cannot matter."""
    images, labels = data = training_set()
    epoch = make_epoch(linear, sgd(), prepare=prepare, augment=None, batch=64)
    state, record = jax.jit(epoch)(start(sgd()), jax.random.key(3), *data, LR)
    x, y = (np.asarray(a) for a in prepare(images, labels))
    params, losses = pytorch_sgd(start(sgd()).params, [(x.reshape(N, -1), y)])
    assert_trees_all_close(state.params, params, rtol=1e-12)
    np.testing.assert_allclose(record.loss, losses[0], rtol=1e-12)


@pytest.mark.parametrize("chunk", [None, 2])
def test_an_epoch_says_which_images_were_known_before_their_update(chunk, x64):
    """At rate 0 the parameters stay; the flags are in the order of the set, not of the pass."""
    images, labels = data = training_set()
    epoch = make_epoch(linear, sgd(), prepare=prepare, augment=None, batch=B, chunk=chunk)
    begin = start(sgd())
    _, record = jax.jit(epoch)(begin, jax.random.key(3), *data, 0.0)
    known = jnp.argmax(linear(begin.params, prepare(images, labels)[0]), axis=-1) == labels
    assert 0 < known.sum() < N
    np.testing.assert_array_equal(record.correct, known)
    # One image a step at a huge rate: an image is judged before its own step, not after.
    one = make_epoch(linear, sgd(), prepare=prepare, augment=None, batch=1)
    alone = tuple(a[:1] for a in data)
    _, record = jax.jit(one)(begin, jax.random.key(3), *alone, 1e3)
    np.testing.assert_array_equal(record.correct, known[:1])


def test_plain_sgd_keeps_no_state():
    params = {"w": jnp.ones(3)}
    assert jax.tree.leaves(sgd().init(params)) == []
    assert len(jax.tree.leaves(sgd(momentum=0.9).init(params))) == 1


def test_further_epochs_and_other_rates_do_not_compile_again():
    optimiser = sgd(momentum=0.9, weight_decay=5e-4)
    whole = make_epoch(linear, optimiser, prepare=prepare, augment=None, batch=B)
    epoch, state = jax.jit(chex.assert_max_traces(whole, n=1)), start(optimiser)
    for i in range(3):
        state, _ = epoch(state, jax.random.key(i), *training_set(), 0.1 / (i + 1))


def by_table(params, images):
    """Logits that the images themselves carry: the first pixel is the class."""
    return params[jnp.round(images[:, 0, 0, 0]).astype(int)]


@pytest.mark.parametrize("count", [1, 5, 6, 23])
@pytest.mark.parametrize("chunk", [1, 5, 256])
def test_accuracy_counts_every_image_once(count, chunk):
    rng = np.random.default_rng(count)
    said, labels = rng.integers(0, K, (2, count))
    said[-1] = labels[-1]  # so that a remainder left out would show
    images = np.zeros((count, 2, 2, 1), np.uint8)
    images[:, 0, 0, 0] = 10 * said
    logits, scaled = jnp.eye(K), lambda x: x / 10
    found = accuracy(
        by_table, scaled, logits, jnp.asarray(images), jnp.asarray(labels), chunk=chunk
    )
    np.testing.assert_allclose(found, np.mean(said == labels), rtol=1e-6)
    assert (found.shape, found.dtype) == ((), jnp.float32)


def test_a_cpu_takes_images_in_chunks_that_fit_its_caches():
    assert cache_chunk((32, 32, 3), "cpu") == 16
    assert cache_chunk((64, 64, 3), "cpu") == 4
    assert cache_chunk((1024, 1024, 3), "cpu") == 1
    assert cache_chunk((32, 32, 3), "gpu") is None


def test_an_accelerator_takes_as_much_as_its_memory_holds(monkeypatch):
    holds = lambda size: monkeypatch.setattr(training, "device_memory", lambda: size)
    largest = 16 * 16 * 4 * 4  # bytes of the first block of one image
    network = make_network(NetworkSpec(depth=2, width=4), (16, 16, 3), K)
    assert fitting_test_chunk(network) == 64
    holds(4 * 4 * 60 * largest)
    assert fitting_test_chunk(network) == 60
    holds(80e9)
    assert fitting_test_chunk(network) == 1000
    whole = make_network(NetworkSpec(depth=2, width=4, norm="batch"), (16, 16, 3), K)
    holds(1)
    assert fitting_test_chunk(whole) == 1000  # what it says of an image depends on the others
