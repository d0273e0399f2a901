"""``mttjax COMMAND``: help at once, and what must happen before anything is imported.

Only the standard library is imported here: a package may be missing, and help is instant.
"""

import contextlib
import importlib
import math
import os
import sys
import traceback
from collections.abc import Sequence

from mttjax import __version__
from mttjax.system.console import speaking, tell
from mttjax.system.errors import InputError
from mttjax.system.text import did_you_mean

__all__ = ["COMMANDS", "keep_compiled_programs", "main", "same_bits_on_one_core", "taken"]

COMMANDS = {
    "train_experts": "train experts on the real images, a snapshot per epoch",
    "distill": "make a distilled set by any method, and its page",
    "evaluate": "how good sets are: of a run, of files, on other networks, robustness",
    "table": "every method at every size under one evaluator",
    "figure": "the paper's figures, each as data and a picture",
    "check": "whether stores, runs, sets and tables are whole",
    "export": "the images of a set as PNGs",
    "watch": "the page of a run, which follows it while it goes on",
    "convert": "sets and experts from and to the files of the published PyTorch code",
    "demo": "the whole way on digits, in a minute on two cores",
}
"""name -> what it does; the module of that name in this package runs it."""

SETUP = "make env (in a checkout), or: pip install mttjax"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its status: 0, 1 of a failed check, 2 of bad input, 128 + signal.

    Args:
      arguments: the command and its own; None: those of the process.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name in ("-h", "--help"):
        print(_usage())
        return 0
    if name == "--version":
        print(f"mttjax {__version__}")
        return 0
    if name not in COMMANDS:
        wrong = f"mttjax: {name!r} is no command; {did_you_mean(name, COMMANDS)}"
        print(wrong if name else _usage(), file=sys.stderr)
        return 2
    try:
        status = _run(name, rest)
    except Exception:
        if not _others_count_on_it():
            raise
        traceback.print_exc()
        status = 1
    if status > 128 or _others_count_on_it():
        _leave(status)
    return status


def _usage():
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:{width}}  {about}" for name, about in COMMANDS.items())
    return (
        "usage: mttjax COMMAND ...\n\nDataset distillation by matching training trajectories, in "
        f"JAX.\n\n{lines}\n\nmttjax COMMAND --help lists the options of one; mttjax --version.\n"
        "With --minutes N any of them ends in time, all saved, and goes on when typed again.\n"
        "--quiet prints errors alone; --verbose prints details too, such as every step of distill."
    )


def _run(name, arguments):
    """The status of a command. A missing package and bad input are a line, no traceback."""
    # Whole lines for who follows a log; names that the terminal cannot show, as their codes.
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    quiet, verbose = (_take_flag(option, arguments) for option in ("--quiet", "--verbose"))
    with speaking(quiet=quiet, verbose=verbose), _no_output(quiet):
        status = _status(name, arguments)
        if isinstance(status, str):
            tell(status)
            return 2
        return status


def _status(name, arguments):
    """That of a command, or what is wrong."""
    try:
        from mttjax.system.signals import stop_at_once, time_limit

        minutes = _take_minutes(arguments)
        keep_compiled_programs()
        same_bits_on_one_core()
        with stop_at_once(), time_limit(minutes):
            return importlib.import_module(f"mttjax.cli.{name}").main(arguments)
    except ModuleNotFoundError as error:
        return f"{name}: the package {error.name!r} is missing; mttjax's own come with: {SETUP}"
    except InputError as error:
        return f"{name}: {error}"
    except BrokenPipeError:
        return _closed()


@contextlib.contextmanager
def _no_output(quiet):
    """Within the block standard output goes nowhere."""
    if not quiet:
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _take_flag(option, arguments):
    """Whether it is among the arguments, from which it is taken away."""
    given = option in arguments
    arguments[:] = [argument for argument in arguments if argument != option]
    return given


def taken(option: str, arguments: list[str]) -> str | None:
    """The value of an option, which is taken away with it; None where it is not given."""
    at = next((i for i, a in enumerate(arguments) if a.partition("=")[0] == option), None)
    if at is None:
        return None
    _, equals, value = arguments.pop(at).partition("=")
    if not equals:
        value = arguments.pop(at) if at < len(arguments) else ""
    return value


def _take_minutes(arguments):
    """The number after ``--minutes``, which is taken away with it; None where it is not given."""
    value = taken("--minutes", arguments)
    if value is None:
        return None
    with contextlib.suppress(ValueError):
        if 0 < float(value) < math.inf:
            return float(value)
    raise InputError(f"--minutes {value}: give a number of minutes, such as 30 or 1.5")


def keep_compiled_programs() -> None:
    """Asks JAX to keep what it compiles in the user's cache folder, for the next run.

    JAX's own variables go first: ``JAX_COMPILATION_CACHE_DIR`` chooses another folder,
    ``JAX_ENABLE_COMPILATION_CACHE=false`` keeps nothing. The library itself sets nothing.
    """
    from mttjax.system.files import cache_folder

    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def same_bits_on_one_core() -> None:
    """Asks XLA for two threads where there is one core.

    XLA adds many numbers in another order with one thread than with several, whose number hardly
    matters (docs/architecture.md): a run that goes on with one would end with other last bits.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores == 1:
        os.environ.setdefault("NPROC", "2")


def _closed():
    """The reader of the output went away: nothing may be written to it any more, at exit too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + 13


def _others_count_on_it():
    """Whether processes that this one computes with wait for it; they end when it just ends."""
    if "jax" not in sys.modules:
        return False
    return sys.modules["jax"].distributed.is_initialized()


def _leave(status):
    """Ends the process without waiting for the threads that a stop left at work, nor for others."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)
