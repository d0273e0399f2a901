"""Work behind the caller's: in order, never lost, and none of its errors is."""

import threading

import pytest

from mttjax.system.threads import Behind


def fail():
    raise OSError("disk full")


def test_the_caller_goes_on_and_the_block_waits():
    done, gate = [], threading.Event()

    def late(name):
        gate.wait(10)
        done.append(name)

    with Behind("test") as behind:
        behind.do(late, "first")
        assert done == []  # it waits for what the caller does only now
        gate.set()
        behind.do(late, "second")
        assert done[0] == "first"
    assert done == ["first", "second"]


@pytest.mark.parametrize("then", ["do", "wait", "end"])
def test_an_error_is_raised_by_whoever_waits_next(then):
    done = []

    def work():
        with Behind("test") as behind:
            behind.do(fail)
            if then == "do":
                behind.do(done.append, "never")
            if then == "wait":
                behind.wait()

    with pytest.raises(OSError, match="disk full"):
        work()
    assert done == []


def test_an_error_is_raised_once():
    with Behind("test") as behind:
        behind.do(fail)
        with pytest.raises(OSError, match="disk full"):
            behind.wait()


def test_what_ends_the_block_waits_for_the_task():
    done, gate = [], threading.Event()

    def stopped():
        with Behind("test") as behind:
            behind.do(lambda: (gate.wait(10), done.append("written")))
            gate.set()
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        stopped()
    assert done == ["written"]
