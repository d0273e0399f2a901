"""Every real image is counted once, under its own class, whatever the size of the test set."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mttjax.core.preprocessing import Standardize
from mttjax.core.testing import filled_up, make_test, share_of

K = 4
PIXELS = Standardize(np.zeros(1, np.float32), np.ones(1, np.float32))
"""Pixels in [0, 1]."""


def by_table(params, images):
    """Logits that the images themselves carry: the first pixel is the class."""
    return params[jnp.round(255 * images[:, 0, 0, 0]).astype(int)]


def of_classes(count):
    """(images, labels, what the table says of each)."""
    said, labels = np.random.default_rng(count).integers(0, K, (2, count)).astype(np.int32)
    said[-1] = labels[-1]  # so that a last image left out would show
    images = np.zeros((count, 2, 2, 1), np.uint8)
    images[:, 0, 0, 0] = said
    return images, labels, said


@pytest.mark.parametrize("count", [1, 5, 6, 23])
def test_every_image_counts_for_its_class_and_what_fills_up_for_none(count):
    images, labels, said = of_classes(count)
    test = make_test(by_table, K, 5)
    correct = np.asarray(test(jnp.eye(K), PIXELS, *filled_up(images, labels, 5)))
    expected = [np.sum((said == labels) & (labels == k)) for k in range(K)]
    assert correct.tolist() == expected
    np.testing.assert_allclose(share_of(correct, count), np.mean(said == labels), rtol=1e-6)


def test_sizes_of_as_many_chunks_share_a_program():
    test = make_test(partial(by_table), K, 5)
    for count in (21, 23, 25):
        test(jnp.eye(K), PIXELS, *filled_up(*of_classes(count)[:2], 5))
    assert test._cache_size() == 1


def test_the_share_is_that_of_a_program_that_divides_by_the_count():
    """To the last bit: accuracies that were measured before stay what they are."""
    hits = np.arange(451, dtype=np.int32)
    divided = jax.jit(lambda x: jnp.sum(x, axis=-1) / 450)(hits[:, None])
    np.testing.assert_array_equal(share_of(hits[:, None], 450), divided)
