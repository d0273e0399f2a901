"""Errors of the commands as messages."""

import functools
import sys

from mttjax.errors import InputError

__all__ = ["messages"]


def messages(function):
    """Bad input becomes a message and status 2; a stopped run the signal's status."""

    @functools.wraps(function)
    def run(arguments):
        from mttjax.distilling import Stopped

        try:
            return function(arguments)
        except InputError as error:
            return f"{function.__name__}: {error}"
        except OSError as error:
            return f"{function.__name__}: {error.filename or ''}: {error.strerror or error}"
        except Stopped as stopped:
            print(f"{stopped}; the same command goes on from there", file=sys.stderr)
            return 128 + stopped.signal

    return run
