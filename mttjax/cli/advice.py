"""The commands that messages and pages give, put together from what was typed."""

import contextlib
import dataclasses
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mttjax.cli.launch import COMMANDS
from mttjax.config.methods import MTT, NEED_EXPERTS, Selection
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Settings
from mttjax.system.errors import InputError

__all__ = ["advising", "changes", "commands_of_run", "evaluation_of", "typed"]


def typed(name: str, arguments: Sequence[object]) -> str:
    """A command line, the command called as this one was: ``mttjax NAME`` or ``bin/NAME``."""
    called = Path(sys.argv[0])
    start = [called.with_name(name)] if called.name in COMMANDS else ["mttjax", name]
    return shlex.join(map(str, [*start, *arguments]))


@contextlib.contextmanager
def advising(train_experts: str) -> Iterator[None]:
    """Messages of the block that say "train them with train_experts" get the whole command."""
    try:
        yield
    except InputError as error:
        text = str(error).replace("with train_experts", f"with: {train_experts}")
        if text == str(error):
            raise
        raise type(error)(text) from error


def commands_of_run(settings: Settings, arguments: Sequence[str]) -> dict[str, str]:
    """By name, what makes a run whose ``distill`` was typed so: its experts, and itself."""
    commands = {"distill": typed("distill", arguments)}
    if settings.method not in NEED_EXPERTS:
        return commands
    return {"train_experts": typed("train_experts", [*arguments, *_enough(settings)])} | commands


def _enough(settings):
    """The options that ``train_experts`` needs beside those of ``distill`` to train enough."""
    distill, experts = settings.distill, settings.experts
    if isinstance(distill, MTT) and (experts.epochs or distill.epochs_needed) < (
        distill.epochs_needed
    ):
        return ["--experts.epochs", distill.epochs_needed]
    if isinstance(distill, Selection) and distill.expert >= experts.count:
        return ["--experts.count", distill.expert + 1]
    return []


def evaluation_of(settings: Settings, folder: Path) -> str:
    """The command that evaluates a run of these settings as they say."""
    data = {"dir": settings.data.dir, "download": settings.data.download}
    places = _options("data", data, {"dir": None, "download": False})
    protocol = changes("protocol", settings.evaluate, Protocol())
    return typed("evaluate", ["run", folder, *places, *protocol])


def changes(group: str, now: Any, usual: Any) -> list[str]:
    """The options of a group of settings, a dataclass, that make ``now`` of ``usual``."""
    return _options(group, vars(now), vars(usual))


def _options(group, now, usual):
    options = []
    for name, value in now.items():
        option = f"--{group}.{name.replace('_', '-')}"
        if value == usual[name]:
            continue
        if dataclasses.is_dataclass(value):
            options += changes(f"{group}.{name}", value, usual[name])
        elif isinstance(value, bool):
            options += [option if value else f"--{group}.no-{name.replace('_', '-')}"]
        else:
            options += [option, *map(str, value if isinstance(value, tuple) else [value])]
    return options
