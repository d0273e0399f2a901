"""The evaluator against a plain loop of the paper's protocol."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import PRODUCTS, products_on_a_card, scored

import mttjax
from mttjax.config.protocol import Protocol
from mttjax.core import testing
from mttjax.core.preprocessing import Standardize
from mttjax.core.unrolling import soft_cross_entropy
from mttjax.evaluation import testing as evaluation_testing
from mttjax.evaluation.evaluator import Evaluator
from mttjax.evaluation.testing import Evaluation, is_imbalanced
from mttjax.system import seeds
from mttjax.system.errors import InputError

SHAPE, K, N = (8, 8, 1), 3, 7
LR = 0.1


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    network = mttjax.make_network(mttjax.NetworkSpec(depth=1, width=2), SHAPE, K)
    images = rng.standard_normal((N, *SHAPE)).astype(np.float32)
    labels = np.eye(K, dtype=np.float32)[np.arange(N) % K]
    test = (rng.integers(0, 256, (50, *SHAPE), np.uint8), rng.integers(0, K, 50).astype(np.int32))
    preprocessing = Standardize(np.float32([0.5]), np.float32([0.25]))
    return network, images, labels, test, preprocessing


def by_a_plain_loop(problem, protocol, network_index, seed):
    """SGD as PyTorch writes it, in NumPy around one gradient; the whole set is one batch."""
    network, images, labels, test, preprocessing = problem
    key = jax.random.split(seeds.key("evaluation", seed), protocol.networks)[network_index]
    params = network.init(jax.random.fold_in(key, 0))
    gradient = jax.jit(
        jax.grad(lambda p: soft_cross_entropy(network.apply(p, images), jnp.asarray(labels)))
    )
    zeros = jax.tree.map(np.zeros_like, params)
    momentum, lr = zeros, LR
    for epoch in range(protocol.epochs):
        grads = jax.tree.map(lambda g, p: g + protocol.weight_decay * p, gradient(params), params)
        momentum = jax.tree.map(lambda m, g: protocol.momentum * m + g, momentum, grads)
        params = jax.tree.map(lambda p, m, lr=lr: p - lr * m, params, momentum)
        if epoch == protocol.epochs // 2 + 1:
            lr, momentum = lr / 10, zeros
    return np.mean(np.argmax(network.apply(params, preprocessing(test[0])), -1) == test[1])


def test_it_follows_the_papers_protocol(problem):
    network, images, labels, test, preprocessing = problem
    protocol = Protocol(networks=2, epochs=41, weight_decay=0.05)
    evaluator = Evaluator(network, preprocessing, (), {"test": test}, protocol)
    ours = evaluator(images, labels, LR, seed=3)["test"].accuracies
    expected = [by_a_plain_loop(problem, protocol, i, 3) for i in range(2)]
    np.testing.assert_allclose(ours, expected, atol=0.021)  # one of 50 images may tip over
    assert ours.shape == (2,)


@pytest.mark.parametrize("precision", PRODUCTS)
def test_every_product_is_of_the_networks_precision(precision, problem):
    _, images, labels, test, preprocessing = problem
    spec = mttjax.NetworkSpec(depth=1, width=2, precision=precision)
    network = mttjax.make_network(spec, SHAPE, K)
    ops, protocol = ("flip",), Protocol(networks=2, epochs=3)
    evaluator = Evaluator(network, preprocessing, ops, {"test": test}, protocol)
    key = jax.random.key(0)
    state = evaluator._begin(key)
    trained = evaluator._train.trace(state, key, images, labels, LR, 3, 0, 3)
    tested = evaluator._test.trace(state.params, preprocessing, *test)
    for traced in (trained, tested):
        assert products_on_a_card(traced) == {PRODUCTS[precision]}


def test_networks_that_diverge_are_told(problem, capsys):
    network, images, labels, test, preprocessing = problem
    evaluator = Evaluator(
        network, preprocessing, (), {"test": test}, Protocol(networks=2, epochs=9)
    )
    evaluator(images, labels, LR, seed=0)
    assert "diverged" not in capsys.readouterr().err
    evaluator(1e3 * images, labels, 1e9, seed=0, title="mine")
    assert "mine: 2 of 2 networks diverged at the rate 1e+09" in capsys.readouterr().err


def test_same_seed_same_accuracies_and_pieces_do_not_matter(problem):
    network, images, labels, test, preprocessing = problem
    protocol = Protocol(networks=2, epochs=10)
    ops = ("crop", "cutout")
    evaluator = Evaluator(network, preprocessing, ops, {"test": test}, protocol)
    runs = [
        evaluator(images, labels, LR, seed=seed, pieces=pieces)["test"].accuracies
        for seed, pieces in ((0, 1), (0, 7), (1, 7))
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


def test_mean_and_population_deviation():
    score = scored(0.5, 0.7)
    assert score.mean == pytest.approx(0.6)
    assert score.std == pytest.approx(0.1)
    assert score.record()["networks"] == 2


def test_a_class_that_is_never_seen_lowers_the_balanced_accuracy_alone():
    """Two networks on 90 images of one class, 10 of another and none of a third."""
    score = Evaluation.of(np.array([[90, 0, 0], [81, 9, 0]]), labels=np.repeat([0, 1], [90, 10]))
    np.testing.assert_allclose(score.balanced, [0.5, 0.9])
    assert score.per_class() == [pytest.approx(0.95), pytest.approx(0.45), None]
    record = score.record()
    assert record["balanced"] == {"mean": pytest.approx(0.7), "std": pytest.approx(0.2)}
    assert record["tested"] == [90, 10, 0]
    again = Evaluation.from_record(json.loads(json.dumps(record)))
    assert again.record() == record
    assert is_imbalanced(record["tested"])
    assert not is_imbalanced([10, 0, 10])


def test_evaluators_of_one_network_share_what_is_compiled(problem):
    network, images, labels, (tests, classes), preprocessing = problem
    how = {"batch": 4, "momentum": 0.8}
    first = Evaluator(network, preprocessing, (), {"test": (tests, classes)}, Protocol(1, 3, **how))
    first(images, labels, LR, seed=0)
    sizes = first._train._cache_size(), first._test._cache_size()
    again = mttjax.make_network(network.spec, SHAPE, K)
    other = Standardize(np.float32([0.4]), np.float32([0.5]))
    more = {"validation": (tests[:40], classes[:40]), "test": (tests, classes)}
    second = Evaluator(again, other, (), more, Protocol(2, 4, **how))
    found = second(images, labels, np.float32(LR / 2), seed=1)
    assert set(found) == set(more)
    assert (second._train._cache_size(), second._test._cache_size()) == (sizes[0], sizes[1] + 1)
    assert len(found["test"].accuracies) == 2


@pytest.fixture
def with_batch_norm(problem):
    network = mttjax.make_network(mttjax.NetworkSpec(depth=1, width=2, norm="batch"), SHAPE, K)
    return network, *problem[1:]


def test_a_batch_norm_is_given_whole_batches(with_batch_norm, monkeypatch):
    """In chunks, as a CPU takes other networks, it would normalise by the chunk."""
    monkeypatch.setattr("mttjax.core.training.cache_chunk", lambda *_: 1)
    network, images, labels, test, preprocessing = with_batch_norm
    protocol = Protocol(networks=1, epochs=31)
    evaluator = Evaluator(network, preprocessing, (), {"test": test}, protocol)
    ours = evaluator(images, labels, LR, seed=3)["test"].accuracies
    expected = by_a_plain_loop(with_batch_norm, protocol, 0, 3)
    np.testing.assert_allclose(ours, [expected], atol=0.021)


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_batch_norm_is_not_tested_on_a_class_at_a_time(
    problem, with_batch_norm, monkeypatch, shuffled
):
    def as_many_as_the_first_batch_has_of_the_first_class(*args, chunk):
        labels = args[-1]
        return jnp.arange(len(labels)) < len(labels) * jnp.mean(labels[:chunk] == 0)

    hits = as_many_as_the_first_batch_has_of_the_first_class
    monkeypatch.setattr(testing, "classified_correctly", hits)
    monkeypatch.setattr("mttjax.core.training.cache_chunk", lambda *_: 5)
    monkeypatch.setattr(evaluation_testing, "TEST_BATCH", 5)
    network, images, labels, test, preprocessing = with_batch_norm if shuffled else problem
    by_class = tuple(np.asarray(part)[np.argsort(test[1])] for part in test)
    protocol = Protocol(networks=1, epochs=1)
    evaluator = Evaluator(network, preprocessing, (), {"test": by_class}, protocol)
    share = evaluator(images, labels, LR, seed=0)["test"].mean
    assert (share < 0.9) == shuffled


def test_a_protocol_of_nothing_is_refused(problem):
    network, _, _, test, preprocessing = problem
    with pytest.raises(InputError, match="networks is 0: at least 1 is needed"):
        Evaluator(network, preprocessing, (), {"test": test}, Protocol(networks=0))
