"""The ConvNet: its size, PyTorch's initialisation, its values against SciPy in float64."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close
from scipy import signal, stats

from mttjax.core.networks import NetworkSpec, make_network, parameter_count
from mttjax.system.errors import InputError

KEY = jax.random.key(0)


def drawn_params(network, seed=0):
    """Parameters of the right shapes, none of them as an initialisation would have it."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.normal(0.1, 0.5, leaf.shape), network.shapes)


@pytest.mark.parametrize(
    ("shape", "classes", "depth", "count"),
    [
        ((32, 32, 3), 10, 3, 320_010),
        ((28, 28, 1), 10, 3, 317_706),
        ((32, 32, 3), 100, 3, 504_420),
        ((64, 64, 3), 200, 4, 857_160),
        ((128, 128, 3), 10, 5, 615_690),
        ((8, 15, 1), 2, 3, 297_474),  # the deepest that fits: one pixel is left
    ],
)
def test_parameter_counts_are_those_of_the_paper(shape, classes, depth, count):
    network = make_network(NetworkSpec(depth=depth), shape, classes)
    assert parameter_count(network.shapes) == count
    images = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    assert jax.eval_shape(network.apply, network.shapes, images).shape == (2, classes)


@pytest.fixture(scope="module")
def initialised():
    """A network's parameters by two keys, and by the first again."""
    init = jax.jit(make_network(NetworkSpec(width=64, depth=2), (8, 8, 3), 10).init)
    return init(KEY), init(jax.random.key(1)), init(KEY)


def test_initialisation_is_that_of_pytorch(initialised):
    params, _, _ = initialised
    for name, fan_in in {"conv0": 27, "conv1": 576, "linear": 256}.items():
        bound = fan_in**-0.5
        for leaf in (params[name]["kernel"], params[name]["bias"]):
            sample = np.asarray(leaf, np.float64).ravel()
            assert np.abs(sample).max() <= bound * (1 + 1e-6)
            assert stats.kstest(sample, "uniform", (-bound, 2 * bound)).pvalue > 1e-3
        assert np.abs(params[name]["kernel"]).max() > 0.99 * bound
    for name in ("norm0", "norm1"):
        np.testing.assert_array_equal(params[name]["scale"], np.ones(64))
        np.testing.assert_array_equal(params[name]["bias"], np.zeros(64))


def test_the_key_decides_the_initialisation(initialised):
    one, other, again = initialised
    assert_trees_all_close(one, again, atol=0)
    for name in ("conv0", "conv1", "linear"):
        for leaf in ("kernel", "bias"):
            assert not np.array_equal(one[name][leaf], other[name][leaf])
    assert not np.array_equal(one["conv0"]["bias"], one["conv1"]["bias"])


def reference_block(x, conv, norm, padding):
    """One image [H, W, C] through convolution, instance norm, ReLU and average pool."""
    x = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    maps = []
    for o in range(conv["kernel"].shape[3]):
        kernel = conv["kernel"][..., o]
        y = conv["bias"][o] + sum(
            signal.correlate2d(x[..., c], kernel[..., c], mode="valid") for c in range(x.shape[2])
        )
        y = (y - y.mean()) / np.sqrt(y.var() + 1e-5) * norm["scale"][o] + norm["bias"][o]
        y = np.maximum(y, 0)
        height, width = y.shape[0] // 2 * 2, y.shape[1] // 2 * 2
        y = y[:height, :width]
        maps.append((y[::2, ::2] + y[1::2, ::2] + y[::2, 1::2] + y[1::2, 1::2]) / 4)
    return np.stack(maps, axis=-1)


@pytest.mark.parametrize(
    ("shape", "depth", "first_padding"),
    [
        ((28, 28, 1), 3, 3),
        ((28, 28, 3), 2, 1),
        ((8, 8, 1), 2, 1),
        ((11, 6, 3), 1, 1),  # an odd side: the last row falls out of the pool
    ],
)
def test_logits_equal_those_of_scipy(shape, depth, first_padding, x64):
    network = make_network(NetworkSpec(depth=depth, width=4), shape, 5)
    drawn = drawn_params(network)
    images = np.random.default_rng(1).standard_normal((2, *shape))
    expected = []
    for x in images:
        features = x
        for i in range(depth):
            padding = first_padding if i == 0 else 1
            features = reference_block(features, drawn[f"conv{i}"], drawn[f"norm{i}"], padding)
        expected.append(features.ravel() @ drawn["linear"]["kernel"] + drawn["linear"]["bias"])
    logits = jax.jit(network.apply)(drawn, jnp.asarray(images))
    assert logits.dtype == jnp.float64
    np.testing.assert_allclose(logits, np.stack(expected), rtol=1e-9, atol=1e-9)


def test_the_dtype_of_the_images_is_the_dtype_of_the_computation(x64):
    network = make_network(NetworkSpec(depth=1, width=2), (4, 4, 1), 2)
    for dtype in (jnp.float32, jnp.float64):
        images = jax.ShapeDtypeStruct((1, 4, 4, 1), dtype)
        assert jax.eval_shape(network.apply, network.shapes, images).dtype == dtype


@pytest.mark.parametrize("norm", ["instance", "batch", "layer", "group", "none"])
def test_only_a_batch_norm_lets_images_touch(norm, x64):
    """``per_image`` says it, and what an image gives beside another one shows it."""
    network = make_network(NetworkSpec(depth=2, width=4, norm=norm), (6, 6, 3), 3)
    params, apply = drawn_params(network), jax.jit(network.apply)
    images = np.random.default_rng(2).standard_normal((3, 6, 6, 3))
    beside = np.abs(apply(params, images)[:1] - apply(params, images[:1])).max()
    assert network.per_image == (norm != "batch")
    assert (beside < 1e-10) == network.per_image


@pytest.mark.parametrize("pooling", ["average", "max", "none"])
def test_the_embedding_is_what_the_linear_layer_reads(pooling):
    network = make_network(NetworkSpec(depth=2, width=4, pooling=pooling), (9, 6, 3), 5)
    params = network.init(KEY)
    images = jax.random.normal(KEY, (2, 9, 6, 3))
    blocks, embedding = jax.jit(network.layers)(params, images)
    linear = jax.jit(lambda x, kernel, bias: x @ kernel + bias[None])
    logits = linear(embedding, params["linear"]["kernel"], params["linear"]["bias"])
    np.testing.assert_array_equal(jax.jit(network.apply)(params, images), logits)
    sides = ((9, 6), (9, 6)) if pooling == "none" else ((9, 6), (4, 3))
    assert [block.shape for block in blocks] == [(2, *side, 4) for side in sides]
    assert embedding.shape == (2, 9 * 6 * 4 if pooling == "none" else 2 * 1 * 4)


def test_bfloat16_gives_results_of_the_images_dtype():
    spec = NetworkSpec(depth=1, width=4)
    network = make_network(spec, (4, 4, 1), 2)
    short = make_network(replace(spec, precision="bfloat16"), (4, 4, 1), 2)
    params, images = network.init(KEY), jax.random.normal(KEY, (3, 4, 4, 1))
    blocks, embedding = jax.jit(short.layers)(params, images)
    logits = jax.jit(short.apply)(params, images)
    assert {x.dtype for x in (*blocks, embedding, logits)} == {jnp.dtype("float32")}
    np.testing.assert_allclose(logits, network.apply(params, images), atol=0.1)


@pytest.mark.parametrize(
    ("settings", "shape", "classes", "message"),
    [
        ({"name": "resnet"}, (8, 8, 1), 10, "name is 'resnet': must be one of convnet, alexnet"),
        ({"depth": 0}, (8, 8, 1), 10, "depth is 0: must be a whole number from 1 to 64"),
        ({"width": 2**14 + 1}, (8, 8, 1), 10, "width is 16385: must be a whole number from 1"),
        ({}, (8, 8, 1), 1, "2 classes, got 8 8 1 and 1 classes"),
        ({}, (8, 8), 2, "images .* got 8 8 and 2 classes"),
        ({"depth": 4}, (8, 8, 1), 10, "depth 4 halves a 8-pixel image away; at most 3 fits"),
        ({"depth": 3}, (64, 7, 1), 10, "depth 3 halves a 7-pixel image away; at most 2 fits"),
        ({"name": "alexnet", "norm": "batch"}, (8, 8, 1), 2, "'batch', which alexnet does not use"),
        ({"name": "alexnet"}, (32, 7, 1), 2, "a alexnet needs .* at least 8 pixels a side, got 7"),
        ({"norm": "group", "width": 6}, (8, 8, 1), 2, "width is 6: .* a multiple of 4"),
    ],
)
def test_networks_that_cannot_be_are_refused(settings, shape, classes, message):
    with pytest.raises(InputError, match=message):
        make_network(NetworkSpec(**settings), shape, classes)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (NetworkSpec(), "convnet, depth 3, width 128, for 32x32x3, 10 classes"),
        (NetworkSpec("vgg11", norm="batch"), "vgg11, norm batch, for 32x32x3, 10 classes"),
    ],
)
def test_a_network_says_in_a_line_what_it_is(spec, words):
    network = make_network(spec, (32, 32, 3), 10)
    assert repr(network) == f"Network({words})"
    assert (network.spec, network.image_shape, network.classes) == (spec, (32, 32, 3), 10)
    assert network.shapes == jax.eval_shape(network.init, KEY)
