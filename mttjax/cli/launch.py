"""Starting a command: nothing is imported here that could be missing."""

import contextlib
import importlib
import os
import sys
from pathlib import Path

from mttjax.system.signals import stop_at_once

__all__ = ["command"]

SETUP = "make env && . .venv/bin/activate   (in a checkout), or: pip install mttjax"


def keep_compiled_programs():
    """Asks JAX to keep what it compiles in the user's cache folder, for the next run.

    JAX's own variables go first: ``JAX_COMPILATION_CACHE_DIR`` chooses another folder,
    ``JAX_ENABLE_COMPILATION_CACHE=false`` keeps nothing. The library itself sets nothing.
    """
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(caches / "mttjax" / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def same_bits_on_one_core():
    """Asks XLA for two threads where there is one core.

    XLA adds many numbers in another order with one thread than with several, whose number does
    not matter: a run that goes on with fewer cores would end with other last bits.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores == 1:
        os.environ.setdefault("NPROC", "2")


def command(name):
    """Runs ``mttjax.cli.<name>`` and leaves with its status.

    A missing dependency is one line with the set-up commands; bad input is its message;
    neither is a traceback.
    """
    keep_compiled_programs()
    same_bits_on_one_core()
    # Whole lines for who follows a log; names that the terminal cannot show, as their codes.
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        with stop_at_once():
            status = importlib.import_module(f"mttjax.cli.{name}").main(sys.argv[1:])
    except ModuleNotFoundError as error:
        status = f"{name}: the package {error.name!r} is missing. Set up with: {SETUP}"
    except BrokenPipeError:
        status = _closed()
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 2
    if status > 128:
        _leave(status)
    raise SystemExit(status)


def _closed():
    """The reader of the output went away: nothing may be written to it any more, at exit too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + 13


def _leave(status):
    """Ends the process without waiting for the threads that a stop left at work."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)
