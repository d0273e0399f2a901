"""Several trajectories per outer step, and the ways to compute them."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close
from small import PRODUCTS, products_on_a_card

from mttjax.config.methods import MTT
from mttjax.core.augmentation import dsa
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.objectives import match_loss
from mttjax.core.synthetic import Synthetic
from mttjax.distilling.mtt import make_gradient, make_outer_step, matching_optimiser, mtt
from mttjax.distilling.step import initial_state

MATCHING = MTT(student_steps=3, batch=3, lr_img=5.0, lr=0.05, trajectories=3)
AUGMENT = partial(dsa, ops=("flip", "cutout"))
ROOT = jax.random.key(7)
NETWORK = make_network(NetworkSpec(depth=1, width=6), (8, 8, 1), 3)


@pytest.fixture
def arguments():
    """State, (start, target) of three trajectories, the key of the first step."""
    keys = jax.random.split(jax.random.key(0), 3)
    start = jax.vmap(NETWORK.init)(keys)
    target = jax.tree.map(lambda x: x + 0.1 * jnp.cos(9 * x), start)
    images = jax.random.normal(keys[0], (6, 8, 8, 1))
    labels = jax.nn.one_hot(jnp.arange(6) % 3, 3)
    synthetic = Synthetic(images, labels, jnp.log(jnp.float32(0.05)))
    optimiser = matching_optimiser(MATCHING)
    return initial_state(synthetic, optimiser), (start, target), jax.random.fold_in(ROOT, 0)


def compiled(arguments, log):
    """The first step of the method, with the key it draws itself."""

    class NoPairs:
        draw = None

    method = mtt(
        arguments[0].synthetic, NoPairs, apply=NETWORK.apply, augment=AUGMENT, settings=MATCHING
    )
    step = method.compile(*arguments[:2], ROOT, log)
    return lambda state, pairs, key: step(state, pairs, ROOT, 0)


def packed(step):
    """A pure step whose record is packed, as that of a compiled one is."""

    def run(*arguments):
        state, record = step(*arguments)
        return state, record.packed()

    return jax.jit(run)


def moved(step, arguments):
    """A copy of the state goes in: the compiled step uses up what it is given."""
    state, *rest = arguments
    return step(jax.tree.map(jnp.copy, state), *rest)


def test_the_gradient_is_the_mean_over_the_trajectories(arguments):
    state, (start, target), key = arguments
    one = jax.jit(make_gradient(NETWORK.apply, AUGMENT, MATCHING, 6))
    keys = jax.random.split(key, 3)
    pick = lambda i: jax.tree.map(lambda x: x[i], (start, target))
    each = [one(state.synthetic, *pick(i), keys[i]) for i in range(3)]
    step = jax.jit(make_outer_step(NETWORK.apply, AUGMENT, MATCHING, 6))
    after, record = moved(step, arguments)
    np.testing.assert_allclose(record.loss, np.mean([t.loss for t in each]), rtol=1e-5)
    mean = sum(t.gradient.images for t in each) / 3
    expected = state.synthetic.images - MATCHING.lr_img * mean
    np.testing.assert_allclose(after.synthetic.images, expected, rtol=1e-4, atol=1e-6)
    assert len({float(t.loss) for t in each}) == 3


def test_threads_and_a_loop_agree(arguments):
    lines = []
    threaded = compiled(arguments, lines.append)
    assert "MiB of working memory" in lines[0]
    pure = make_outer_step(NETWORK.apply, AUGMENT, MATCHING, 6)
    assert_trees_all_close(
        moved(threaded, arguments), moved(packed(pure), arguments), rtol=1e-4, atol=1e-6
    )


def test_threads_give_the_same_bits_every_time(arguments):
    step = compiled(arguments, lambda line: None)
    first = moved(step, arguments)
    for _ in range(5):
        jax.tree.map(np.testing.assert_array_equal, first, moved(step, arguments))


@pytest.mark.parametrize("derivative", ["checkpoint", "plain"])
def test_the_option_for_the_derivative_changes_nothing_but_the_program(arguments, derivative):
    single = replace(MATCHING, trajectories=1)
    state, (start, target), key = arguments
    arguments = (state, jax.tree.map(lambda x: x[:1], (start, target)), key)
    results, programs = [], []
    for name in ("mixed", derivative):
        step = make_outer_step(NETWORK.apply, AUGMENT, replace(single, derivative=name), 6)
        results.append(moved(jax.jit(step), arguments))
        programs.append(jax.jit(step).lower(*arguments).as_text())
    assert_trees_all_close(*results, rtol=1e-4, atol=1e-6)
    assert programs[0] != programs[1]


@pytest.mark.parametrize("precision", PRODUCTS)
def test_every_product_of_the_gradient_is_of_the_networks_precision(precision, arguments):
    state, pairs, key = arguments
    step = make_outer_step(of_precision(precision).apply, AUGMENT, MATCHING, 6)
    with jax.default_matmul_precision("bfloat16"):  # which it does not ask for
        traced = jax.jit(step).trace(state, pairs, key)
    assert products_on_a_card(traced) == {PRODUCTS[precision]}


def of_precision(precision):
    return make_network(replace(NETWORK.spec, precision=precision), (8, 8, 1), 3)


def test_bfloat16_keeps_float32_parameters_and_points_the_same_way(arguments):
    state, (start, target), _ = arguments
    start, target = jax.tree.map(lambda x: x[0], (start, target))

    def gradient(apply):
        function = jax.value_and_grad(match_loss, has_aux=True)
        batches = jnp.arange(6).reshape(2, 3)
        (_, aux), grads = function(state.synthetic, start, target, apply=apply, batches=batches)
        return aux.params, grads.images.ravel()

    (params, exact), (short_params, short) = map(
        gradient, (NETWORK.apply, of_precision("bfloat16").apply)
    )
    assert {x.dtype for x in jax.tree.leaves(short_params)} == {jnp.dtype("float32")}
    assert_trees_all_close(short_params, params, atol=0.01)
    cosine = exact @ short / jnp.linalg.norm(exact) / jnp.linalg.norm(short)
    assert 0.9 < cosine < 0.999999
