"""Errors of the commands as messages."""

import errno
import functools
import sys
import unicodedata

from mttjax.system.errors import InputError
from mttjax.system.signals import Stopped

__all__ = ["messages"]

REMEDIES = {
    errno.ENOSPC: "Free some space and run the same command: it goes on from what was saved",
    errno.EDQUOT: "Free some of your quota and run the same command: it goes on from there",
    errno.EROFS: "Choose a folder that can be written to",
    errno.EACCES: "Choose a folder that you may write to, or change its permissions",
    errno.EPERM: "Choose a folder that you may write to, or change its permissions",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.EMFILE: "Close other programs, or raise the limit with: ulimit -n 4096",
}
"""What to do about an error of the system, where something can be said."""

LESS = (
    "Not enough memory: lower --distill.chunk, --distill.trajectories, --experts.parallel or "
    "--network.width; what was saved is kept, and the command goes on from there"
)


def messages(function):
    """Bad input becomes a message and status 2; a stopped run the signal's status."""
    own = function.__module__.rpartition(".")[2]
    name = own if function.__name__ == "main" else function.__name__

    @functools.wraps(function)
    def run(arguments):
        try:
            return function(arguments)
        except InputError as error:
            return _printable(f"{name}: {error}")
        except BrokenPipeError:
            raise
        except OSError as error:
            return _printable(f"{name}: {_system_error(error)}")
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            return _printable(f"{name}: {_first_line(error)}. {LESS}")
        except Stopped as stopped:
            print(f"{stopped}; the same command goes on from there", file=sys.stderr)
            return 128 + stopped.signal

    return run


def _is_out_of_memory(error):
    """Python's own, or XLA's, which is a RuntimeError that says so."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _first_line(error):
    return str(error).split("\n", 1)[0] or type(error).__name__


def _system_error(error):
    where = f"{error.filename}: " if error.filename else ""
    remedy = REMEDIES.get(error.errno)
    return f"{where}{error.strerror or error}" + (f". {remedy}" if remedy else "")


def _printable(text):
    """Without the control characters of a stranger's names, which a terminal would obey."""
    shown = lambda c: c == "\n" or unicodedata.category(c) not in ("Cc", "Cs")
    return "".join(c if shown(c) else repr(c)[1:-1] for c in text)
