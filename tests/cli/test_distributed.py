"""``distill --distributed``: two processes make the set of one, stop together and end together."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mttjax.system.npz import read_arrays

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, str(ROOT / "bin" / "distill"), "--config", "tiny.py")
SHORT = ("--distill.trajectories", "3", "--distill.evaluate-every", "0")
LONG = (*SHORT, "--distill.steps", "3000", "--distill.save-every", "7", "--verbose")


def free_port():
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def processes(options, within=((), ()), host="127.0.0.1"):
    """Two of one run; ``within``: what each is begun with, such as a namespace."""
    where = f"{host}:{free_port()}"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    begun = []
    try:
        for number in range(2):
            command = [*within[number], *COMMAND, *options, "--distributed", f"{where},2,{number}"]
            begun.append(subprocess.Popen(command, **pipes))
        yield begun
    finally:
        for process in begun:
            process.kill()
            process.communicate()


def ended(begun):
    """(status, standard output, standard error) of each."""
    told = [process.communicate(timeout=120) for process in begun]
    return [(process.returncode, *said) for process, said in zip(begun, told, strict=True)]


def at_work(folder, steps=20):
    """Waits until so many steps are done."""
    metrics, end = folder / "metrics.jsonl", time.monotonic() + 120
    while not metrics.exists() or len(metrics.read_text().splitlines()) < steps:
        assert time.monotonic() < end
        time.sleep(0.05)


def state(folder):
    arrays = read_arrays(folder / "state.npz")
    return {name: array.tobytes() for name, array in arrays.items() if name != "settings"}


def step_of(folder):
    return int(read_arrays(folder / "state.npz")["step"])


@pytest.fixture
def experts(place, mttjax):
    """The working folder, with experts."""
    assert mttjax("train_experts", "--config", "tiny.py")[0] == 0
    return place


def test_two_processes_make_the_set_of_one(experts, mttjax):
    with processes([*SHORT, "--run.folder", "two"]) as begun:
        (first, out, _), (second, quiet, _) = ended(begun)
    assert (first, second) == (0, 0)
    assert "3 trajectories a step on 2 devices of 2 processes" in out
    assert not [line for line in quiet.splitlines() if "[Gloo]" not in line]
    assert mttjax("distill", "--config", "tiny.py", *SHORT, "--run.folder", "one")[0] == 0
    assert state(experts / "two") == state(experts / "one")
    assert (experts / "two" / "index.html").exists()


@pytest.mark.slow
def test_a_signal_to_one_stops_both_after_the_same_step_and_any_number_goes_on(experts, mttjax):
    for number, sent in ((1, signal.SIGTERM), (0, signal.SIGINT)):
        with processes([*LONG, "--run.folder", f"stopped{number}"]) as begun:
            at_work(experts / f"stopped{number}")
            begun[number].send_signal(sent)
            (first, _, error), (second, _, other) = ended(begun)
        step = step_of(experts / f"stopped{number}")
        assert (first, second) == (128 + sent, 128 + sent)
        assert f"stopped by {sent.name} after step {step};" in error
        assert f"stopped by {sent.name} after step {step};" in other
    on = [*SHORT, "--distill.steps", str(step + 20), "--run.folder"]
    with processes([*on, "stopped1"]) as begun:
        assert [status for status, *_ in ended(begun)] == [0, 0]
    for folder in ("stopped0", "whole"):
        assert mttjax("distill", "--config", "tiny.py", *on, folder)[0] == 0
    assert state(experts / "stopped1") == state(experts / "whole")
    assert state(experts / "stopped0") == state(experts / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_where_one_is_killed_the_other_ends_and_the_run_goes_on(number, experts, mttjax):
    with processes([*LONG, "--run.folder", "killed"]) as begun:
        at_work(experts / "killed")
        begun[number].kill()
        begin = time.monotonic()
        status, _, error = ended(begun)[1 - number]
        assert time.monotonic() - begin < 20
    assert status == 2
    assert "another of the 2 processes of this run has ended or cannot be reached" in error
    assert "Traceback" not in error
    step = step_of(experts / "killed")
    on = [*SHORT, "--distill.steps", str(step + 20), "--run.folder"]
    assert mttjax("distill", "--config", "tiny.py", *on, "killed")[0] == 0
    assert mttjax("distill", "--config", "tiny.py", *on, "whole")[0] == 0
    assert state(experts / "killed") == state(experts / "whole")


@pytest.mark.slow
def test_a_fault_of_one_process_ends_both(experts):
    options = [*SHORT, "--run.folder", "fault"]
    with processes(options) as begun:
        begun[1].kill()
        begun[1].communicate()
        address = begun[0].args[-1].rpartition(",")[0]
        wrong = [*COMMAND, *options, "--experts.folder", "none", "--distributed", f"{address},1"]
        begun[1] = subprocess.Popen(
            wrong, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        (first, _, error), (second, _, own) = ended(begun)
    assert (first, second) == (2, 2)
    assert "process 1 of this run cannot go on: none: no experts" in error
    assert "none: no experts" in own


@contextlib.contextmanager
def namespaces():
    """Two network namespaces joined by a cable: what a process of each is begun with."""
    run = lambda line: subprocess.run(line.split(), check=True, capture_output=True)
    names = [f"mttjax-{os.getpid()}-{end}" for end in (0, 1)]
    try:
        for name in names:
            run(f"ip netns add {name}")
        run(f"ip link add v0 netns {names[0]} type veth peer name v1 netns {names[1]}")
        for end, name in enumerate(names):
            run(f"ip -n {name} addr add 10.231.7.{end + 1}/24 dev v{end}")
            run(f"ip -n {name} link set v{end} up")
            run(f"ip -n {name} link set lo up")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")
    try:
        # gloo listens at the address of the machine's name.
        named = 'hostname "$1" && shift && exec "$@"'
        yield tuple(
            ("ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c", named, "sh", address)
            for name, address in zip(names, ("10.231.7.1", "10.231.7.2"), strict=True)
        )
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.mark.slow
def test_two_machines_as_namespaces_stand_in_for_them(experts, mttjax):
    with (
        namespaces() as within,
        processes([*SHORT, "--run.folder", "two"], within, "10.231.7.1") as begun,
    ):
        assert [status for status, *_ in ended(begun)] == [0, 0]
    assert mttjax("distill", "--config", "tiny.py", *SHORT, "--run.folder", "one")[0] == 0
    assert state(experts / "two") == state(experts / "one")


@pytest.mark.parametrize(
    "value", ["", "4,1", "host:1,2", "host:1,2,2", "host:port,2,0", "AUTO", "host:1,0,0"]
)
def test_another_form_is_refused(value, place, mttjax):
    status, _, error = mttjax("distill", "--config", "tiny.py", f"--distributed={value}")
    assert status == 2
    assert error.startswith(f"distill: --distributed {value}: give auto, or HOST:PORT,N,ID")
