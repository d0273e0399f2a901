"""Units that several processes share: done once, waited for, failed without ending the others."""

from functools import partial

import pytest

from mttjax.system import units as module
from mttjax.system.errors import InputError
from mttjax.system.locks import Busy, exclusive
from mttjax.system.units import (
    Incomplete,
    do_units,
    forget_failures,
    look_at_units,
    missing,
    only_share,
)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0)


def fails(text="it cannot be done"):
    raise InputError(text)


def names(begun, count=5):
    """Units that note that they were begun and return their number."""

    def do(name, number):
        begun.append(name)
        return number

    return {f"unit{n}": partial(do, f"unit{n}", n) for n in range(count)}


def test_all_are_done_in_order_and_workers_begin_apart(tmp_path):
    orders = []
    for worker in (None, 0, 1, 2):
        begun, results = [], {}
        do_units(names(begun), tmp_path, results.__setitem__, worker=worker)
        assert results == {f"unit{n}": n for n in range(5)}
        orders.append(begun)
    assert orders[0] == orders[1] == sorted(orders[0])
    assert len({begun[0] for begun in orders[1:]}) == 3


@pytest.mark.parametrize("shares", [1, 2, 3, 7])
def test_shares_are_all_of_the_units_and_each_once(shares, tmp_path):
    begun = []
    for number in range(shares):
        with only_share(number, shares):
            do_units(names(begun), tmp_path, lambda *_: None, worker=number)
    assert sorted(begun) == [f"unit{n}" for n in range(5)]


def test_what_another_process_is_at_is_taken_when_it_is_done(tmp_path):
    tries, lines, results = [], [], {}

    def busy():
        tries.append(len(results))
        if len(tries) < 3:
            raise Busy("busy", "process 7 on node since noon")
        return "by the other"

    do_units({"a": busy} | names([]), tmp_path, results.__setitem__, log=lines.append)
    assert results["a"] == "by the other"
    assert tries == [0, 5, 5]  # the others first
    assert lines == [
        "a: waiting for another process that is at work on it (process 7 on node since noon)"
    ]


def test_one_that_fails_leaves_its_message_and_the_others_are_done(tmp_path):
    begun, results = [], {}
    work = {"bad": fails} | names(begun)
    with pytest.raises(Incomplete, match=r"1 of 6 failed.*\n  bad: it cannot be done"):
        do_units(work, tmp_path, results.__setitem__)
    assert len(results) == 5
    assert (tmp_path / "bad.failed").read_text() == "it cannot be done\n"
    again = {"bad": lambda: "done"}
    with pytest.raises(Incomplete):  # a worker leaves it alone
        do_units(again, tmp_path, results.__setitem__, worker=0)
    do_units(again, tmp_path, results.__setitem__)
    assert results["bad"] == "done"
    assert not list(tmp_path.iterdir())


def test_failures_are_forgotten_before_workers_begin(tmp_path):
    with pytest.raises(Incomplete):
        do_units({"bad": fails}, tmp_path, lambda *_: None)
    forget_failures(tmp_path)
    do_units({"bad": lambda: 1}, tmp_path, lambda *_: None, worker=0)


def test_other_errors_end_the_work(tmp_path):
    def breaks():
        raise OSError("no space")

    begun = []
    with pytest.raises(OSError, match="no space"):
        do_units({"a": breaks} | names(begun), tmp_path, lambda *_: None)
    assert not begun


def test_a_look_says_what_is_missing_at_work_and_failed(tmp_path):
    lines, results = [], {}
    with pytest.raises(Incomplete):
        do_units({"bad": fails}, tmp_path, lambda *_: None)
    look = lambda name: partial(missing, tmp_path / name)
    with exclusive(tmp_path / "held"):
        looks = {name: look(name) for name in ("bad", "gone", "held")} | {"there": lambda: 1}
        look_at_units(looks, tmp_path, results.__setitem__, lines.append)
    assert results == {"there": 1}
    assert lines[:2] == ["bad: failed: it cannot be done", "gone: missing"]
    assert lines[2].startswith("held: at work on it: process ")
