"""Several processes for one command: what it is asked, and how it is done."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from mttjax.system.errors import InputError
from mttjax.system.fields import COUNT, COUNT_OR_ZERO, Checked, Range
from mttjax.system.ray_engine import Received, Travelling, nothing_special, run_on_ray
from mttjax.system.signals import Stopped
from mttjax.system.travelling import require_within
from mttjax.system.units import Incomplete, forget_failures, only_share
from mttjax.system.workers import itself, run_workers

__all__ = ["Sharing", "shared"]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sharing(Checked):
    """How many processes share the cells."""

    workers: Annotated[int, Range(1, 1000)] = 1
    """So many processes share the cells: each has its share of the cores, or a card. Commands typed
    apart share them too, on several machines with one folder."""
    engine: Literal["processes", "ray"] = "processes"
    """What places the workers: `processes` of this machine, or `ray`, on its cards and cores or on
    those of a cluster whose nodes see the same folder."""
    ray_address: str | None = None
    """Where Ray's cluster is: HOST:PORT, or `auto` for the one that this machine is of. None: one
    is begun here."""
    ray_objects: tuple[str, ...] = ()
    """Where Ray's nodes see no common folder: folders and files below this one, which the command
    names in this way. They are sent to the workers, and what these make in them comes back."""
    report: bool = False
    """Make nothing: write what is there, and say what is missing, failed or at work."""
    worker: Annotated[int | None, COUNT_OR_ZERO] = None
    """Be one of several: take what no other is at, leave alone what failed, write no report."""
    shares: Annotated[int | None, COUNT] = None
    """As worker K take cells K, K + N, ... of so many shares alone: what the others are at is not
    seen here."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_within(self.ray_objects)
        if self.ray_objects and self.engine != "ray":
            raise InputError(
                "ray_objects are sent by Ray: give --engine ray too, or leave them out"
            )
        if self.shares is not None and self.worker is None:
            raise InputError(f"shares is {self.shares}: say with --worker K whose share it is")


def shared(
    sharing: Sharing,
    command: Sequence[str],
    marks: Path,
    make: Callable[..., T],
    received: Received = nothing_special,
) -> T:
    """What ``make(worker=..., only_look=...)`` returns: here, or after workers have made it all.

    Args:
      sharing: see there.
      command: what was typed after ``mttjax``, for the workers to run too.
      marks: the folder of ``do_units``.
      make: makes everything, or as ``worker`` its share, or only looks at what is there.
      received: see ``Travelling``.

    Raises:
      Incomplete: some of it failed.
      InputError: the workers refused what was given.
      Stopped: they were stopped.
    """
    alone = sharing.workers == 1 and sharing.engine == "processes"
    if alone or sharing.report or sharing.worker is not None:
        with only_share((sharing.worker or 0) % (sharing.shares or 1), sharing.shares or 1):
            return make(worker=sharing.worker, only_look=sharing.report)
    if sharing.ray_objects and not any(marks.is_relative_to(path) for path in sharing.ray_objects):
        raise InputError(
            f"ray_objects are {', '.join(sharing.ray_objects)}: what is made in {marks} would not "
            "come back; name a folder that it is in, below this one"
        )
    forget_failures(marks)
    if sharing.engine == "ray":
        travelling = Travelling(sharing.ray_objects, received) if sharing.ray_objects else None
        where = (sharing.workers, sharing.ray_address)
        status = run_on_ray(itself(command), *where, travelling=travelling)
    else:
        status = run_workers(itself(command), sharing.workers)
    if status > 128:
        raise Stopped(status - 128, "in the workers")
    if status == 2:
        raise InputError("the workers refused what was given; what is wrong they said above")
    made = make(worker=None, only_look=True)
    if status:
        raise Incomplete("some failed, as said above; the same command tries them again")
    return made
