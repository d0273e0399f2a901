"""Pairs of expert snapshots: what step and seed decide, and how many."""

import jax
import numpy as np
import pytest

from mttjax.distilling.method import read_ahead
from mttjax.distilling.pairs import ExpertPairs
from mttjax.system.errors import InputError


class Store:
    """As many experts as one likes, whose parameters say which snapshot they are."""

    folder = "store"

    def experts_with(self, epoch):
        return [0, 1, 2, 5]

    def missing(self, expert, epoch):
        return [] if expert in self.experts_with(epoch) else [1]

    def load(self, expert, epoch, like):
        return {"w": np.array([expert, epoch], np.float32)}


def source(count=1, seed=0, experts=None):
    like = {"w": jax.ShapeDtypeStruct((2,), np.float32)}
    return ExpertPairs(
        Store(), like, expert_epochs=2, max_start=4, experts=experts, seed=seed, count=count
    )


def noted(drawn):
    return drawn.note["experts"], drawn.note["epochs"]


def test_the_parameters_are_those_of_the_snapshots_named():
    drawn = source(count=3).draw(11)
    named = np.array(noted(drawn), np.float32).T
    start, target = drawn.context
    np.testing.assert_array_equal(start["w"], named)
    np.testing.assert_array_equal(target["w"], named + np.float32([0, 2]))


@pytest.mark.parametrize("step", range(5))
def test_more_pairs_begin_with_the_fewer(step):
    one, many = source().draw(step), source(count=4).draw(step)
    assert noted(one) == tuple(named[:1] for named in noted(many))
    np.testing.assert_array_equal(one.context[0]["w"][0], many.context[0]["w"][0])


def test_starts_are_drawn_from_the_window_of_the_step_and_nothing_else_changes():
    like = {"w": jax.ShapeDtypeStruct((2,), np.float32)}
    how = dict(expert_epochs=2, max_start=4, count=4)
    given = ExpertPairs(Store(), like, window=lambda step: (0, 4), **how)
    assert [noted(given.draw(k)) for k in range(9)] == [noted(source(4).draw(k)) for k in range(9)]
    rising = ExpertPairs(Store(), like, window=lambda step: (step, step + 2), **how)
    drawn = {step: {e for _ in range(9) for e in noted(rising.draw(step))[1]} for step in range(3)}
    assert all(epochs <= {step, step + 1} for step, epochs in drawn.items())


def test_step_and_seed_decide_the_draw():
    draws = {
        (seed, noted(source(count=4, seed=seed).draw(step)))
        for seed in (0, 1)
        for step in range(20)
    }
    assert len(draws) > 35
    assert noted(source(count=4).draw(7)) == noted(source(count=4).draw(7))
    everywhere = [noted(source(count=4).draw(step)) for step in range(50)]
    assert {e for experts, _ in everywhere for e in experts} == {0, 1, 2, 5}
    assert {e for _, epochs in everywhere for e in epochs} == {0, 1, 2, 3}


def test_read_ahead_yields_the_draws_in_order():
    draw = source(count=2).draw
    assert [noted(p) for p in read_ahead(draw, 3, 9)] == [noted(draw(s)) for s in range(3, 9)]


def test_iterated_over_it_gives_pairs_for_a_loop_of_ones_own():
    pairs = source()
    for step, (start, target) in zip(range(3), pairs, strict=False):
        drawn = pairs.draw(step).context
        np.testing.assert_array_equal(start["w"], drawn[0]["w"][0])
        np.testing.assert_array_equal(target["w"], drawn[1]["w"][0])


def test_the_experts_are_the_first_and_not_others_in_the_place_of_a_lost_one():
    """A run that goes on when a snapshot was lost must not draw from another expert."""
    assert source(experts=3).experts == [0, 1, 2]
    with pytest.raises(InputError, match=r"4 of 6 experts have all epochs to 5 .*expert 3 lacks"):
        source(experts=6)
