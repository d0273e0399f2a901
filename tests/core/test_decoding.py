"""Decoders: adjoints, first images, the storage that they take."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.fft import dctn

from mttjax.core.decoding import cosines, encode_dct, encode_tiles
from mttjax.core.synthetic import Synthetic

CLASSES, FACTOR = 3, 2


def pictures(n=12, side=8, channels=2):
    """Smooth ones: sums of a few waves and a little noise."""
    rng = np.random.default_rng(0)
    u, v = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    waves = [
        np.cos(a * u / side + b * v / side + c) for a, b, c in 3 * rng.random((n * channels, 3))
    ]
    images = np.reshape(waves, (n, channels, side, side)).transpose(0, 2, 3, 1)
    return jnp.asarray(images + 0.05 * rng.standard_normal(images.shape), jnp.float32)


@pytest.fixture(params=["tiles", "dct"])
def encoded(request):
    """(images as given, learned, decoder): three classes, four decoded images of each."""
    images = pictures()
    if request.param == "tiles":
        return images, *encode_tiles(images, FACTOR)
    return images, *encode_dct(images, CLASSES, FACTOR)


def test_a_decoder_is_linear_and_what_it_pulls_back_is_its_adjoint(encoded):
    _, learned, decode = encoded
    keys = jax.random.split(jax.random.key(0), 3)
    x, y = (jax.random.normal(key, learned.shape) for key in keys[:2])
    decoded, pull_back = jax.vjp(decode.images, x)
    z = jax.random.normal(keys[2], decoded.shape)
    np.testing.assert_allclose(jnp.vdot(decoded, z), jnp.vdot(x, pull_back(z)[0]), rtol=1e-4)
    both = decode.images(x + 2 * y)
    np.testing.assert_allclose(both, decoded + 2 * decode.images(y), atol=1e-4)


def test_the_first_images_are_coarse_versions_of_those_given_in_their_order(encoded):
    images, learned, decode = encoded
    decoded = decode.images(learned)
    assert decoded.shape == images.shape
    distances = jnp.sum(jnp.square(decoded[:, None] - images[None]), axis=(2, 3, 4))
    assert jnp.argmin(distances, axis=1).tolist() == list(range(12))
    assert (
        float(jnp.max(jnp.diagonal(distances) / jnp.sum(jnp.square(images), axis=(1, 2, 3)))) < 0.3
    )


def test_equal_storage(encoded):
    """Three images of one class each, 8 x 8 x 2, and for the frequencies a bit a position."""
    _, learned, decode = encoded
    assert learned.size == CLASSES * 8 * 8 * 2
    synthetic = Synthetic(learned, jnp.zeros((12, 3)), jnp.float32(0))
    bits = 0 if decode.mask_bits == 0 else CLASSES * 64
    assert decode.stored_bytes(synthetic) == 4 * learned.size + bits // 8


def test_cosines_are_scipys_orthonormal_transform():
    x = np.random.default_rng(1).standard_normal((7, 5))
    np.testing.assert_allclose(cosines(7) @ x @ cosines(5).T, dctn(x, norm="ortho"), atol=1e-12)
    np.testing.assert_allclose(cosines(6) @ cosines(6).T, np.eye(6), atol=1e-12)


def test_positions_are_those_that_vary_most_in_the_class_over_all_channels():
    images = np.zeros((4, 4, 4, 2), np.float32)
    for image, size in enumerate((-3, 3)):  # class 0 varies in (1, 2), class 1 in (3, 0)
        images[image, ..., 0] = cosines(4)[1][:, None] * cosines(4)[2] * size
        images[2 + image, ..., 1] = cosines(4)[3][:, None] * cosines(4)[0] * size
    learned, decode = encode_dct(jnp.asarray(images), 2, 4)
    assert learned.shape == (4, 1, 2)
    np.testing.assert_allclose(learned[:, 0, 0], [-3, 3, 0, 0], atol=1e-5)
    np.testing.assert_allclose(learned[:, 0, 1], [0, 0, -3, 3], atol=1e-5)
    np.testing.assert_allclose(decode.images(learned), images, atol=1e-5)


@pytest.mark.parametrize(("form", "factor"), [("tiles", 3), ("dct", 3)])
def test_a_factor_that_does_not_fit_is_refused(form, factor):
    with pytest.raises(ValueError, match=f"factor is {factor}: "):
        encode_tiles(pictures(9), factor) if form == "tiles" else encode_dct(pictures(9), 3, factor)
