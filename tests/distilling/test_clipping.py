"""Gradients that are far longer than usual."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mttjax.config.methods import MTT
from mttjax.core.synthetic import Synthetic
from mttjax.distilling.clipping import clip_by_usual
from mttjax.distilling.mtt import matching_optimiser


def passed(lengths, factor=3.0):
    """The lengths that come through, of gradients of two leaves in one direction."""
    clip, direction = clip_by_usual(factor), {"a": jnp.array([0.6, 0.0]), "b": jnp.array(0.8)}
    state, found = clip.init(direction), []
    for length in lengths:
        gradient = optax.tree.scale(length, direction)
        given, state = clip.update(gradient, state)
        found.append(float(optax.tree.norm(given)))
        if found[-1] == length:
            np.testing.assert_array_equal(given["a"], gradient["a"])  # no bit of it changes
    return found


def test_what_is_longer_than_three_running_geometric_means_is_shortened_to_that():
    lengths = np.random.default_rng(0).lognormal(sigma=1.5, size=60)
    found, usual, expected = passed(lengths), lengths[0], []
    for length in lengths:
        expected.append(min(length, 3 * usual))
        usual = np.exp(0.9 * np.log(usual) + 0.1 * np.log(expected[-1]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert 3 < sum(f < 0.99 * x for f, x in zip(found, lengths, strict=True)) < 30


def test_a_gradient_that_stays_long_is_let_through_in_a_while():
    found = passed([1.0] * 5 + [100.0] * 60)
    assert found[5] < 3.1
    np.testing.assert_allclose(found[-1], 100.0, rtol=1e-5)


def test_gradients_of_zero_are_no_measure_of_the_next():
    np.testing.assert_allclose(
        passed([0.0, 0.0, 5.0, 5.0, 0.0, 9.0]), [0, 0, 5, 5, 0, 9], rtol=1e-6
    )


def test_one_spike_of_a_thousand_moves_no_more_than_three_usual_steps():
    found = passed([1.0] * 20 + [1000.0] + [1.0] * 5)
    assert 2.9 < found[20] < 3.1
    np.testing.assert_allclose(found[21:], 1.0, rtol=1e-5)


@pytest.mark.parametrize(("clip", "longest"), [(None, (50.0, 60.0, 70.0)), (2.0, (2.0, 2.0, 2.0))])
def test_mtt_clips_images_labels_and_rate_each_by_its_own_where_it_is_asked_to(clip, longest):
    rates = {"lr_img": 1.0, "lr_lr": 1.0, "lr_labels": 1.0, "momentum": 0.0, "label_momentum": 0.0}
    settings = MTT(labels="learned", clip=clip, **rates)
    optimiser, one = matching_optimiser(settings), jnp.ones(())
    usual = Synthetic(one[None, None, None, None], one[None, None], one)
    state, spike = optimiser.init(usual), Synthetic(50 * usual.images, 60 * usual.labels, 70 * one)
    _, state = optimiser.update(usual, state, usual)
    moves, _ = optimiser.update(spike, state, usual)
    np.testing.assert_allclose([-float(jnp.sum(x)) for x in moves], longest, rtol=1e-6)
