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


def take_where(arguments: list[str]) -> str | None:
    """The value of ``--distributed``, which is taken away with it; None where it is not given.

    With it JAX, which must not be imported yet, is told to leave SIGTERM alone: else nobody hears
    of one.
    """
    value = taken("--distributed", arguments)
    if value is not None:
        os.environ.setdefault("JAX_ENABLE_PREEMPTION_SERVICE", "false")
    return value


@contextlib.contextmanager
def joined(where: str | None) -> Iterator["Team | None"]:
    """The processes that meet there; None where there is no other.

    All leave together where they come to the end together: it is reached, or all were stopped, or
    what they learn diverged. Else this one just ends (``launch.main``), and JAX ends the others.

    Args:
      where: what ``take_where`` returns.

    Raises:
      InputError: another value, or the others do not answer.
    """
    if where is None:
        yield None
        return
    address = _address(where)
    from mttjax.distilling.loop import Diverged
    from mttjax.system.signals import Stopped
    from mttjax.system.team import join, leave

    detail(f"waiting for the other processes: {where}")
    team = join(*address)
    with speaking(quiet=True) if team.number else contextlib.nullcontext():
        try:
            yield team
        except (Diverged, Stopped):
            leave()
            raise
        leave()


def _address(where):
    """The arguments of ``join``."""
    if where == "auto":
        return ()
    match = FORM.fullmatch(where)
    if not match or not int(match["number"]) < int(match["count"]):
        raise InputError(
            f"--distributed {where}: give auto, or HOST:PORT,N,ID: where process 0 listens, how "
            "many processes there are, and which this is, from 0 to N - 1"
        )
    return match["address"], int(match["count"]), int(match["number"])
