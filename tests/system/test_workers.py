"""Worker processes: their numbers and places, deaths, failures, and signals that are passed on."""

import os
import signal
import sys
import threading

import pytest

from mttjax.system import workers
from mttjax.system.signals import time_limit
from mttjax.system.workers import itself, run_workers


def command(script):
    return [sys.executable, "-c", f"import os, sys, time\nnumber = int(sys.argv[2])\n{script}"]


def run(script, count=2):
    lines = []
    return run_workers(command(script), count, lines.append), sorted(lines)


def test_each_has_its_number_and_its_share_of_the_cores(monkeypatch):
    monkeypatch.setattr(workers, "_cards", list)
    status, lines = run("time.sleep(.3); print(len(os.sched_getaffinity(0)))")
    share = max(1, len(os.sched_getaffinity(0)) // 2)
    assert (status, lines) == (0, [f"[{k}] {share}" for k in range(2)])


def test_on_cards_each_has_one_and_those_that_share_it_share_its_memory(monkeypatch):
    monkeypatch.setattr(workers, "_cards", lambda: ["3", "5"])
    names = ("CUDA_VISIBLE_DEVICES", "XLA_PYTHON_CLIENT_MEM_FRACTION")
    status, lines = run(f"print(*map(os.environ.get, {names}))", count=4)
    assert status == 0
    assert lines == ["[0] 3 0.450", "[1] 5 0.450", "[2] 3 0.450", "[3] 5 0.450"]


def test_one_that_dies_is_started_again_as_another_and_goes_on():
    status, lines = run(
        "print(number, flush=True); os.kill(os.getpid(), 9) if number < 2 else None"
    )
    assert status == 0
    assert [line for line in lines if "died" not in line] == [
        *("[0] 0", "[0] 1", "[0] 2", "[1] 1", "[1] 2")
    ]
    assert sum("died (status -9); started again" in line for line in lines) == 3


def test_one_that_dies_again_and_again_is_given_up():
    status, lines = run("os.kill(os.getpid(), 9)", count=1)
    assert (status, len(lines)) == (3, 3)


@pytest.mark.parametrize(
    ("ends", "status"), [((0, 3), 3), ((2, 3), 2), ((0, 0), 0), ((143, 3), 143)]
)
def test_the_status_is_the_gravest(ends, status):
    assert run(f"sys.exit({ends}[number])")[0] == status


def test_a_signal_is_passed_on():
    script = (
        "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "print('ready', flush=True)\ntime.sleep(60)"
    )
    ready, lines = threading.Semaphore(0), []

    def log(line):
        lines.append(line)
        ready.release()

    def stop():
        for _ in range(2):
            ready.acquire()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    assert run_workers(command(script), 2, log) == 143


def test_workers_end_before_the_time_of_the_command_does():
    with time_limit(1):
        _, (line,) = run("print(sys.argv[3:])", count=1)
    minutes = float(line.partition("--minutes', '")[2].rstrip("']"))
    assert 0.8 < minutes < 56 / 60


def test_a_worker_runs_the_same_checkout():
    lines = []
    status = run_workers([*itself(["--version"])], 1, lines.append)
    assert status == 0
    assert lines[0].startswith("[0] mttjax ")
