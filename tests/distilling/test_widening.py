"""The window that widens by itself: which losses widen it, and that a kill does not."""

import json
import math

import numpy as np
import pytest

from mttjax.distilling.widening import LAG, LEAST_TRIALS, Widening
from mttjax.system.metrics import Metrics

STEPS = 600


def windows(window, loss, steps=range(STEPS), delay=3, tell=None):
    """What ``window`` says of every step, which hears the loss of one ``delay`` steps later."""
    tell = tell or window.write
    said, waiting = [], []
    for step in steps:
        said.append(window(step))
        waiting.append({"step": step + 1, "loss": loss(step, said[-1])})
        if len(waiting) > delay:
            tell(waiting.pop(0))
    for line in waiting:
        tell(line)
    return said


def noise(step):
    return 0.02 * math.sin(12.9898 * step) * math.cos(78.233 * step)


def by_epoch(within, beyond):
    """The loss of a step: ``beyond(step)`` where it starts above epoch 1, else ``within(step)``."""
    return lambda step, window: (beyond if window[0] > 1 else within)(step) + noise(step)


LOSSES = {
    "falling beyond": (by_epoch(lambda k: 0.5, lambda k: 0.9 - k / 1000), 6),
    "flat beyond": (by_epoch(lambda k: 0.5, lambda k: 0.9), 2),
    "rising beyond": (by_epoch(lambda k: 0.5, lambda k: 0.6 + k / 1000), 2),
    "lower beyond": (by_epoch(lambda k: 0.5, lambda k: 0.4), 6),
    "not a number beyond": (by_epoch(lambda k: 0.5, lambda k: math.nan), 2),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_window_takes_in_the_next_epoch_where_its_loss_falls_or_is_no_higher(name):
    loss, last = LOSSES[name]
    told = lambda step, window: None if math.isnan(x := loss(step, window)) else x
    said = windows(Widening(0, 6), told)
    kept = [end for low, high, end in said]
    assert kept[0] == 1
    assert kept == sorted(kept)
    assert kept[-1] == last


def test_one_step_of_four_tries_the_next_epoch_alone_and_none_once_all_are_in():
    said = windows(Widening(2, 4), lambda step, window: 0.5)
    first, last = said[:LEAST_TRIALS], said[-8:]
    assert first == [*[(2, 3, 3)] * 3, (3, 4, 3)] * 2 + [(2, 3, 3)] * 2
    assert last == [(2, 4, 4)] * 8


def test_losses_heard_earlier_or_later_make_no_difference():
    loss = LOSSES["falling beyond"][0]
    said = [windows(Widening(0, 6), loss, delay=delay) for delay in (0, 4, LAG - 1)]
    assert said[0] == said[1] == said[2]


@pytest.mark.parametrize("stopped", [1, 100, 237, 400])
def test_gone_on_with_it_says_what_one_that_was_never_stopped_does(tmp_path, stopped):
    loss, path = LOSSES["falling beyond"][0], tmp_path / "metrics.jsonl"
    whole = windows(Widening(0, 6), loss)

    def going_on(steps):
        window, metrics = Widening(0, 6, path), Metrics(path)
        metrics.listeners.append(window)
        metrics.forget_after(stopped if steps.start else -1)
        said = windows(window, loss, steps, tell=metrics.write)
        metrics.close()
        return said

    going_on(range(0, stopped + 7))  # it was killed some steps after the last state
    assert going_on(range(stopped, STEPS)) == whole[stopped:]
    steps = [json.loads(line)["step"] for line in path.read_text().splitlines()]
    np.testing.assert_array_equal(steps, np.arange(1, STEPS + 1))
