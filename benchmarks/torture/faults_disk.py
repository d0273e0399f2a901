"""A disk that is full: at every sync of a run in turn, and a real one that is too small."""

import contextlib
import errno
import os
import subprocess
from functools import partial
from unittest import mock

from benchmarks.torture.faults_common import Wrong, the_files
from benchmarks.torture.files import content, differing
from mttjax.cli.messages import messages
from mttjax.system.files import leftovers

__all__ = ["full_after", "run"]

FREE = "Free some space and run the same command"
FULL = os.strerror(errno.ENOSPC)
FEW = (1, 9, 23)
"""The syncs that fail where not all are tried."""

SHARES = {"train_experts": (0.15, 0.5, 0.85), "distill": (0.1, 0.4, 0.7, 0.95)}
"""Of what a command writes: so much fits."""


def run(bench, size, tally, commands=None):
    """Syncs that fail; with ``commands``, a ``Commands``, real disks too."""
    every = range(1, 1000) if size == "full" else FEW
    for what, work in _works(bench).items():
        if size == "full" or what == "run":
            _until_it_ends(what, work, every, tally)
    if commands is None:
        return
    for command in ("train_experts", "distill"):
        tally.attempt("disk full", f"{command} > /dev/full", _no_output, commands, command)
        if not commands.can_mount:
            tally.skip(f"disk full: {command} on a small disk", "no mounts are allowed here")
            continue
        for share in SHARES[command]:
            case = f"{command} where {100 * share:.0f} % of its files fit"
            tally.attempt("disk full", case, _small_disk, commands, command, share)


# --- syncs that fail --------------------------------------------------------------------


@contextlib.contextmanager
def full_after(number):
    """The sync ``number`` within the block fails, and is the only one."""
    sync, seen = os.fsync, []

    def failing(descriptor):
        seen.append(descriptor)
        if len(seen) == number:
            raise OSError(errno.ENOSPC, FULL)
        sync(descriptor)

    with mock.patch.object(os, "fsync", failing):
        yield seen


def _works(bench):
    """name -> (the folder, what is done there, what must be there in the end)."""
    run, store = bench.folder / "full run", bench.folder / "full store"

    def end_run():
        bench.require_sets(run)

    def end_store():
        if the_files(store, "*.npz") != the_files(bench.store, "*.npz"):
            raise Wrong("the store is not the undisturbed one")

    return {
        "run": (run, partial(bench.distill, bench.settings, run), end_run),
        "store": (store, partial(bench.train, bench.at(bench.settings, store)), end_store),
    }


def _until_it_ends(what, work, numbers, tally):
    """One folder that goes on after each failure, until nothing fails any more."""
    folder, begin, require = work
    ended = False
    for number in numbers:
        if ended:
            break
        done = []
        tally.attempt("disk full", f"{what}, sync {number}", _failing, folder, begin, number, done)
        ended = bool(done)
    tally.attempt("disk full", f"{what}, the end", _the_end, folder, begin, require)


def _failing(folder, begin, number, done):
    def command(arguments):
        begin()

    with full_after(number) as seen:
        said = messages(command)(())
        if len(seen) < number:
            done.append(True)
            return "harmless"
    if not isinstance(said, str) or FULL not in said or FREE not in said or "\n" in said:
        raise Wrong(f"said: {said!r}")
    if str(folder) not in said:
        raise Wrong(f"the message does not name the file: {said}")
    return "refused"


def _the_end(folder, begin, require):
    begin()
    require()
    if left := leftovers(folder):
        raise Wrong(f"temporary files are left: {left}")
    return "repaired"


# --- a disk of so many bytes ------------------------------------------------------------

SCRIPT = """
set -e
place=$1 size=$2 source=$3 logs=$4; shift 4
mount -t tmpfs -o size=$size tmpfs "$place"
cp -a "$source/." "$place/"
cd "$place"
set +e
"$@" > "$logs/out" 2> "$logs/err"; echo $? > "$logs/status"
mount -o remount,size=1g "$place"
"$@" > "$logs/out2" 2> "$logs/err2"; echo $? > "$logs/status2"
cp -a "$place/." "$logs/result/"
"""


def _small_disk(commands, command, share):
    """Fails in the middle with a message, and ends alike once there is room."""
    before, after = commands.before(command), commands.after(command)
    size = _on_disk(before) + int(share * (_on_disk(after) - _on_disk(before)))
    with commands.folder_for(f"{command}-{share}") as logs:
        place = logs / "place"
        place.mkdir()
        (logs / "result").mkdir()
        arguments = [place, f"{size // 1024}k", before, logs, *commands.arguments(command)]
        commands.unshared(SCRIPT, *map(str, arguments))
        require_message(command, *(_text(logs / name) for name in ("status", "err")), FULL, FREE)
        if _text(logs / "status2").strip() != "0":
            raise Wrong(f"with room again: {_text(logs / 'err2')}")
        if wrong := differing(content(logs / "result"), content(after)):
            raise Wrong(f"not as the undisturbed run: {wrong}")
        if left := leftovers(logs / "result"):
            raise Wrong(f"temporary files are left: {left}")
    return "repaired"


def _text(path):
    return path.read_text(errors="replace")


def _on_disk(folder):
    """Bytes of all files in whole pages, as tmpfs counts them."""
    return sum(-(-p.stat().st_size // 4096) * 4096 for p in folder.rglob("*") if p.is_file())


def require_message(command, status, said, *words):
    """Raises ``Wrong`` unless a command ended with status 2 and one line that says ``words``."""
    lines = said.strip().splitlines()
    if str(status).strip() != "2" or len(lines) != 1 or not lines[0].startswith(f"{command}: "):
        raise Wrong(f"status {str(status).strip()}, said: {said[-1500:]}")
    if missing := [word for word in words if word not in said]:
        raise Wrong(f"the message does not say {missing}: {said}")


def _no_output(commands, command):
    """Standard output cannot be written to."""
    with commands.copy_of(commands.before(command)) as folder, open("/dev/full", "w") as full:
        done = commands.call(command, folder, stdout=full, stderr=subprocess.PIPE)
        require_message(command, done.returncode, done.stderr, FULL)
    return "refused"
