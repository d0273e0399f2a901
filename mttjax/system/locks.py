"""Who works in a folder: one process in a run or a store, several in a table."""

import contextlib
import datetime
import os
import platform
from pathlib import Path

from mttjax.system.errors import InputError
from mttjax.system.files import remove_leftovers

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["exclusive", "shared"]

NAME = ".lock"


@contextlib.contextmanager
def exclusive(folder):
    """Holds ``folder``, made if need be, for this process; another one is refused.

    The system gives the lock back when the process ends, however it ends. What a killed
    process left half-written is removed. Where the system or the file system has no locks
    (Windows, some network mounts), nothing is held.

    Raises:
      InputError: another process holds it; the message says which, where and since when.
    """
    with _held(Path(folder), beside_others=False) as descriptor:
        if descriptor is not None:
            _sign(descriptor)
        yield


@contextlib.contextmanager
def shared(folder):
    """Works in ``folder`` beside others who do; who is alone there removes what was left.

    Raises:
      InputError: another process holds the folder for itself.
    """
    with _held(Path(folder), beside_others=True) as descriptor:
        if descriptor is not None:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def _held(folder, beside_others):
    """The descriptor of the folder's lock, or None without locks; an empty folder is removed."""
    made = [f for f in (folder, *folder.parents) if not f.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = None if fcntl is None else _locked(folder / NAME, beside_others)
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                if _take(descriptor, fcntl.LOCK_EX):
                    with contextlib.suppress(OSError):
                        os.unlink(folder / NAME)
                os.close(descriptor)
    finally:
        with contextlib.suppress(OSError):
            for empty in made:
                empty.rmdir()


def _locked(path, beside_others):
    """A descriptor that holds the lock; None where the file system has none."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            alone = _take(descriptor, fcntl.LOCK_EX)
        except OSError:
            os.close(descriptor)
            return None
        if not alone and not (beside_others and _take(descriptor, fcntl.LOCK_SH)):
            holder = os.pread(descriptor, 200, 0).decode(errors="replace")
            os.close(descriptor)
            raise InputError(
                f"{path.parent}: another process is at work here ({holder or 'just begun'}). "
                "Wait for it or stop it, or choose another folder"
            )
        if not _is(descriptor, path):
            os.close(descriptor)  # its holder removed it between our opening and our locking
            continue
        if alone:
            remove_leftovers(path.parent)
        return descriptor


def _take(descriptor, kind):
    """Whether this process holds the lock now."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is(descriptor, path):
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _sign(descriptor):
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    text = f"process {os.getpid()} on {platform.node()} since {now}"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
