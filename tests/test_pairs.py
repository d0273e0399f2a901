"""Pairs of expert snapshots: what step and seed decide, and how many."""

import jax
import numpy as np
import pytest

from mttjax.pairs import PairSource


class Store:
    """As many experts as one likes, whose parameters say which snapshot they are."""

    folder = "store"

    def experts_with(self, epoch):
        return [0, 1, 2, 5]

    def load(self, expert, epoch, like):
        return {"w": np.array([expert, epoch], np.float32)}


def source(count=1, seed=0):
    like = {"w": jax.ShapeDtypeStruct((2,), np.float32)}
    return PairSource(
        Store(), like, expert_epochs=2, max_start=4, experts=None, seed=seed, count=count
    )


def test_the_parameters_are_those_of_the_snapshots_named():
    pairs = source(count=3).draw(11)
    named = np.array([pairs.experts, pairs.epochs], np.float32).T
    np.testing.assert_array_equal(pairs.start["w"], named)
    np.testing.assert_array_equal(pairs.target["w"], named + np.float32([0, 2]))


@pytest.mark.parametrize("step", range(5))
def test_more_pairs_begin_with_the_fewer(step):
    one, many = source().draw(step), source(count=4).draw(step)
    assert (*one.experts, *one.epochs) == (many.experts[0], many.epochs[0])
    np.testing.assert_array_equal(one.start["w"][0], many.start["w"][0])


def test_step_and_seed_decide_the_draw():
    draws = {
        (seed, source(count=4, seed=seed).draw(step)[2:]) for seed in (0, 1) for step in range(20)
    }
    assert len(draws) > 35
    assert source(count=4).draw(7)[2:] == source(count=4).draw(7)[2:]
    everywhere = [source(count=4).draw(step) for step in range(50)]
    assert {e for p in everywhere for e in p.experts} == {0, 1, 2, 5}
    assert {e for p in everywhere for e in p.epochs} == {0, 1, 2, 3}


def test_read_ahead_yields_the_draws_in_order():
    ahead = list(source(count=2).ahead(3, 9))
    assert [p[2:] for p in ahead] == [source(count=2).draw(step)[2:] for step in range(3, 9)]
