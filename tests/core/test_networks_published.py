"""AlexNet, VGG11 and ResNet18 against the layer lists of DC's and MTT's published code."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from core.numerics import check_slopes
from jax import lax

from mttjax.core.networks import NetworkSpec, make_network, parameter_count
from mttjax.core.networks.plain import Plain
from mttjax.core.networks.resnet import ResNet
from mttjax.core.objectives import match_loss
from mttjax.core.synthetic import Synthetic

KEY = jax.random.key(0)

# (channels, kernel) of a convolution; M for a max pool.
ALEXNET = [(128, 5), "M", (192, 5), "M", (256, 3), (192, 3), (192, 3), "M"]
VGG11 = [(64, 3), "M", (128, 3), "M", (256, 3), (256, 3), "M", (512, 3), (512, 3), "M"]
VGG11 += [(512, 3), (512, 3), "M"]


def plain_count(layers, shape, features, *, norm):
    channels, count = shape[2], 0
    for layer in layers:
        if layer != "M":
            width, size = layer
            count += size * size * channels * width + width + 2 * norm * width
            channels = width
    return count + features * 10 + 10


def resnet_count(shape, features):
    count, channels = 9 * shape[2] * 64 + 2 * 64, 64
    for width in (64, 128, 256, 512):
        for _ in range(2):
            count += 9 * channels * width + 9 * width * width + 4 * width
            count += (channels * width + 2 * width) * (channels != width)
            channels = width
    return count + features * 10 + 10


COUNTS = [  # architecture, [H, W, C], what the last layer reads
    ("alexnet", (28, 28, 1), 192 * 4 * 4),
    ("alexnet", (32, 32, 3), 192 * 4 * 4),
    ("alexnet", (64, 64, 3), 192 * 8 * 8),
    ("vgg11", (28, 28, 1), 512),
    ("vgg11", (32, 32, 3), 512),
    ("vgg11", (64, 64, 3), 512 * 2 * 2),
    ("resnet18", (28, 28, 1), 512),
    ("resnet18", (32, 32, 3), 512),
    ("resnet18", (64, 64, 3), 512),
    ("resnet18_ap", (28, 28, 1), 512 * 3 * 3),
    ("resnet18_ap", (32, 32, 3), 512 * 4 * 4),
    ("resnet18_ap", (64, 64, 3), 512 * 8 * 8),
]


@pytest.mark.parametrize(("name", "shape", "features"), COUNTS)
def test_sizes_are_those_of_the_published_layers(name, shape, features):
    network = make_network(NetworkSpec(name=name), shape, 10)
    params = network.shapes
    images = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    blocks, embedding = jax.eval_shape(network.layers, params, images)
    assert embedding.shape == (2, features)
    assert jax.eval_shape(network.apply, params, images).shape == (2, 10)
    assert len(blocks) == {"alexnet": 5, "vgg11": 8}.get(name, 9)
    layers, norm = (ALEXNET, False) if name == "alexnet" else (VGG11, True)
    expected = (
        resnet_count(shape, features)
        if "resnet" in name
        else plain_count(layers, shape, features, norm=norm)
    )
    assert parameter_count(params) == expected


def test_resnet18_of_32_pixels_has_its_known_size():
    """11,173,962: what the ResNet18 for CIFAR-10 of He et al. has, norms included."""
    network = make_network(NetworkSpec("resnet18"), (32, 32, 3), 10)
    assert parameter_count(network.shapes) == 11_173_962


# --- the same by lax, layer by layer ---------------------------------------------------


def convolved(x, layer, *, stride=1, padding=1):
    numbers = ("NHWC", "HWIO", "NHWC")
    pads = [(padding, padding)] * 2
    x = lax.conv_general_dilated(x, layer["kernel"], (stride,) * 2, pads, dimension_numbers=numbers)
    return x + layer["bias"].reshape(1, 1, 1, -1) if "bias" in layer else x


def normed(x, layer):
    x = x - x.mean((1, 2), keepdims=True)
    x = x / jnp.sqrt((x**2).mean((1, 2), keepdims=True) + 1e-5)
    return x * layer["scale"].reshape(1, 1, 1, -1) + layer["bias"].reshape(1, 1, 1, -1)


def pooled(x, first, reduction):
    windows = (1, 2, 2, 1)
    return lax.reduce_window(x, first, reduction, windows, windows, "VALID")


def plain_logits(params, x, layers, *, norm):
    index = 0
    for layer in layers:
        if layer == "M":
            x = pooled(x, -jnp.inf, lax.max)
            continue
        padding = layer[1] // 2 + 2 * (index == 0 and x.shape[1:] == (28, 28, 1))
        x = convolved(x, params[f"conv{index}"], padding=padding)
        x = jax.nn.relu(normed(x, params[f"norm{index}"]) if norm else x)
        index += 1
    return x.reshape(len(x), -1) @ params["linear"]["kernel"] + params["linear"]["bias"][None]


def resnet_logits(params, x, *, average):
    halved = (lambda x: pooled(x, 0.0, lax.add) / 4) if average else (lambda x: x)
    x = jax.nn.relu(normed(convolved(x, params["conv0"]), params["norm0"]))
    for i, j in np.ndindex(4, 2):
        block, first = params[f"block{i}{j}"], i > 0 and j == 0
        stride = 2 if first and not average else 1
        pool = halved if first else (lambda x: x)
        y = jax.nn.relu(normed(convolved(x, block["conv0"], stride=stride), block["norm0"]))
        y = normed(convolved(pool(y), block["conv1"]), block["norm1"])
        if first:
            x = pool(convolved(x, block["shortcut"], stride=stride, padding=0))
            x = normed(x, block["shortcut_norm"])
        x = jax.nn.relu(x + y)
    x = x.reshape(len(x), -1) if average else x.mean((1, 2))
    return x @ params["linear"]["kernel"] + params["linear"]["bias"][None]


@pytest.mark.parametrize(
    ("name", "shape", "reference"),
    [
        ("alexnet", (8, 9, 3), partial(plain_logits, layers=ALEXNET, norm=False)),
        ("alexnet", (28, 28, 1), partial(plain_logits, layers=ALEXNET, norm=False)),
        ("vgg11", (28, 28, 1), partial(plain_logits, layers=VGG11, norm=True)),
        ("resnet18", (28, 28, 1), partial(resnet_logits, average=False)),
        ("resnet18_ap", (18, 17, 3), partial(resnet_logits, average=True)),
    ],
)
def test_logits_are_those_of_the_published_layers(name, shape, reference, x64):
    network = make_network(NetworkSpec(name), shape, 10)
    rng = np.random.default_rng(0)
    # Scales that keep activations of the order of 1 through every layer.
    scale = lambda leaf: (leaf.size / leaf.shape[-1]) ** -0.5 if leaf.ndim > 1 else 0.5
    params = jax.tree.map(
        lambda leaf: scale(leaf) * rng.standard_normal(leaf.shape), network.shapes
    )
    images = rng.standard_normal((2, *shape))
    expected = jax.jit(reference)(params, images)
    np.testing.assert_allclose(
        jax.jit(network.apply)(params, images), expected, rtol=1e-7, atol=1e-9
    )
    _, embedding = jax.jit(network.layers)(params, images)
    linear = embedding @ params["linear"]["kernel"] + params["linear"]["bias"][None]
    np.testing.assert_allclose(linear, expected, rtol=1e-7, atol=1e-9)


# --- their kinds, small, in the meta-gradient -------------------------------------------


SMALL = (((4, 3),), ((4, 3), (8, 3)))
KINDS = {
    "alexnet": Plain(3, (((4, 5),), ((4, 3), (3, 3))), norm="none", pooling="max"),
    "vgg11": Plain(3, SMALL, pooling="max"),
    "resnet18": ResNet(3, (4, 6)),
    "resnet18_ap": ResNet(3, (4, 6), average=True),
    "batch, leaky ReLU": Plain(3, SMALL, "batch", "leaky_relu"),
    "layer, sigmoid": Plain(3, SMALL, "layer", "sigmoid", "none"),
}


# Of two networks that are built alike one is enough in minutes; `make slow` tries both.
ALIKE = ("vgg11", "resnet18_ap")


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.slow if k in ALIKE else ()) for k in KINDS]
)
def test_the_meta_gradient_agrees_with_finite_differences(kind, x64):
    module = KINDS[kind]
    keys = jax.random.split(KEY, 4)
    images = jax.random.normal(keys[0], (4, 6, 6, 2), jnp.float64)
    labels = jax.nn.softmax(jax.random.normal(keys[1], (4, 3), jnp.float64))
    start, target = (
        jax.tree.map(lambda x: x.astype(jnp.float64), module.init(k, images)["params"])
        for k in keys[2:]
    )
    batches = jnp.array([[0, 1, 2], [3, 1, 0]])

    def loss(images, log_lr):
        synthetic = Synthetic(images, labels, log_lr)
        apply = lambda params, images: module.apply({"params": params}, images)
        return match_loss(synthetic, start, target, apply=apply, batches=batches)[0]

    check_slopes(loss, (images, jnp.float64(-2)), step=1e-6)
