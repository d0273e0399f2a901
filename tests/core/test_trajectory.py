"""``match_loss`` against a Python loop, finite differences, and its own other derivatives."""

import re
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close, assert_trees_all_equal
from core.numerics import check_slopes, smooth_apply

import mttjax
from mttjax.core.objectives.trajectory import match_loss
from mttjax.core.unrolling import DERIVATIVES, sample_batches

N, K, STEPS, BATCH = 6, 3, 3, 4


def network(shape=(8, 8, 2)):
    return mttjax.make_network(mttjax.NetworkSpec(depth=1, width=3), shape, K)


@pytest.fixture
def problem(x64):
    """float64: a synthetic set with soft labels, start and target, batches."""
    keys = jax.random.split(jax.random.key(0), 6)
    double = lambda tree: jax.tree.map(lambda x: x.astype(jnp.float64), tree)
    net = network()
    start, target = (double(net.init(k)) for k in keys[:2])
    images = jax.random.normal(keys[2], (N, 8, 8, 2), jnp.float64)
    labels = jax.nn.softmax(jax.random.normal(keys[3], (N, K), jnp.float64))
    synthetic = mttjax.Synthetic(images, labels, jnp.log(jnp.float64(0.05)))
    batches = sample_batches(keys[4], N, STEPS, BATCH)
    return {
        "args": (synthetic, start, target),
        "settings": {"apply": net.apply, "batches": batches, "key": keys[5]},
    }


def augment(key, images):
    return mttjax.dsa(key, images, ops=("color", "rotate"))


VARIANTS = [{}, {"augment": augment}]


def loss_by_a_python_loop(synthetic, start, target, *, apply, batches, key, augment=None, **_):
    """The definition of design and paper, word for word."""
    params, lr = start, jnp.exp(synthetic.log_lr)
    for i, batch in enumerate(batches):
        images, labels = synthetic.images[batch], synthetic.labels[batch]
        if augment is not None:
            images = augment(jax.random.fold_in(key, i), images)

        def cross_entropy(params, images=images, labels=labels):
            logits = apply(params, images)
            log_probabilities = logits - jax.scipy.special.logsumexp(logits, -1, keepdims=True)
            return -jnp.sum(labels * log_probabilities) / len(labels)

        grads = jax.grad(cross_entropy)(params)
        params = jax.tree.map(lambda p, g: p - lr * g, params, grads)

    def squared(a, b):
        return sum(jnp.sum((x - b[path]) ** 2) for path, x in a.items())

    flat = lambda tree: dict(jax.tree_util.tree_leaves_with_path(tree))
    params, start, target = map(flat, (params, start, target))
    return squared(params, target) / squared(start, target)


WITH_AUGMENTATION = [(derivative, None) for derivative in DERIVATIVES] + [("mixed", 1)]
"""Chunks are cut before the derivative is taken; without augmentation all are tried."""


@pytest.mark.parametrize("augment", [None, augment])
def test_value_and_gradient_equal_those_of_a_python_loop(problem, augment):
    """In the synthetic set and in the start, by every way to differentiate, in chunks or whole."""
    settings = problem["settings"] | {"augment": augment}

    def value_and_grads(loss):
        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(*problem["args"])

    expected = value_and_grads(lambda *at: loss_by_a_python_loop(*at, **settings))
    ways = product(DERIVATIVES, (None, 2)) if augment is None else WITH_AUGMENTATION
    for derivative, chunk in ways:
        how = settings | {"derivative": derivative, "chunk": chunk}
        ours = value_and_grads(lambda *at, how=how: match_loss(*at, **how)[0])
        assert_trees_all_close(ours, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradient_equals_finite_differences(problem, variant):
    """In the images, the labels, the rate and the start, each alone."""
    settings = problem["settings"] | variant | {"apply": smooth_apply}
    synthetic, start, target = problem["args"]
    names = (mttjax.Synthetic("images", "labels", "log_lr"), jax.tree.map(lambda _: "start", start))
    check_slopes(
        lambda s, p: match_loss(s, p, target, **settings)[0],
        (synthetic, start),
        parts=[
            jax.tree.map(lambda name, part=part: name == part, names)
            for part in ("images", "labels", "log_lr", "start")
        ],
    )


def test_vmap_of_grad_and_grad_of_vmap_equal_a_loop(problem):
    settings = problem["settings"] | {"augment": partial(mttjax.dsa, ops=("color",))}
    synthetic, start, target = problem["args"]
    keys = jax.random.split(settings.pop("key"), 3)
    starts = jax.tree.map(lambda a, b: jnp.stack([a, 0.5 * a + b, b]), start, target)
    targets = jax.tree.map(lambda a, b: jnp.stack([b, a, b - a]), start, target)
    pairs = starts, targets, keys

    def loss(synthetic, start, target, key):
        return match_loss(synthetic, start, target, key=key, **settings)[0]

    def total(synthetic):
        return jnp.sum(jax.vmap(loss, (None, 0, 0, 0))(synthetic, *pairs))

    grad = jax.jit(jax.grad(loss))
    looped = [grad(synthetic, *jax.tree.map(lambda x, i=i: x[i], pairs)) for i in range(3)]
    batched = jax.jit(jax.vmap(jax.grad(loss), (None, 0, 0, 0)))(synthetic, *pairs)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *looped)
    assert_trees_all_close(batched, stacked, rtol=1e-8, atol=1e-10)
    summed = jax.tree.map(lambda *x: sum(x), *looped)
    assert_trees_all_close(jax.jit(jax.grad(total))(synthetic), summed, rtol=1e-8, atol=1e-10)


def test_rate_zero_gives_one_and_the_students_own_end_gives_zero(problem):
    synthetic, start, target = problem["args"]
    still = synthetic._replace(log_lr=jnp.float64(-jnp.inf))
    loss, aux = match_loss(still, start, target, **problem["settings"])
    assert loss == 1.0
    assert_trees_all_equal(aux.params, start)
    _, aux = match_loss(synthetic, start, target, **problem["settings"])
    assert match_loss(synthetic, start, aux.params, **problem["settings"])[0] == 0.0


def test_aux_says_what_the_loss_is_made_of(problem):
    loss, aux = match_loss(*problem["args"], **problem["settings"])
    assert_trees_all_close(loss, aux.distance / aux.start_distance)
    assert aux.losses.shape == (STEPS,)
    first = problem["settings"]["batches"][0]
    synthetic, start, _ = problem["args"]
    logits = problem["settings"]["apply"](start, synthetic.images[first])
    expected = -jnp.mean(jnp.sum(synthetic.labels[first] * jax.nn.log_softmax(logits), -1))
    assert_trees_all_close(aux.losses[0], expected, rtol=1e-12)


def test_nothing_is_traced_to_check_the_arguments(problem):
    traces, apply = [], problem["settings"]["apply"]
    settings = problem["settings"] | {"apply": lambda *at: (traces.append(at), apply(*at))[1]}
    jax.eval_shape(lambda: match_loss(*problem["args"], **settings))
    assert len(traces) == 1


@pytest.mark.parametrize("derivative", ["plain", "checkpoint"])
def test_forward_mode_is_there_beside_mixed(problem, derivative):
    synthetic, start, target = problem["args"]
    loss = lambda s: match_loss(s, start, target, derivative=derivative, **problem["settings"])[0]
    along = jax.tree.map(jnp.ones_like, synthetic)
    _, slope = jax.jvp(loss, (synthetic,), (along,))
    assert_trees_all_close(slope, sum(map(jnp.sum, jax.grad(loss)(synthetic))), rtol=1e-10)


JVP = lambda f: lambda x: jax.jvp(f, (x,), (x,))
LINEAR = lambda f: lambda x: jax.linearize(f, x)[1](x)


@pytest.mark.parametrize(
    "forward",
    [
        JVP,
        LINEAR,
        jax.jacfwd,
        lambda f: jax.jit(JVP(f)),
        lambda f: JVP(jax.jit(f)),
        lambda f: LINEAR(jax.jit(f)),
    ],
    ids=["jvp", "linearize", "jacfwd", "jit of jvp", "jvp of jit", "linearize of jit"],
)
def test_forward_mode_of_mixed_names_the_derivative_that_has_it(problem, forward):
    synthetic, start, target = problem["args"]
    along = lambda a: synthetic._replace(images=a * synthetic.images)
    loss = lambda a: match_loss(along(a), start, target, **problem["settings"])[0]
    with pytest.raises(TypeError, match=r"forward mode.*give derivative='plain'"):
        forward(loss)(1.0)


def test_reverse_mode_of_mixed_is_there_within_forward_mode(problem):
    synthetic, start, target = problem["args"]
    along = lambda a: synthetic._replace(images=a * synthetic.images)
    loss = lambda a: match_loss(along(a), start, target, **problem["settings"])[0]
    slope = jax.jit(jax.grad(loss))
    curvature = jax.jit(jax.jacfwd(slope))(1.0005)
    assert_trees_all_close(curvature, (slope(1.001) - slope(1.0)) / 0.001, rtol=1e-4)


def test_same_arguments_same_bits_and_float32_stays_float32():
    net = network((8, 8, 1))
    start, target = net.init(jax.random.key(0)), net.init(jax.random.key(1))
    images = jax.random.normal(jax.random.key(2), (N, 8, 8, 1))
    synthetic = mttjax.Synthetic(images, jax.nn.one_hot(jnp.arange(N) % K, K), jnp.log(0.1))
    batches = sample_batches(jax.random.key(3), N, STEPS, BATCH)
    grad = jax.jit(
        lambda s: jax.grad(match_loss, has_aux=True)(
            s, start, target, apply=net.apply, batches=batches
        )[0]
    )
    assert_trees_all_equal(grad(synthetic), grad(synthetic))
    assert {x.dtype for x in jax.tree.leaves(grad(synthetic))} == {np.dtype("float32")}


def test_no_gradient_of_a_minibatch_is_added_up_in_any_order(problem):
    """By atomics, which an accelerator takes where indices may repeat."""
    *args, settings = *problem["args"], problem["settings"] | {"augment": None}
    settings |= {"distinct": True}
    gradient = jax.jit(lambda *args: jax.grad(match_loss, has_aux=True)(*args, **settings)[0])
    text = gradient.trace(*args).lower(lowering_platforms=("cuda",)).as_text()
    assert re.findall("scatter_dims_to.*unique_indices = (true|false)", text) == ["true"] * 2


def temporaries(net, shape, steps, batch):
    """Bytes that the compiled gradient needs beside its arguments and results."""
    params = jax.eval_shape(net.init, jax.random.key(0))
    f32 = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)
    synthetic = mttjax.Synthetic(f32(batch, *shape), f32(batch, 10), f32())
    batches = jax.ShapeDtypeStruct((steps, batch), jnp.int32)
    key = jax.eval_shape(lambda: jax.random.key(0))

    def grad(synthetic, start, target, batches, key):
        return jax.grad(match_loss, has_aux=True)(
            synthetic, start, target, apply=net.apply, batches=batches, augment=augment, key=key
        )[0]

    compiled = jax.jit(grad).lower(synthetic, params, params, batches, key).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def test_activation_memory_does_not_grow_with_the_steps():
    shape = (16, 16, 3)
    net = mttjax.make_network(mttjax.NetworkSpec(depth=2, width=32), shape, 10)
    size = 4 * mttjax.parameter_count(jax.eval_shape(net.init, jax.random.key(0)))
    few, many = temporaries(net, shape, 5, 20), temporaries(net, shape, 45, 20)
    assert many - few <= 1.5 * size * 40
    assert many - few >= 0.5 * size * 40, "the trajectory itself must be there"


def test_minibatches_are_chunks_of_fresh_permutations():
    batches = np.asarray(sample_batches(jax.random.key(0), 12, 9, 4))
    assert batches.shape == (9, 4)
    assert batches.dtype == np.int32
    passes = batches.reshape(3, 12)
    for one in passes:
        assert sorted(one) == list(range(12))
    assert (passes[0] != passes[1]).any()


def test_a_batch_that_does_not_divide_still_never_repeats_an_image_in_a_pass():
    batches = np.asarray(sample_batches(jax.random.key(0), 10, 6, 4)).reshape(3, 8)
    assert all(len(set(one)) == 8 for one in batches)


@pytest.mark.parametrize(
    ("n", "steps", "batch", "message"),
    [(10, 3, 11, "11 from 10"), (10, 3, 0, "batch is 0"), (10, 0, 2, "steps is 0")],
)
def test_impossible_minibatches_are_refused(n, steps, batch, message):
    with pytest.raises(ValueError, match=message):
        sample_batches(jax.random.key(0), n, steps, batch)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"synthetic": lambda s: s._replace(images=s.images[0])}, r"\(8, 8, 2\)"),
        ({"synthetic": lambda s: s._replace(labels=s.labels[:2])}, r"\(2, 3\)"),
        ({"synthetic": lambda s: s._replace(log_lr=s.log_lr[None])}, r"must be \[\] or \[3\]"),
        (
            {"synthetic": lambda s: s._replace(images=s.images.astype(int))},
            "images must be floating",
        ),
        ({"start": lambda t: jax.tree.map(lambda x: x.astype(int), t)}, "start.*must be floating"),
        ({"batches": jnp.array([[0, 6]])}, r"0\.\.5, they are from 0 to 6"),
        ({"batches": jnp.array([[0, 1], [2, 2]]), "distinct": True}, "not distinct"),
        ({"apply": lambda params, images: images[:, 0, 0]}, r"logits \(4, 2\).*labels \(4, 3\)"),
        ({"target": lambda t: {"conv0": t["conv0"]}}, "one structure"),
        ({"target": lambda t: t | {"linear": t["conv0"]}}, "linear.*of one network"),
        ({"batches": jnp.zeros((2,), jnp.int32)}, "sample_batches"),
        ({"batches": jnp.zeros((2, 2))}, "integers"),
        ({"batches": jnp.zeros((0, 2), jnp.int32)}, r"\(0, 2\)"),
        ({"augment": augment, "key": None}, "random key"),
        ({"chunk": 3}, "chunk 3 does not divide the 4 images of a minibatch"),
        ({"derivative": "tesla"}, "'tesla'"),
    ],
)
def test_bad_arguments_are_refused_with_their_values(problem, changes, message):
    given = dict(zip(("synthetic", "start", "target"), problem["args"], strict=True))
    changed = {n: change(given[n]) if n in given else change for n, change in changes.items()}
    with pytest.raises(ValueError, match=message):
        match_loss(**given | problem["settings"] | changed)
