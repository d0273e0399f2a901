"""DC and DSA against hand-computed distances, PyTorch's layout, and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close, assert_trees_all_equal
from core.numerics import check_slopes, siamese, smooth_apply

import mttjax
from mttjax.core.objectives.gradient import gradient_distance, gradient_match_loss

IPC, REALS, K = 2, 6, 3


def make_problem(double=False):
    """Positional arguments and settings of the loss of class 1 on a tiny ConvNet."""
    dtype = jnp.float64 if double else jnp.float32
    keys = jax.random.split(jax.random.key(0), 5)
    net = mttjax.make_network(mttjax.NetworkSpec(depth=1, width=4), (8, 8, 1), K)
    images = jax.random.normal(keys[0], (IPC, 8, 8, 1), dtype)
    labels = jax.nn.softmax(jax.random.normal(keys[1], (IPC, K), dtype))
    real_images = jax.random.normal(keys[2], (REALS, 8, 8, 1), dtype)
    real_labels = jnp.tile(jnp.eye(K, dtype=dtype)[1:2], (REALS, 1))
    params = jax.tree.map(lambda x: x.astype(dtype), net.init(keys[3]))
    args = (images, labels, params, real_images, real_labels)
    return args, {"apply": net.apply, "augment": siamese, "key": keys[4]}


@pytest.fixture
def problem(x64):
    return make_problem(double=True)


def run(args, settings, **more):
    return jax.jit(lambda *args: gradient_match_loss(*args, **settings | more))(*args)


def test_distance_of_a_convolution_kernel_by_hand():
    """HWIO [1, 2, 1, 3]: opposite, orthogonal and equal channels are 2, 1 and 0 apart."""
    a = jnp.array([[[[1.0, 1.0, 2.0]], [[1.0, 0.0, 1.0]]]])
    b = jnp.array([[[[-2.0, 0.0, 4.0]], [[-2.0, 7.0, 2.0]]]])
    assert_trees_all_close(gradient_distance(a, b), jnp.float32(3.0), rtol=1e-5)
    assert_trees_all_close(gradient_distance({"a": a, "b": a}, {"a": b, "b": b}), jnp.float32(6.0))


@pytest.mark.parametrize("zero", ["a", "b", "both"])
def test_a_channel_of_zeros_has_distance_one_and_a_finite_derivative(zero):
    some = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    holed = some.at[:, 1].set(0.0)
    a, b = {"a": (holed, some), "b": (some, holed), "both": (holed, holed)}[zero]
    value, grads = jax.value_and_grad(gradient_distance, argnums=(0, 1))(a, b)
    assert_trees_all_close(value, jnp.float32(1.0), rtol=1e-5)
    assert all(np.isfinite(g).all() for g in grads)


def published_distance(a, b):
    """The distance in PyTorch's layout: convolutions OIHW, linear [out, in], rows first."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        if x.ndim < 2:
            continue
        for row_x, row_y in zip(x.reshape(len(x), -1), y.reshape(len(y), -1), strict=True):
            norms = np.sqrt(row_x @ row_x) * np.sqrt(row_y @ row_y)
            total += 1 - row_x @ row_y / (norms + 1e-6)
    return total


def test_distance_equals_the_published_one_on_tensors_of_pytorchs_layout(problem):
    (images, labels, params, real_images, real_labels), settings = problem

    @jax.jit
    @jax.grad
    def gradient(params, images, labels):
        logits = settings["apply"](params, images)
        return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(logits), 1))

    def as_pytorch(leaf):
        axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[leaf.ndim]
        return np.ascontiguousarray(np.asarray(leaf).transpose(axes))

    real, synthetic = gradient(params, real_images, real_labels), gradient(params, images, labels)
    leaves = [list(map(as_pytorch, jax.tree.leaves(tree))) for tree in (real, synthetic)]
    expected = published_distance(*leaves)
    np.testing.assert_allclose(gradient_distance(real, synthetic), expected, rtol=1e-12)
    loss = run(problem[0], settings, augment=None)
    np.testing.assert_allclose(loss, expected, rtol=1e-10)


def test_both_sides_are_augmented_alike(problem):
    """The loss is the plain one of images augmented beforehand, in two calls with one key."""
    (images, labels, params, real_images, real_labels), settings = problem
    both = siamese(settings["key"], jnp.concatenate([images, real_images]))
    plain = run((both[:IPC], labels, params, both[IPC:], real_labels), settings, augment=None)
    assert_trees_all_close(run(problem[0], settings), plain, rtol=1e-10)


def test_chunks_of_the_real_images_change_nothing(problem):
    args, settings = problem
    whole = run(args, settings, augment=None)
    for chunk in (1, 3, REALS):
        loss = run(args, settings, augment=None, chunk=chunk)
        assert_trees_all_close(loss, whole, rtol=1e-10)


@pytest.mark.parametrize("chunk", [None, 3])
def test_the_real_side_gives_no_gradient(chunk):
    args, settings = make_problem()
    loss = lambda *args: gradient_match_loss(*args, **settings, chunk=chunk)
    grads = jax.jit(jax.grad(loss, argnums=(0, 1, 3, 4)))(*args)
    assert_trees_all_equal(grads[2:], jax.tree.map(jnp.zeros_like, args[3:]))
    assert all(np.isfinite(g).all() and np.any(g) for g in grads[:2])
    assert {g.dtype for g in grads} == {np.dtype("float32")}


@pytest.mark.parametrize("augment", [None, siamese])
def test_gradient_equals_finite_differences(problem, augment):
    """In the images and in the labels, each alone."""
    (images, labels, *rest), settings = problem
    settings |= {"apply": smooth_apply, "augment": augment}
    loss = lambda *at: gradient_match_loss(*at, *rest, **settings)
    check_slopes(loss, (images, labels), parts=[(True, False), (False, True)])


def test_vmap_over_the_classes_equals_a_loop(problem):
    args, settings = problem
    images, labels, params, real_images, real_labels = args
    settings.pop("key")
    stack = lambda x: jnp.stack([x, x[::-1] + 1, 2 * x])
    each = (stack(images), jnp.stack([labels] * 3), stack(real_images))
    keys = jax.random.split(jax.random.key(9), 3)

    def loss(images, labels, real_images, key):
        return gradient_match_loss(
            images, labels, params, real_images, real_labels, key=key, **settings
        )

    looped = jnp.stack([jax.jit(loss)(*(x[k] for x in each), keys[k]) for k in range(3)])
    assert_trees_all_close(jax.jit(jax.vmap(loss))(*each, keys), looped, rtol=1e-10)


def test_gradients_that_do_not_compare_are_refused():
    kernel, bias = jnp.ones((2, 2)), jnp.ones(2)
    with pytest.raises(ValueError, match="one structure"):
        gradient_distance({"kernel": kernel}, {"weight": kernel})
    with pytest.raises(ValueError, match=r"'kernel'.*\(2, 2\) and \(2, 1\).*one network"):
        gradient_distance({"kernel": kernel}, {"kernel": kernel[:, :1]})
    with pytest.raises(ValueError, match="no leaf of two or more"):
        gradient_distance({"bias": bias}, {"bias": bias})


@pytest.mark.parametrize(
    ("index", "change", "settings", "message"),
    [
        (0, lambda x: x[0], {}, r"synthetic images.*\(8, 8, 1\)"),
        (1, lambda x: x[:1], {}, r"synthetic images.*\(1, 3\)"),
        (3, lambda x: x[:0], {}, r"real images.*\(0, 8, 8, 1\)"),
        (4, lambda x: x[:, 0], {}, r"real images.*\(6,\)"),
        (3, lambda x: x[:, :4], {}, r"\(2, 8, 8, 1\) and \(6, 4, 8, 1\)"),
        (0, lambda x: x, {"key": None}, "random key"),
        (0, lambda x: x, {"chunk": 4}, "chunk 4 does not divide the 6 real images"),
        (0, lambda x: x, {"chunk": 0}, "chunk 0"),
        (0, lambda x: x, {"real_mask": np.ones(5, bool)}, r"bool \[6\].*got bool \[5\]"),
        (0, lambda x: x, {"real_mask": np.ones(6)}, r"bool \[6\].*got float32 \[6\]"),
    ],
)
def test_bad_arguments_are_refused_with_their_values(index, change, settings, message):
    args, usual = make_problem()
    args = [change(x) if i == index else x for i, x in enumerate(args)]
    with pytest.raises(ValueError, match=message):
        gradient_match_loss(*args, **usual | settings)
