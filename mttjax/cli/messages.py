"""Errors of the commands as messages: what is wrong, and the option that mends it."""

import dataclasses
import errno
import functools
import re
from collections.abc import Callable, Sequence
from typing import get_type_hints

from mttjax.config.methods import KINDS
from mttjax.config.settings import Settings
from mttjax.core.network_spec import NetworkSpec
from mttjax.system.console import tell
from mttjax.system.errors import InputError
from mttjax.system.signals import Stopped
from mttjax.system.text import printable
from mttjax.system.units import Incomplete
from mttjax.system.workers import SOME_FAILED

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

ELSEWHERE = "Not enough memory: close other programs, or run it on a machine with more"
LESS = {
    "train_experts": "Not enough memory. Where images are read, lower data.resolution or keep "
    "fewer data.classes; where experts are trained, lower experts.parallel or network.width. What "
    "was saved is kept, and the command goes on from there",
    "distill": "Not enough memory. Where images are read, lower data.resolution or keep fewer "
    "data.classes; in the steps, lower distill.chunk or network.width, of mtt also "
    "distill.trajectories. What was saved is kept, and the command goes on from there",
    "table": "Not enough memory: lower network.width; what was saved is kept",
}
"""What to lower, by the command."""

Command = Callable[[Sequence[str]], int]


def messages(function: Command) -> Callable[[Sequence[str]], int | str]:
    """Bad input becomes a message; a stopped run the signal's status. Anything else is raised."""
    name = function.__module__.rpartition(".")[2]

    @functools.wraps(function)
    def run(arguments: Sequence[str]) -> int | str:
        try:
            return function(arguments)
        except Stopped as stopped:
            tell(f"{stopped}; the same command goes on from there")
            return 128 + stopped.signal
        except Incomplete as incomplete:
            tell(printable(f"{name}: {incomplete}"))
            return SOME_FAILED
        except (InputError, OSError, MemoryError, RuntimeError) as error:
            text = _text(error, name)
            if text is None:
                raise
            return printable(f"{name}: {_with_options(text, name)}")

    return run


def _text(error, command):
    """What to say of an error; None where it is not the user's to mend."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):  # Python's, or XLA's
        first_line = str(error).split("\n", 1)[0] or type(error).__name__
        return f"{first_line}. {LESS.get(command, ELSEWHERE)}"
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        where = f"{error.filename}: " if error.filename else ""
        remedy = REMEDIES.get(error.errno)
        return f"{where}{error.strerror or error}" + (f". {remedy}" if remedy else "")
    return None


def _with_options(text, command):
    """Settings that are named in full, such as ``distill.lr_img``, by the command's options."""
    names = "|".join(sorted(map(re.escape, _settings(command)), key=len, reverse=True))
    option = lambda match: f"--{match[0].replace('_', '-')}"
    return re.sub(rf"(?<![\w./-])(?:{names})(?![\w/.])", option, text)


@functools.cache
def _settings(command):
    """The names of the settings in groups that a command has options for, whatever the method."""
    if command not in ("distill", "train_experts"):
        network = dataclasses.fields(NetworkSpec) if command == "table" else ()
        data = (f"data.{name}" for name in ("dataset", "dir", "download"))
        return {*data, *(f"network.{field.name}" for field in network)}
    groups = {name: hint for name, hint in get_type_hints(Settings).items() if "." not in name}
    kinds = [(name, kind) for name, kind in groups.items() if dataclasses.is_dataclass(kind)]
    kinds += [("distill", kind) for kind in KINDS.values()]
    return {f"{name}.{field.name}" for name, kind in kinds for field in dataclasses.fields(kind)}
