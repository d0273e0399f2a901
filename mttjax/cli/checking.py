"""The command that verifies what is on disk."""

import dataclasses
from pathlib import Path

import tyro

from mttjax.cli.messages import messages

__all__ = ["check"]


@dataclasses.dataclass(frozen=True)
class CheckOptions:
    """Verifies an expert store, a run, a table or a distilled set, or all of them in a folder.

    Every file is read and held against its checksum. The status is 0 where all is whole, 1
    where something is not, 2 where there is nothing to check.
    """

    path: tyro.conf.Positional[Path]
    """A folder, or a set's .npz."""
    remove: bool = False
    """Remove the damaged files that the command which made them makes again; nothing else is."""


@messages
def check(arguments):
    """bin/check: what is wrong with a store, a run or a set."""
    options = tyro.cli(CheckOptions, args=arguments, prog="check")
    from mttjax.checking import check_path

    findings = check_path(options.path)
    for note in findings.notes:
        print(f"note: {note}")
    for fault in findings.faults:
        print(f"FAULT: {fault}")
    if options.remove:
        for path in findings.removable:
            path.unlink(missing_ok=True)
            print(f"removed: {path}")
    count = len(findings.faults)
    print(f"{findings.checked} files checked, {count or 'no'} fault{'' if count == 1 else 's'}")
    return 1 if count else 0
