"""Who does what in a team, and what all of them then know: processes that meet in memory."""

import socket
import threading

import numpy as np
import pytest

from mttjax.system import team as teams
from mttjax.system.errors import InputError
from mttjax.system.team import ALONE, Team, join


class InMemory(Team):
    """Rows meet at a barrier in the place of devices."""

    def __init__(self, number, rows, barrier):
        super().__init__(number, len(rows))
        self._rows, self._barrier = rows, barrier

    def _told(self, row):
        self._rows[self.number] = row.copy()
        self._barrier.wait(10)
        told = np.stack(self._rows)
        self._barrier.wait(10)
        return told


def in_each(count, work):
    """What ``work(team)`` returns, or the error it raises, in each of ``count`` processes."""
    rows, barrier, found = [None] * count, threading.Barrier(count), [None] * count

    def run(number):
        try:
            found[number] = work(InMemory(number, rows, barrier))
        except InputError as error:
            found[number] = str(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def result(i):
    return {"image": np.full((2, 3), np.float32(i) / 3), "counts": (np.int32(i), np.bool_(i % 2))}


@pytest.mark.parametrize(("count", "total"), [(1, 3), (2, 4), (2, 5), (3, 2), (4, 4)])
def test_all_is_done_and_all_know_it_in_order(count, total):
    work = lambda team: team.completed(total, [result(i) for i in team.own(total)])
    for found in in_each(count, work):
        assert len(found) == total
        for i, one in enumerate(found):
            np.testing.assert_array_equal(one["image"], result(i)["image"])
            assert tuple(map(int, one["counts"])) == (i, i % 2)
            assert one["image"].dtype == np.float32


@pytest.mark.parametrize("tree", [None, {"x": np.arange(3)}])
def test_what_the_first_has_all_have(tree):
    like = {"x": np.zeros(3, int)}
    found = in_each(3, lambda team: team.of_the_first(None if team.number else tree, like))
    for one in found:
        assert (one is None) == (tree is None)
        if tree:
            np.testing.assert_array_equal(one["x"], tree["x"])


def test_what_one_hears_all_hear_when_they_gather():
    def work(team):
        asked = team.together(lambda seconds=0.0: 15 if team.number == 1 and seconds else None)
        before = asked(2.0)
        team.gather(np.zeros(1))
        return before, asked()

    assert in_each(3, work) == [(None, 15)] * 3


def test_a_fault_of_one_ends_all():
    def work(team):
        team.require_well("no experts there" if team.number == 2 else None, "same")
        return "has the fault"

    other = "process 2 of this run cannot go on: no experts there"
    assert in_each(3, work) == [other, other, "has the fault"]


def test_other_settings_end_all():
    found = in_each(2, lambda team: team.require_well(None, f"seed {team.number}"))
    assert all("process 1 of this run has other settings" in text for text in found)


def test_a_single_process_asks_nobody():
    asked = lambda seconds=0.0: 2
    assert ALONE.together(asked) is asked
    assert ALONE.of_the_first(None, 1) is None
    ALONE.require_well("fault", "text")


def test_an_address_where_nobody_is_or_where_another_is_refused(monkeypatch):
    monkeypatch.setattr(teams, "WAITING", 0.1)
    with socket.create_server(("", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=f"{address}: cannot listen there"):
            join(address, 2, 0)
    with pytest.raises(InputError, match=f"{address}: process 0 does not answer there within"):
        join(address, 2, 1)
    with pytest.raises(InputError, match="process 0 does not answer"):
        join("127.0.0.1:99999", 2, 1)
