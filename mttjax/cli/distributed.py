"""``--distributed``: several processes, on several machines, that make one set."""

import contextlib
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mttjax.cli.launch import taken
from mttjax.system.console import detail, speaking
from mttjax.system.errors import InputError

if TYPE_CHECKING:
    from mttjax.system.team import Team

__all__ = ["joined", "take_where"]

FORM = re.compile(r"(?P<address>\S+:\d{1,5}),(?P<count>\d{1,4}),(?P<number>\d{1,4})")


Where = tuple[()] | tuple[str, int, int]
"""The arguments of ``join``: none, or address, count and number."""


def take_where(arguments: list[str]) -> Where | None:
    """Where the processes meet that the command was typed for; None without ``--distributed``.

    Args:
      arguments: the option and its value are taken away.

    Raises:
      InputError: another value.
    """
    value = taken("--distributed", arguments)
    if value is None:
        return None
    # Before JAX is imported: else it takes SIGTERM for itself, and nobody hears of it.
    os.environ.setdefault("JAX_ENABLE_PREEMPTION_SERVICE", "false")
    if value == "auto":
        return ()
    match = FORM.fullmatch(value)
    if not match or not int(match["number"]) < int(match["count"]):
        raise InputError(
            f"--distributed {value}: give auto, or HOST:PORT,N,ID: where process 0 listens, how "
            "many processes there are, and which this is, from 0 to N - 1"
        )
    return match["address"], int(match["count"]), int(match["number"])


@contextlib.contextmanager
def joined(where: Where | None) -> Iterator["Team | None"]:
    """The processes that meet there; None where there is no other.

    All leave together where they come to the end together: it is reached, or all were stopped, or
    what they learn diverged. Else this one just ends (``launch.main``), and JAX ends the others.

    Raises:
      InputError: the others do not answer.
    """
    if where is None:
        yield None
        return
    from mttjax.distilling.loop import Diverged
    from mttjax.system.signals import Stopped
    from mttjax.system.team import join, leave

    detail("waiting for the other processes")
    team = join(*where)
    with speaking(quiet=True) if team.number else contextlib.nullcontext():
        try:
            yield team
        except (Diverged, Stopped):
            leave()
            raise
        leave()
