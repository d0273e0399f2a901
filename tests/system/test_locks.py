"""One process at a time, and what a killed one leaves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mttjax.system.errors import InputError
from mttjax.system.files import atomically, leftovers
from mttjax.system.locks import exclusive, shared

HOLD = """
import sys, time
from mttjax.system.files import atomically
from mttjax.system.locks import exclusive
with exclusive(sys.argv[1]), atomically(sys.argv[1] + "/half") as file:
    file.write(b"h")
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder):
    """A process that holds ``folder`` in the middle of a write."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert process.stdout.readline() == b"held\n"
    return process


def test_another_process_is_refused_and_named_until_it_is_killed(tmp_path):
    folder = tmp_path / "run"
    process = holder(folder)
    try:
        for hold in (exclusive, shared):
            by = f"process {process.pid} on .* since 20"
            with pytest.raises(InputError, match=by), hold(folder):
                pass
        assert len(leftovers(folder)) == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert (folder / ".lock").exists()
    with exclusive(folder):
        assert leftovers(folder) == []
    assert list(folder.iterdir()) == []
    with exclusive(tmp_path / "a" / "b"):
        pass
    assert list(tmp_path.iterdir()) == [folder]  # nothing was written


def test_what_a_living_process_writes_is_not_swept(tmp_path):
    process = holder(tmp_path / "sets" / "one")
    try:
        with shared(tmp_path):
            assert len(leftovers(tmp_path)) == 1
        (tmp_path / ".x.json.abc.tmp").touch()
        with shared(tmp_path), shared(tmp_path):
            assert len(leftovers(tmp_path)) == 1
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_several_share_and_none_of_them_sweeps(tmp_path):
    with shared(tmp_path), atomically(tmp_path / "a") as file:
        file.write(b"whole")
        with shared(tmp_path):
            pass
        with pytest.raises(InputError, match="at work"), exclusive(tmp_path):
            pass
    assert sorted(os.listdir(tmp_path)) == ["a"]


def test_many_processes_and_each_holds_it_alone(tmp_path):
    """A counter that is read and written under the lock loses nothing."""
    code = """
import sys
from pathlib import Path
from mttjax.system.errors import InputError
from mttjax.system.locks import exclusive
folder, done = Path(sys.argv[1]), 0
while done < 100:
    try:
        with exclusive(folder):
            count = folder / "count"
            number = int(count.read_text()) if count.exists() else 0
            count.write_text(str(number + 1))
            done += 1
    except InputError:
        pass
"""
    root = Path(__file__).resolve().parents[2]
    begin = time.monotonic()
    several = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "f")], cwd=root)
        for _ in range(3)
    ]
    assert [p.wait(timeout=60) for p in several] == [0, 0, 0], time.monotonic() - begin
    assert (tmp_path / "f" / "count").read_text() == "300"
