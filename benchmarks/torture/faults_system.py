"""Folders that cannot be written to, and two processes in one."""

import contextlib
import io
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.torture.commands import Place, arguments_of
from benchmarks.torture.faults_common import Wrong, the_files
from benchmarks.torture.faults_disk import require_message
from benchmarks.torture.faults_repairs import refused
from benchmarks.torture.files import content, differing
from mttjax import cli
from mttjax.system.locks import exclusive

__all__ = ["Commands", "run"]

ROUNDS = 6
WARM = 0.4
"""Of the time of a process that compiles, so much takes one that need not, about."""

AT_WORK = "another process is at work here"
DONE = {"train_experts": "are there already", "distill": "steps are done already"}
FOLDER = {"train_experts": "--experts.folder", "distill": "--run.folder"}


class Commands:
    """The commands as processes, and what they leave when nothing happens.

    Args:
      folder: to work in.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.place = Place(self.folder / "begin", "small", self.folder / "cache")
        self._after, self.seconds, source = {}, {}, self.place.folder
        for command in ("train_experts", "distill"):
            after = self.folder / f"after {command}"
            shutil.copytree(source, after)
            begin = time.monotonic()
            if (done := self.call(command, after)).returncode:
                raise RuntimeError(f"{command} failed: {done.stderr[-2000:]}")
            self.seconds[command] = time.monotonic() - begin
            self._after[command] = source = after
        self.can_mount = self._can_mount()

    def before(self, command):
        """The folder that a command begins with."""
        return self._after["train_experts"] if command == "distill" else self.place.folder

    def after(self, command):
        """The folder that it leaves."""
        return self._after[command]

    def arguments(self, command, *more):
        return arguments_of(command, *more)

    def call(self, command, folder, *more, **options):
        """Runs it to its end in a folder."""
        return subprocess.run(
            self.arguments(command, *more), cwd=folder, check=False, **self._how(options)
        )

    def start(self, command, folder):
        """Starts it there; its standard error can be read."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            self.arguments(command), cwd=folder, text=True, env=self.place.environment, **pipes
        )

    def _how(self, options):
        own = {"env": self.place.environment, "stdin": subprocess.DEVNULL, "text": True}
        if "stdout" not in options:
            own |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return own | options

    @contextlib.contextmanager
    def folder_for(self, name):
        """A new folder, which is removed again."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=f"{name}-") as folder:
            yield Path(folder)

    @contextlib.contextmanager
    def copy_of(self, source):
        with self.folder_for("copy") as folder:
            yield Path(shutil.copytree(source, folder / "place"))

    def unshared(self, script, *arguments):
        """A shell script where it sees mounts of its own; raises ``Wrong`` where it fails."""
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", *arguments], check=False, **self._how({})
        )
        if done.returncode:
            raise Wrong(f"the script failed: {done.stderr}")

    def _can_mount(self):
        script = 'mount -t tmpfs tmpfs "$1" && mount -o remount,size=1m "$1"'
        with self.folder_for("mount") as folder:
            try:
                self.unshared(script, str(folder))
            except (Wrong, FileNotFoundError):
                return False
        return True


def run(bench, size, tally, commands=None):
    """Small: within this process; full: processes and real mounts too."""
    for command in FOLDER if size == "full" else ("distill",):
        for what, case in _PLACES.items():
            if what == "without permission" and os.geteuid() == 0:
                tally.skip(f"read-only: {command}, a folder {what}", "root may write everywhere")
                continue
            tally.attempt("read-only", f"{command}, {what}", case, bench, command)
    tally.attempt("two processes", "a run that is held", _held_run, bench)
    tally.attempt("two processes", "a store that is held", _held_store, bench)
    if commands is None:
        return
    for command in FOLDER:
        if commands.can_mount:
            tally.attempt("read-only", f"{command}, a mount", _mounted, commands, command)
        else:
            tally.skip(f"read-only: {command} on a mount", "no mounts are allowed here")
        for number in range(ROUNDS):
            tally.attempt("two processes", f"{command}, {number}", _race, commands, command, number)


# --- places -----------------------------------------------------------------------------


def _a_file(bench, command):
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        path = Path(folder) / "a file"
        path.write_text("x")
        _require_refused(command, path, str(path))
        _require_refused(command, path / "below", str(path))
        if the_files(folder) != {"a file": b"x"}:
            raise Wrong("something was written")
    return "refused"


def _below_proc(bench, command):
    _require_refused(command, Path("/proc/nowhere/run"), "/proc/nowhere")
    return "refused"


def _not_permitted(bench, command):
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        os.chmod(folder, 0o500)
        _require_refused(command, Path(folder) / "run", folder)
        if os.listdir(folder):
            raise Wrong("something was written")
    return "refused"


_PLACES = {
    "a file in its place": _a_file,
    "below /proc": _below_proc,
    "without permission": _not_permitted,
}


def _require_refused(command, folder, *words):
    """The command's function gives back its message; ``launch`` makes it status 2."""
    options = ["--config", "digits", FOLDER[command], str(folder)]
    if command == "distill":
        options = ["--method", "dm", *options]  # which needs no experts
    with contextlib.redirect_stdout(io.StringIO()):
        said = getattr(cli, command).main(options)
    if not isinstance(said, str):
        raise Wrong(f"it was not refused: {said!r}")
    require_message(command, 2, said, *words)


MOUNT = """
set -e
place=$1 logs=$2; shift 2
mount --bind "$place" "$place"
mount -o remount,bind,ro "$place"
cd "$place"
set +e
"$@" > "$logs/out" 2> "$logs/err"; echo $? > "$logs/status"
"""


def _mounted(commands, command):
    """What is there can be read and not be written to."""
    with commands.copy_of(commands.before(command)) as place, commands.folder_for("logs") as logs:
        before = the_files(place)
        commands.unshared(MOUNT, str(place), str(logs), *commands.arguments(command))
        status, said = (_text(logs / name) for name in ("status", "err"))
        require_message(command, status, said)
        if "write" not in said and "Read-only" not in said:
            raise Wrong(f"the message does not say why: {said}")
        if the_files(place) != before:
            raise Wrong("something was written")
    return "refused"


def _text(path):
    return path.read_text(errors="replace")


# --- two processes ----------------------------------------------------------------------


def _held_run(bench):
    with bench.copy(bench.half) as folder:
        before = the_files(folder)
        with exclusive(folder):
            refused((AT_WORK, str(folder)), bench.distill, bench.settings, folder)
        if the_files(folder) != before:
            raise Wrong("the run was written to")
    return "refused"


def _held_store(bench):
    with bench.copy(bench.store) as store:
        before = the_files(store)
        with exclusive(store):
            refused((AT_WORK, str(store)), bench.train, bench.at(bench.settings, store))
        if the_files(store) != before:
            raise Wrong("the store was written to")
    return "refused"


def _race(commands, command, number):
    """Two of one command: one ends well, the other is refused or finds all done."""
    rng = np.random.default_rng([number, *command.encode()])
    with commands.copy_of(commands.before(command)) as folder:
        first = commands.start(command, folder)
        time.sleep(rng.uniform(0, WARM * commands.seconds[command]))
        second = commands.start(command, folder)
        ends = [(*process.communicate(), process.returncode) for process in (first, second)]
        outcome = _outcome_of(command, ends)
        if wrong := differing(content(folder), content(commands.after(command))):
            raise Wrong(f"not as the undisturbed run: {wrong}")
    return outcome


def _outcome_of(command, ends):
    if (statuses := sorted(status for _, _, status in ends)) == [0, 2]:
        said = next(err for _, err, status in ends if status)
        require_message(command, 2, said, AT_WORK)
        return "refused"
    if statuses != [0, 0] or not any(DONE[command] in out for out, _, _ in ends):
        raise Wrong(f"they ended with {ends}")
    return "harmless"
