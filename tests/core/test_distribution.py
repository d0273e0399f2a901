"""DM and CAFE against hand-computed losses, NumPy, and finite differences."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close, assert_trees_all_equal
from core.numerics import check_slopes, siamese

import mttjax
from mttjax.core.objectives.distribution import feature_alignment_loss, mean_feature_loss

IPC, REALS, K = 2, 4, 3


def make_layers(activation):
    """Two blocks of convolution, activation and pool, in terms of a ConvNet's kernels."""

    def layers(params, images):
        x, blocks = images, []
        for i in range(2):
            x = activation(mttjax.convolve(x, params[f"conv{i}"]["kernel"], padding=1))
            blocks.append(x)
            batch, side, _, channels = x.shape
            x = x.reshape(batch, side // 2, 2, side // 2, 2, channels).mean((2, 4))
        return tuple(blocks), x.reshape(len(x), -1)

    return layers


layers = make_layers(jax.nn.relu)
smooth_layers = make_layers(jnp.tanh)


def embed_with(layers):
    return lambda params, images: layers(params, images)[1]


def make_problem(dtype):
    """Synthetic images [K, n, ...], the parameters of a tiny ConvNet, real [K, R, ...], a key."""
    keys = jax.random.split(jax.random.key(0), 4)
    net = mttjax.make_network(mttjax.NetworkSpec(depth=2, width=4), (8, 8, 1), K)
    images = jax.random.normal(keys[0], (K, IPC, 8, 8, 1), dtype)
    real_images = jax.random.normal(keys[1], (K, REALS, 8, 8, 1), dtype) + 0.3
    params = jax.tree.map(lambda x: x.astype(dtype), net.init(keys[2]))
    return images, params, real_images, keys[3]


@pytest.fixture
def problem(x64):
    return make_problem(jnp.float64)


def dm(images, params, real_images, layers=layers, **settings):
    """DM of the first class."""
    return mean_feature_loss(
        images[0], params, real_images[0], embed=embed_with(layers), **settings
    )


def cafe(images, params, real_images, layers=layers, **settings):
    return feature_alignment_loss(images, params, real_images, layers=layers, **settings)


LOSSES = pytest.mark.parametrize("loss", [dm, cafe])


def test_dm_by_hand():
    """Doubled features: means (4, 6) of the synthetic and (1, 10) of the real images."""
    images = jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(2, 1, 2, 1)
    real_images = jnp.array([[0.5, 4.0], [0.0, 5.0], [1.0, 6.0]]).reshape(3, 1, 2, 1)
    double = lambda params, x: params * x.reshape(len(x), -1)
    loss = mean_feature_loss(images, 2.0, real_images, embed=double)
    assert_trees_all_close(loss, jnp.float32(25.0))  # 3² + 4²


def test_cafe_by_hand():
    """One pixel and blocks (x, 2x, 3x); class means 1 and 2 of synthetic, 0 and 3 of real.

    M is 2 for x, 8 for 2x, 18 for 3x and 2 for the embedding x. Logits of the real image 0
    are (0, 0), of 3 (3, 6): cross entropies log 2 and log(1 + e⁻³).
    """
    images = jnp.array([1.0, 2.0]).reshape(2, 1, 1, 1, 1)
    real_images = jnp.array([0.0, 3.0]).reshape(2, 1, 1, 1, 1)
    tower = lambda params, x: ((x, 2 * x, 3 * x), x.reshape(len(x), -1))
    loss = feature_alignment_loss(images, None, real_images, layers=tower)
    cross_entropy = 0.6931472 + 0.0485874
    expected = 0.1 * 2 + 0.1 * 8 + 18 + 2 * 2 + 0.01 * cross_entropy
    assert_trees_all_close(loss, jnp.float32(expected), rtol=1e-6)


def cafe_by_loops(images, params, real_images):
    """The loss in NumPy, class by class, from the layers of one class at a time."""
    synthetic, real = (
        [jax.tree.map(np.asarray, layers(params, x)) for x in side]
        for side in (images, real_images)
    )
    total = 0.0
    for (blocks, f), (real_blocks, real_f) in zip(synthetic, real, strict=True):
        pools = [a.reshape(len(a), 2, 2, 4) for a in (f, real_f)]
        pairs = [*zip(blocks, real_blocks, strict=True), pools, (f, real_f)]
        for weight, (a, b) in zip((0.1, 1, 1, 1), pairs, strict=True):
            total += weight * np.sum((np.mean(a, 0) - np.mean(b, 0)) ** 2)
    entropies = []
    for k, (_, real_f) in enumerate(real):
        for one in real_f:
            logits = np.array([one @ np.mean(f, 0) for _, f in synthetic])
            entropies.append(np.log(np.sum(np.exp(logits - logits[k]))))
    return total + 0.01 * np.sum(entropies)


def test_cafe_equals_loops_over_classes_layers_and_images(problem):
    args = problem[:3]
    np.testing.assert_allclose(jax.jit(cafe)(*args), cafe_by_loops(*args), rtol=1e-10)


@LOSSES
def test_both_sides_are_augmented_alike(problem, loss):
    """The plain loss of images augmented beforehand, in one call for both sides."""
    images, params, real_images, key = problem
    both = jnp.concatenate([images, real_images], axis=1)
    both = siamese(key, both.reshape(-1, 8, 8, 1)).reshape(both.shape)
    augmented = loss(images, params, real_images, augment=siamese, key=key)
    plain = loss(both[:, :IPC], params, both[:, IPC:])
    assert_trees_all_close(augmented, plain, rtol=1e-10)
    assert abs(augmented - loss(images, params, real_images)) > 1e-6


@pytest.mark.parametrize(("loss", "shape"), [(dm, [REALS]), (cafe, [K, REALS])])
def test_a_mask_of_other_images_is_refused(loss, shape):
    images, params, real_images, _ = make_problem(jnp.float32)
    with pytest.raises(ValueError, match=re.escape(f"real_mask must be bool {shape}")):
        loss(images, params, real_images, real_mask=np.ones((K, REALS + 1), bool))


@LOSSES
def test_the_real_side_gives_no_gradient(loss):
    images, params, real_images, key = make_problem(jnp.float32)
    run = lambda *args: loss(*args, augment=siamese, key=key)
    grads = jax.jit(jax.grad(run, argnums=(0, 2)))(images, params, real_images)
    assert_trees_all_equal(grads[1], jnp.zeros_like(real_images))
    assert np.isfinite(grads[0]).all()
    assert np.any(grads[0])
    assert grads[0].dtype == np.dtype("float32")


@LOSSES
@pytest.mark.parametrize("augment", [None, siamese])
def test_gradient_equals_finite_differences(problem, loss, augment):
    images, params, real_images, key = problem
    settings = {"augment": augment, "key": key}
    check_slopes(
        lambda images: loss(images, params, real_images, smooth_layers, **settings), (images,)
    )


def test_dm_under_vmap_over_the_classes_equals_a_loop(problem):
    images, params, real_images, key = problem

    @jax.jit
    def loss(images, real_images, key):
        return dm(images[None], params, real_images[None], augment=siamese, key=key)

    classes = images, real_images, jax.random.split(key, K)
    looped = jnp.stack([loss(*(x[k] for x in classes)) for k in range(K)])
    assert_trees_all_close(jax.jit(jax.vmap(loss))(*classes), looped, rtol=1e-10)


@pytest.mark.parametrize(
    ("loss", "change", "message"),
    [
        (dm, lambda x, r: (x[:, 0], r), r"synthetic.*\(8, 8, 1\)"),
        (dm, lambda x, r: (x[:, :0], r), r"synthetic.*\(0, 8, 8, 1\)"),
        (dm, lambda x, r: (x, r[:, 0]), r"real.*\(8, 8, 1\)"),
        (dm, lambda x, r: (x, r[:, :, :4]), r"\(2, 8, 8, 1\) and \(4, 4, 8, 1\)"),
        (cafe, lambda x, r: (x[0], r), r"\(2, 8, 8, 1\) and \(3, 4, 8, 8, 1\)"),
        (cafe, lambda x, r: (x, r[:2]), r"all K classes.*\(2, 4, 8, 8, 1\)"),
        (cafe, lambda x, r: (x[:, :0], r), r"at least one.*\(3, 0, 8, 8, 1\)"),
        (cafe, lambda x, r: (x, r[..., :4, :]), r"one shape \[H, W, C\]"),
    ],
)
def test_images_that_do_not_fit_are_refused(loss, change, message):
    images, params, real_images, _ = make_problem(jnp.float32)
    images, real_images = change(images, real_images)
    with pytest.raises(ValueError, match=message):
        loss(images, params, real_images)


@LOSSES
def test_an_augmentation_without_a_key_is_refused(loss):
    with pytest.raises(ValueError, match="random key"):
        loss(*make_problem(jnp.float32)[:3], augment=siamese)
