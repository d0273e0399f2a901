"""What a path holds, and the check of it."""

from pathlib import Path

from mttjax.checking.findings import Findings
from mttjax.checking.runs import check_run, check_set, is_run
from mttjax.checking.stores import check_store, is_store
from mttjax.errors import InputError
from mttjax.storage.files import leftovers, read_json

__all__ = ["check_path"]


def check_path(path, log=print):
    """Verifies a set, a store, a run, a table, or every one of them in a folder.

    Args:
      path: a distilled set, or a folder.
      log: called with a line per thing checked.

    Returns:
      ``Findings``.

    Raises:
      InputError: there is nothing at ``path`` that could be checked.
    """
    path, findings = Path(path), Findings()
    if path.is_file():
        log(f"{path}: {check_set(path, findings)}")
        return findings
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    found = list(_things(path))
    if not found:
        raise InputError(f"{path}: no expert store, run, set or table is there")
    for folder, check in found:
        log(f"{folder}: {check(folder, findings)}")
    for left in leftovers(path):
        findings.note(f"{left}: left by a process that was killed; the next run removes it")
    return findings


def _things(folder):
    """(folder, its check) of all that is in ``folder``, itself first."""
    if is_store(folder):
        yield folder, check_store
        return
    if is_run(folder):
        yield folder, check_run
        return
    if (folder / "cells").is_dir():
        yield folder, _check_cells
    else:
        sets = sorted(folder.glob("*.npz"))
        yield from ((path, check_set) for path in sets)
    for below in sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink()):
        yield from _things(below)


def _check_cells(folder, findings):
    paths = sorted((folder / "cells").rglob("*.json"))
    for path in paths:
        with findings.of(path, "Remove it; bin/table evaluates it again", removable=True):
            result = read_json(path)
            if not isinstance(result.get("accuracies"), list) or "settings" not in result:
                raise InputError("it is not the result of a cell")
    return f"table of {len(paths)} cells"
