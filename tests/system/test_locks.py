"""One process at a time, and what a killed one leaves."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from mttjax.system.errors import InputError
from mttjax.system.files import atomically, leftovers
from mttjax.system.locks import exclusive

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
        by = f"process {process.pid} on .* since 20"
        with pytest.raises(InputError, match=by), exclusive(folder):
            pass
        assert leftovers(folder) == []  # it is written by a living process
        assert len(list(folder.glob(".half.*.tmp"))) == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert len(leftovers(folder)) == 1
    with exclusive(folder):
        assert not list(folder.glob(".half.*.tmp"))
    assert {path.name for path in folder.iterdir()} <= {".lock"}  # some filelocks remove it


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, None])
def test_on_a_file_system_without_locks_nothing_is_held(number, tmp_path, monkeypatch):
    answer = NotImplementedError() if number is None else OSError(number, "no locks here")

    def acquire(self):
        raise answer

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with exclusive(tmp_path), exclusive(tmp_path):
        (tmp_path / "x").touch()
    answer = PermissionError(errno.EACCES, "not yours")
    with pytest.raises(PermissionError), exclusive(tmp_path):
        pass


def test_where_nothing_was_written_nothing_is_left(tmp_path):
    with exclusive(tmp_path / "a" / "b"):
        pass
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "kept").mkdir()
    with exclusive(tmp_path / "kept"), atomically(tmp_path / "kept" / "x") as file:
        file.write(b"whole")
    assert {"x"} <= set(os.listdir(tmp_path / "kept")) <= {".lock", "x"}


def test_who_is_refused_does_not_remove_the_lock_of_another(tmp_path, monkeypatch):
    """Both made the folder; the other one holds it and has not written its name yet."""

    def acquire(self):
        Path(self.lock_file).touch()
        raise filelock.Timeout(self.lock_file)

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with pytest.raises(InputError, match="just begun"), exclusive(tmp_path / "f"):
        pass
    assert (tmp_path / "f" / ".lock").exists()


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
    several = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "f")], cwd=root)
        for _ in range(3)
    ]
    assert [p.wait(timeout=300) for p in several] == [0, 0, 0]
    assert (tmp_path / "f" / "count").read_text() == "300"
