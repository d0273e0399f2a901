"""One process at a time in a folder."""

import contextlib
import datetime
import errno
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import filelock
import psutil

from mttjax.system.errors import InputError
from mttjax.system.files import remove_leftovers

__all__ = ["Busy", "at_work", "exclusive", "holder", "in_turn"]

LOCK, HOLDER = ".lock", ".holder"


class Busy(InputError):
    """Another process is at work there; ``who`` says which, where and since when."""

    def __init__(self, text: str, who: str) -> None:
        super().__init__(text)
        self.who = who


NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What file systems without locks answer."""


@contextlib.contextmanager
def exclusive(folder: str | Path) -> Iterator[None]:
    """Holds ``folder``, made if need be, for this process; another one is refused.

    The system gives the lock back when the process ends, however it ends. What a killed
    process left half-written is removed. On a file system without locks (some network mounts)
    nothing is held.

    Raises:
      Busy: another process holds it; the message says which, where and since when.
    """
    folder = Path(folder)
    made = [f for f in (folder, *folder.parents) if not f.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder):
        remove_leftovers(folder)
        try:
            yield
        finally:
            own = sorted(name for name in os.listdir(folder) if name.endswith((HOLDER, LOCK)))
            if made and len(own) == len(os.listdir(folder)):  # nothing is left behind
                for name in own:  # while it is held: whoever waits for it sees it gone
                    (folder / name).unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    for parent in made:
                        parent.rmdir()


@contextlib.contextmanager
def in_turn(path: str | Path) -> Iterator[None]:
    """Holds the lock of a file, made if need be, for a moment; waits for who holds it.

    On a file system without locks nothing is held.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    held = _acquired(lock)
    try:
        yield
    finally:
        if held:
            lock.release()


def _acquired(lock):
    """Whether it is held now; not on a file system without locks."""
    try:
        lock.acquire()
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        return False
    return True


@contextlib.contextmanager
def _held(folder):
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    try:
        held = _acquired(lock)
    except (filelock.Timeout, FileNotFoundError) as error:  # held, or just being removed
        who = holder(folder)
        raise Busy(
            f"{folder}: another process is at work here ({who}). "
            "Wait for it or stop it, or choose another folder",
            who,
        ) from error
    if not held:
        yield
        return
    try:
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        (folder / HOLDER).write_text(f"process {os.getpid()} on {platform.node()} since {now}")
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def holder(folder: str | Path) -> str:
    """Which process holds it, where and since when."""
    folder = Path(folder)
    with contextlib.suppress(OSError):
        return (folder / HOLDER).read_text() or "just begun"
    return "just begun"


def at_work(folder: str | Path) -> bool:
    """Whether a process that is alive holds ``folder``, as far as its name in there tells; of one
    on another machine it is believed."""
    try:
        words = (Path(folder) / HOLDER).read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    if len(words) < 4 or not words[1].isdecimal():
        return False
    return words[3] != platform.node() or psutil.pid_exists(int(words[1]))
