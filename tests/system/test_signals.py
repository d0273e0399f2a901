"""Signals: the first finishes the step in hand, a later one or one between steps stops at once."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mttjax.system.signals import stop_at_once, stop_requested, time_limit
from mttjax.system.threads import in_threads


@pytest.fixture
def former():
    """Handlers of the test's own, and what they saw."""
    seen = []
    before = {
        s: signal.signal(s, lambda n, frame: seen.append(n))
        for s in (signal.SIGINT, signal.SIGTERM)
    }
    yield seen
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_a_later_one_does_what_it_did(number, former, capfd):
    now = [0.0]
    with stop_requested(lambda: now[0]) as stopped:
        assert stopped() is None
        signal.raise_signal(number)
        assert stopped() == number
        assert "once more to stop at once" in capfd.readouterr().err
        for now[0] in (0.001, 1.9):  # timeout(1) and batch systems signal a command twice
            signal.raise_signal(number)
        assert stopped() == number
        assert (former, capfd.readouterr().err) == ([], "")
        now[0] = 2.1
        signal.raise_signal(number)
    assert former == [number]
    signal.raise_signal(number)
    assert former == [number, number]  # the handlers are as before


def test_a_signal_of_the_other_kind_is_a_second_request(former):
    with stop_requested(lambda: 0.0) as stopped:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert stopped() == signal.SIGTERM
    assert former == [signal.SIGINT]


def test_outside_the_main_thread_nothing_ever_comes():
    seen = []

    def run():
        with stop_requested() as stopped, stop_at_once():
            seen.append(stopped())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [None]


def ended(code):
    """(status, standard error) of a process."""
    root = Path(__file__).resolve().parents[2]
    how = dict(capture_output=True, text=True, timeout=50, cwd=root)
    done = subprocess.run([sys.executable, "-c", code], check=False, **how)
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_between_steps_a_signal_ends_the_process_and_what_it_was_writing(number, tmp_path):
    """Though it comes where an exception would be swallowed, and with a thread at work."""
    code = f"""
import signal, threading, time
from mttjax.system.files import atomically
from mttjax.system.signals import stop_at_once
class Swallows:
    def __del__(self):
        signal.raise_signal({int(number)})
threading.Thread(target=time.sleep, args=(60,)).start()
with stop_at_once(), atomically({str(tmp_path / "half")!r}) as file:
    file.write(b"h")
    Swallows()
"""
    assert ended(code) == (128 + number, f"stopped by {number.name} at once\n")
    assert list(tmp_path.iterdir()) == []


def test_a_time_limit_asks_to_stop_before_what_would_not_end_in_time():
    with time_limit(1), stop_requested() as stopped:
        assert stopped() is stopped(20) is None
        assert stopped(58) == stopped() == signal.SIGALRM  # two seconds do not do for saving
    with time_limit(None), stop_requested() as stopped:
        assert stopped(1e9) is None


def test_at_the_end_of_the_time_the_process_ends_though_it_does_not_listen(tmp_path):
    code = f"""
import signal, time
from mttjax.system.files import atomically
from mttjax.system.signals import time_limit
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
with time_limit(.001), atomically({str(tmp_path / "half")!r}) as file:
    time.sleep(50)
"""
    assert ended(code) == (128 + signal.SIGALRM, "stopped by --minutes at once\n")
    assert list(tmp_path.iterdir()) == []


def test_what_interrupts_threads_does_not_wait_for_them():
    go_on, done = threading.Event(), []

    def work(number):
        if number == 0:
            raise KeyboardInterrupt
        go_on.wait(30)
        done.append(number)

    with pytest.raises(KeyboardInterrupt):
        in_threads(work, range(4), workers=2)
    assert done == []
    go_on.set()
