"""DD's own way of using a set, against a plain loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import small_dataset, small_set

from mttjax.core.networks import make_network
from mttjax.core.unrolling import soft_cross_entropy
from mttjax.evaluation import evaluate_own_way
from mttjax.system import seeds
from mttjax.system.errors import InputError

DATASET, RATES = small_dataset(), [0.3, 0.1, 0.5, 0.2]


def dd_set(rates=RATES, **changes):
    return small_set(2, settings={"method": "dd", "rates": rates}, **changes)


def by_a_plain_loop(distilled, rates, index, seed):
    """How many test images of each class are right after steps on images 0, 1, 0, 1 of each."""
    network = make_network(distilled.network, (8, 8, 1), 3)
    key = jax.random.split(seeds.key("evaluation", seed), 3)[index]
    params = network.init(jax.random.fold_in(key, 0))
    images, labels = jnp.asarray(distilled.images), jnp.asarray(distilled.labels)
    loss = jax.jit(jax.grad(lambda p, x, y: soft_cross_entropy(network.apply(p, x), y)))
    for step, rate in enumerate(rates):
        batch = np.array([0, 2, 4]) + step % 2
        slope = loss(params, images[batch], labels[batch])
        params = jax.tree.map(lambda p, g, rate=rate: p - rate * g, params, slope)
    test = DATASET.test
    right = np.argmax(network.apply(params, distilled.preprocessing(test.images)), -1)
    return [int(np.sum((right == test.labels) & (test.labels == k))) for k in range(3)]


def test_it_is_the_sets_own_steps_in_order_at_their_own_rates():
    found = evaluate_own_way(dd_set(), DATASET, networks=3, seed=4)
    expected = [by_a_plain_loop(dd_set(), RATES, index, 4) for index in range(3)]
    assert np.abs(found.correct - np.array(expected)).max() <= 1  # an image may tip over
    np.testing.assert_allclose(found.accuracies, found.correct.sum(1) / 40, rtol=1e-6)
    assert len({tuple(counts) for counts in expected}) > 1


def test_a_set_whose_steps_have_no_rates_has_no_way_of_its_own():
    assert evaluate_own_way(small_set(2), DATASET, networks=3) is None


@pytest.mark.parametrize("rates", [RATES[:3], [], "fast", [0.1, -0.2], [0.1, "x"], None])
def test_rates_that_are_not_those_of_the_steps_are_refused(rates):
    with pytest.raises(InputError, match=r"settings\['rates'\]"):
        evaluate_own_way(dd_set(rates), DATASET, networks=3)


def test_images_that_are_not_class_by_class_are_refused():
    labels = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
    with pytest.raises(InputError, match="images class by class"):
        evaluate_own_way(dd_set(labels=labels), DATASET, networks=3)
