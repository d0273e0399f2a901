"""Initial images and labels: class by class, from the right classes, reproducible."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mttjax.core.synthetic import Synthetic, initial_images, one_hot_labels, to_device

LABELS = np.tile(np.arange(4), 6)
IMAGES = np.zeros((24, 5, 6, 3), np.uint8)


def test_labels_are_one_hot_class_by_class():
    labels = one_hot_labels(3, 4)
    assert (labels.shape, labels.dtype) == ((12, 4), np.float32)
    np.testing.assert_array_equal(labels.argmax(axis=1), np.repeat(np.arange(4), 3))
    np.testing.assert_array_equal(np.sort(labels, axis=1), [[0, 0, 0, 1]] * 12)


@pytest.mark.parametrize("ipc", [1, 4, 6])
def test_real_images_fit_the_labels_and_none_is_taken_twice(ipc):
    indices = initial_images(np.random.default_rng(0), ipc, IMAGES, LABELS, 4)
    assert len(set(indices.tolist())) == len(indices) == 4 * ipc
    np.testing.assert_array_equal(LABELS[indices], one_hot_labels(ipc, 4).argmax(axis=1))


def test_every_image_of_a_class_may_be_taken():
    rng = np.random.default_rng(1)
    draws = np.concatenate([initial_images(rng, 1, IMAGES, LABELS, 4) for _ in range(1200)])
    assert stats.chisquare(np.bincount(draws, minlength=24)).pvalue > 1e-3


def test_noise_is_standard_normal_of_the_images_shape():
    noise = initial_images(np.random.default_rng(2), 7, IMAGES, LABELS, 4, kind="noise")
    assert (noise.shape, noise.dtype) == ((28, 5, 6, 3), np.float32)
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("kind", ["real", "noise"])
def test_the_generator_decides_the_images(kind):
    def draw(seed):
        return initial_images(np.random.default_rng(seed), 2, IMAGES, LABELS, 4, kind=kind)

    np.testing.assert_array_equal(draw(3), draw(3))
    assert not np.array_equal(draw(3), draw(4))


def test_noise_needs_no_images_of_a_class():
    noise = initial_images(np.random.default_rng(0), 2, IMAGES, LABELS, 9, kind="noise")
    assert noise.shape[0] == 18


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "mean"}, "'real' or 'noise', got 'mean'"),
        ({"ipc": 7}, "class 0 has 6 training images and ipc is 7"),
        ({"classes": 5}, "class 4 has 0 training images and ipc is 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(settings, message):
    given = {"ipc": 1, "images": IMAGES, "labels": LABELS, "classes": 4} | settings
    with pytest.raises(ValueError, match=message):
        initial_images(np.random.default_rng(0), **given)


def test_the_learned_tree_is_float32_and_holds_the_log_of_the_rate():
    synthetic = to_device(np.ones((4, 5, 6, 3)), one_hot_labels(1, 4), 0.01)
    assert isinstance(synthetic, Synthetic)
    assert [leaf.dtype for leaf in jax.tree.leaves(synthetic)] == [jnp.float32] * 3
    assert synthetic.log_lr.shape == ()
    np.testing.assert_allclose(jnp.exp(synthetic.log_lr), 0.01, rtol=1e-6)


@pytest.mark.parametrize("lr", [0.0, -0.01, float("nan")])
def test_a_rate_without_a_logarithm_is_refused(lr):
    with pytest.raises(ValueError, match=f"must be positive, got {lr}"):
        to_device(np.ones((4, 5, 6, 3)), one_hot_labels(1, 4), lr)
