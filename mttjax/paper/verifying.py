"""Whether what is in a folder is whole: stores, runs, sets and tables, each by its own check."""

from collections.abc import Callable, Iterator
from pathlib import Path

from mttjax.experts.verifying import check_store, is_store
from mttjax.paper.cells import check_cells
from mttjax.runs.verifying import check_run, check_set, is_run
from mttjax.system.errors import InputError
from mttjax.system.files import leftovers
from mttjax.system.findings import Findings

__all__ = ["check_path"]


def check_path(path: str | Path, log: Callable[[str], object] = print) -> Findings:
    """Verifies a set, a store, a run, a table, or every one of them in a folder; logs a line each.

    Raises:
      InputError: there is nothing at ``path`` that could be checked.
    """
    path, findings = Path(path), Findings()
    if path.is_file():
        log(f"{path}: {check_set(path, findings)}")
        return findings
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    things = list(_things(path))
    if not things:
        raise InputError(f"{path}: no expert store, run, set or table is there")
    for folder, check in things:
        log(f"{folder}: {check(folder, findings)}")
    for left in leftovers(path):
        findings.note(f"{left}: left by a process that was killed; the next run removes it")
    return findings


WORKED_IN = ("full_data", "forgetting")
"""Folders of networks in training, which are trained again where they are damaged."""


def _things(folder: Path) -> Iterator[tuple[Path, Callable[[Path, Findings], str]]]:
    """(folder, its check) of all that is in ``folder``, itself first."""
    if is_store(folder) or is_run(folder):
        yield folder, check_store if is_store(folder) else check_run
        return
    if folder.name in WORKED_IN:
        return
    if (folder / "cells").is_dir():
        yield folder, check_cells
    else:
        yield from ((path, check_set) for path in sorted(folder.glob("*.npz")))
    for below in sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink()):
        yield from _things(below)
