"""Errors of the commands as messages: what is wrong, and the option that mends it."""

import dataclasses
import errno
import functools
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import get_type_hints

from mttjax.config.methods import KINDS
from mttjax.config.settings import Settings
from mttjax.system.errors import InputError
from mttjax.system.signals import Stopped
from mttjax.system.text import printable

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
    "Not enough memory: lower distill.chunk, distill.trajectories, experts.parallel or "
    "network.width; what was saved is kept, and the command goes on from there"
)

Command = Callable[[Sequence[str]], int]


def messages(function: Command) -> Callable[[Sequence[str]], int | str]:
    """Bad input becomes a message; a stopped run the signal's status. Anything else is raised."""
    name = function.__module__.rpartition(".")[2]

    @functools.wraps(function)
    def run(arguments: Sequence[str]) -> int | str:
        try:
            return function(arguments)
        except Stopped as stopped:
            print(f"{stopped}; the same command goes on from there", file=sys.stderr)
            return 128 + stopped.signal
        except (InputError, OSError, MemoryError, RuntimeError) as error:
            text = _text(error)
            if text is None:
                raise
            return printable(f"{name}: {_with_command(_with_options(text), name, arguments)}")

    return run


def _text(error):
    """What to say of an error; None where it is not the user's to mend."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):  # Python's, or XLA's
        first_line = str(error).split("\n", 1)[0] or type(error).__name__
        return f"{first_line}. {LESS}"
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        where = f"{error.filename}: " if error.filename else ""
        remedy = REMEDIES.get(error.errno)
        return f"{where}{error.strerror or error}" + (f". {remedy}" if remedy else "")
    return None


def _with_options(text):
    """Settings that are named in full, such as ``distill.lr_img``, by the options that set them."""
    names = "|".join(sorted(map(re.escape, _settings()), key=len, reverse=True))
    option = lambda match: f"--{match[0].replace('_', '-')}"
    return re.sub(rf"(?<![\w./-])(?:{names})(?![\w/.])", option, text)


@functools.cache
def _settings():
    """The names of all settings in groups, whatever the method."""
    groups = {name: hint for name, hint in get_type_hints(Settings).items() if "." not in name}
    kinds = [(name, kind) for name, kind in groups.items() if dataclasses.is_dataclass(kind)]
    kinds += [("distill", kind) for kind in KINDS.values()]
    return {f"{name}.{field.name}" for name, kind in kinds for field in dataclasses.fields(kind)}


def _with_command(text, name, arguments):
    """The whole command where the remedy is to train experts: it takes the same options."""
    if name != "distill":
        return text
    command = shlex.join(["mttjax", "train_experts", *arguments])
    return text.replace("with train_experts", f"with: {command}")
