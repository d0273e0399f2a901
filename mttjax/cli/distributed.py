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

__all__ = ["joined"]

FORM = re.compile(r"(?P<address>\S+:\d{1,5}),(?P<count>\d{1,4}),(?P<number>\d{1,4})")


@contextlib.contextmanager
def joined(arguments: list[str]) -> Iterator["Team | None"]:
    """The processes that the command was typed for; None without ``--distributed``.

    All leave together where they come to the end together: it is reached, or all were stopped, or
    what they learn diverged. Else this one just ends (``launch.main``), and JAX ends the others.

    Args:
      arguments: the option and its value are taken away.

    Raises:
      InputError: another value, or the others do not answer.
    """
    value = taken("--distributed", arguments)
    if value is None or {"-h", "--help", "--print"} & set(arguments):  # answered without JAX
        yield None
        return
    where = _where(value)
    # Else JAX takes SIGTERM for itself, and nobody hears of it.
    os.environ.setdefault("JAX_ENABLE_PREEMPTION_SERVICE", "false")
    from mttjax.distilling.loop import Diverged
    from mttjax.system.signals import Stopped
    from mttjax.system.team import join, leave

    detail(f"waiting for the other processes: {value}")
    team = join(*where)
    with speaking(quiet=True) if team.number else contextlib.nullcontext():
        try:
            yield team
        except (Diverged, Stopped, SystemExit):
            leave()
            raise
        leave()


def _where(value):
    """The arguments of ``join``."""
    if value == "auto":
        return ()
    match = FORM.fullmatch(value)
    if not match or not int(match["number"]) < int(match["count"]):
        raise InputError(
            f"--distributed {value}: give auto, or HOST:PORT,N,ID: where process 0 listens, how "
            "many processes there are, and which this is, from 0 to N - 1"
        )
    return match["address"], int(match["count"]), int(match["number"])
