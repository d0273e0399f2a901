"""Standardising and ZCA: the published numbers, an independent formula, the way back."""

import jax.numpy as jnp
import numpy as np
import pytest

from mttjax.core.preprocessing import ZCA, Standardize, fit_preprocessing, preprocessing_from_arrays
from mttjax.core.statistics import STATISTICS

KINDS = ("standardize", "zca")


def pixels(count=300, shape=(4, 5, 3), seed=0):
    """Correlated uint8 images with another mean in every channel."""
    rng = np.random.default_rng(seed)
    smooth = np.cumsum(rng.standard_normal((count, *shape)), axis=1) + np.arange(shape[2])
    return np.clip(128 + 25 * smooth, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("dataset", STATISTICS)
def test_published_statistics_replace_those_of_the_images(dataset):
    mean, std = STATISTICS[dataset]
    images = pixels(shape=(4, 5, len(mean)))
    standardize = fit_preprocessing("standardize", images, dataset=dataset)
    np.testing.assert_allclose(standardize(images), (images / 255 - mean) / std, atol=2e-6)


def test_published_statistics_of_other_channels_are_not_taken():
    grey = pixels(shape=(4, 5, 1))
    assert fit_preprocessing("standardize", grey, dataset="cifar10").mean.shape == (1,)


def test_own_images_are_standardised_per_channel():
    images = pixels()
    normal = np.asarray(fit_preprocessing("standardize", images, dataset="mine")(images))
    assert normal.dtype == np.float32
    np.testing.assert_allclose(normal.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(normal.std(axis=(0, 1, 2)), 1, atol=1e-5)


def test_a_constant_channel_does_not_divide_by_zero():
    images = pixels()
    images[..., 1] = 7
    normal = fit_preprocessing("standardize", images)(images)
    np.testing.assert_allclose(normal[..., 1], 0, atol=1e-5)
    assert np.isfinite(normal).all()


def zca_by_svd(images, epsilon=0.1):
    """W = U (S + ε)^(-1/2) Uᵀ and its inverse, of the unbiased covariance, in float64."""
    flat = images.reshape(len(images), -1) / 255
    mean = flat.mean(axis=0)
    u, s, _ = np.linalg.svd(np.cov(flat, rowvar=False))
    return mean, u @ np.diag((s + epsilon) ** -0.5) @ u.T, u @ np.diag((s + epsilon) ** 0.5) @ u.T


# More images than are multiplied at once, and fewer images than pixels.
@pytest.mark.parametrize("count", [5000, 20])
def test_zca_equals_the_formula(count):
    images = pixels(count)
    zca = fit_preprocessing("zca", images)
    mean, whiten, unwhiten = zca_by_svd(images)
    np.testing.assert_allclose(zca.mean, mean, atol=1e-7)
    np.testing.assert_allclose(zca.whiten, whiten, atol=1e-6)
    np.testing.assert_allclose(zca.unwhiten, unwhiten, atol=1e-6)
    flat = images.reshape(count, -1) / 255
    np.testing.assert_allclose(
        zca(images), ((flat - mean) @ whiten).reshape(images.shape), atol=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lead", [(), (6,), (2, 3)])
def test_the_inverse_gives_the_pixels_back(kind, lead):
    preprocessing = fit_preprocessing(kind, pixels())
    images = pixels(max(1, int(np.prod(lead))), seed=1).reshape(*lead, 4, 5, 3)
    normal = preprocessing(images)
    assert (normal.shape, normal.dtype) == (images.shape, jnp.float32)
    np.testing.assert_allclose(preprocessing.inverse(normal), images / 255, atol=2e-6)
    np.testing.assert_allclose(preprocessing.inverse(np.asarray(normal)), images / 255, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_inverse_does_not_clip(kind):
    preprocessing = fit_preprocessing(kind, pixels())
    assert preprocessing.inverse(jnp.full((1, 4, 5, 3), 50.0)).max() > 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_stored_arrays_give_the_same_preprocessing(kind):
    preprocessing = fit_preprocessing(kind, pixels())
    again = preprocessing_from_arrays(preprocessing.kind, preprocessing._asdict())
    assert type(again) is type(preprocessing) is {"standardize": Standardize, "zca": ZCA}[kind]
    np.testing.assert_array_equal(again(pixels(seed=2)), preprocessing(pixels(seed=2)))


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("pca", ("mean", "std")),
        ("zca", ("mean", "std")),
        ("standardize", ("mean",)),
        ("standardize", ("mean", "std", "more")),
    ],
)
def test_arrays_of_another_kind_are_refused(kind, names):
    with pytest.raises(ValueError, match=f"no preprocessing '{kind}' has the arrays .*'mean'"):
        preprocessing_from_arrays(kind, {name: np.ones(3) for name in names})


def test_unknown_kinds_and_no_images_are_refused():
    with pytest.raises(ValueError, match="one of standardize, zca, got 'whiten'"):
        fit_preprocessing("whiten", pixels())
    with pytest.raises(ValueError, match="no images"):
        fit_preprocessing("zca", pixels()[:0])
