"""On a process's path: ``TORTURE="9 13 0.5"`` sends it SIGKILL half a second after its sync 13.

Without a delay a kill comes in the middle of the write: half of the file is there.
"""

import contextlib
import itertools
import os
import signal
import threading

_NUMBER, _AT, _DELAY = map(float, os.environ["TORTURE"].split())
_sync, _syncs = os.fsync, itertools.count(1)


def _send():
    os.kill(os.getpid(), int(_NUMBER))


def _interrupted_sync(descriptor):
    if next(_syncs) == _AT:
        if _DELAY:
            timer = threading.Timer(_DELAY, _send)
            timer.daemon = True  # a process that is done before does not wait for it
            timer.start()
        else:
            if _NUMBER == signal.SIGKILL:
                with contextlib.suppress(OSError):  # a folder's sync: the file has its name already
                    os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            _send()
    _sync(descriptor)


os.fsync = _interrupted_sync
