"""Signals: the first finishes the step in hand, a second one or one between steps stops at once."""

import signal
import threading

import pytest

from mttjax.cli.messages import messages
from mttjax.parallel import in_threads
from mttjax.stopping import Stopped, stop_at_once, stop_requested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_stops(number, capfd):
    with stop_requested() as stopped:
        assert stopped() is None
        signal.raise_signal(number)
        assert stopped() == number
        assert "once more to stop at once" in capfd.readouterr().err
        with pytest.raises(Stopped, match=f"{number.name} at once"):
            signal.raise_signal(number)


def test_handlers_are_as_before(capfd):
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with stop_at_once(), stop_requested() as stopped:
        signal.raise_signal(signal.SIGTERM)
        assert stopped()
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def test_outside_the_main_thread_nothing_ever_comes():
    seen = []

    def run():
        with stop_requested() as stopped, stop_at_once():
            seen.append(stopped())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [None]


def test_a_stop_is_no_failure_that_is_caught_with_others():
    def tried():
        try:
            signal.raise_signal(signal.SIGTERM)
        except Exception:
            pytest.fail("taken for an error")

    with stop_at_once(), pytest.raises(Stopped):
        tried()


def test_a_stop_does_not_wait_for_threads_at_work():
    go_on, done = threading.Event(), []

    def work(number):
        if number == 0:
            signal.raise_signal(signal.SIGTERM)
        go_on.wait(30)
        done.append(number)

    with pytest.raises(Stopped), stop_at_once():
        in_threads(work, range(4), workers=2)
    assert done == []
    go_on.set()


def test_a_command_leaves_with_the_signals_status(capsys):
    @messages
    def distill(arguments):
        raise Stopped(signal.SIGTERM, "after step 7")

    assert distill([]) == 143
    said = capsys.readouterr().err
    assert said == "stopped by SIGTERM after step 7; the same command goes on from there\n"


def test_control_characters_of_a_strangers_name_are_shown_not_obeyed():
    @messages
    def check(arguments):
        raise OSError(28, "No space left on device", "a\x1b[2Jb")

    answer = check([])
    assert answer.startswith("check: a\\x1b[2Jb: No space left on device. Free some space")
