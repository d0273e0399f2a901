"""One process at a time in a folder that is written to: a run, a store, a table."""

import contextlib
import datetime
import os
import platform
from pathlib import Path

from mttjax.errors import InputError
from mttjax.files import remove_leftovers

__all__ = ["exclusive"]

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
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = _locked(folder / NAME)
    try:
        if descriptor is not None:
            _sign(descriptor)
            remove_leftovers(folder)
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.unlink(folder / NAME)
            os.close(descriptor)


def _locked(path):
    """A descriptor that holds the lock; None where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 200).decode(errors="replace")
            os.close(descriptor)
            raise InputError(
                f"{path.parent}: another process is at work here ({holder or 'just begun'}). "
                "Wait for it or stop it, or choose another folder"
            ) from error
        except OSError:
            os.close(descriptor)
            return None
        if _is(descriptor, path):
            return descriptor
        os.close(descriptor)  # its holder removed it between our opening and our locking


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
