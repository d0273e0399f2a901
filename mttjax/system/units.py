"""Units of work that several processes share: each is done once, by who comes to it first."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

from mttjax.system.errors import InputError
from mttjax.system.files import atomically
from mttjax.system.locks import Busy, at_work, holder

__all__ = [
    "Incomplete",
    "Missing",
    "do_units",
    "forget_failures",
    "look_at_units",
    "missing",
    "only_share",
]

FAILED = ".failed"

PAUSE = 2.0
"""Seconds before what others are at is looked at again."""


_SHARE: ContextVar[tuple[int, int]] = ContextVar("_SHARE", default=(0, 1))
"""Which of how many shares of all units are done; see ``only_share``."""


class Missing(InputError):
    """A unit's result is not there."""


class Incomplete(InputError):
    """Some units failed; the others are done."""


def do_units(
    units: Mapping[str, Callable[[], Any]],
    folder: Path,
    on_done: Callable[[str, Any], object],
    *,
    worker: int | None = None,
    log: Callable[[str], object] = print,
) -> None:
    """Does every unit that is not done; comes back to those that another process is at.

    What cannot be done leaves its message, and the others are done all the same.

    Args:
      units: name -> what does it; it raises ``Busy`` where another process is at it.
      folder: where messages of failures lie, as ``NAME.failed``.
      on_done: called with the name and the result of each.
      worker: a number: this process is one of several of a command, begins at another unit than
        they, and leaves alone what failed. None: what failed before is tried again.
      log: called with lines of text.

    Raises:
      Incomplete: some failed; the message says which, and why.
    """
    share, shares = _SHARE.get()
    names = list(units)[share::shares]
    # Far from the next worker's, and from its own last.
    first = (worker or 0) * 7 % max(1, len(names))
    waiting, failed = names[first:] + names[:first], {}
    told: set[str] = set()
    while waiting:
        busy = {}
        for name in waiting:
            if worker is not None and (before := _failure(folder, name)):
                failed[name] = before
                continue
            try:
                result = units[name]()
            except Busy as error:
                busy[name] = error.who
            except InputError as error:
                failed[name] = str(error)
                with atomically(_mark(folder, name), "w") as file:
                    file.write(f"{error}\n")
                log(f"{name}: {error}")
            else:
                _mark(folder, name).unlink(missing_ok=True)
                on_done(name, result)
        for name in busy.keys() - told:
            log(f"{name}: waiting for another process that is at work on it ({busy[name]})")
        told |= busy.keys()
        if len(busy) == len(waiting):
            time.sleep(PAUSE)
        waiting = list(busy)
    if failed:
        words = "".join(f"\n  {name}: {text}" for name, text in failed.items())
        raise Incomplete(f"{len(failed)} of {len(names)} failed:{words}")


@contextlib.contextmanager
def only_share(number: int, count: int) -> Iterator[None]:
    """Within the block ``do_units`` does units ``number``, ``number + count``, ... alone: for
    workers that do not see what others are at."""
    before = _SHARE.set((number, count))
    try:
        yield
    finally:
        _SHARE.reset(before)


def look_at_units(
    units: Mapping[str, Callable[[], Any]],
    folder: Path,
    on_done: Callable[[str, Any], object],
    log: Callable[[str], object] = print,
) -> None:
    """The results that are there, and a line for each that is not: missing, failed, or at work.

    Args:
      units: name -> what finds its result, or raises by ``missing``.
      folder: see ``do_units``.
      on_done: see ``do_units``.
      log: called with the lines.
    """
    for name, unit in units.items():
        try:
            on_done(name, unit())
        except Busy as error:
            log(f"{name}: at work on it: {error.who}")
        except Missing as error:
            text = _failure(folder, name)
            log(f"{name}: failed: {text}" if text else f"{name}: {error}")


def missing(place: Path) -> NoReturn:
    """Says of a result that is not there whether a process is at work on it, holding ``place``.

    Raises:
      Busy: one is.
      Missing: none is.
    """
    if at_work(place):
        raise Busy(f"{place}: another process is at work on it", holder(place))
    raise Missing("missing")


def forget_failures(folder: Path) -> None:
    """Before several workers begin: what failed in another command is tried again."""
    for path in folder.glob(f"*{FAILED}"):
        path.unlink(missing_ok=True)


def _failure(folder, name):
    """Why a unit failed; empty where it did not."""
    path = _mark(folder, name)
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def _mark(folder, name):
    return folder / f"{name}{FAILED}"
