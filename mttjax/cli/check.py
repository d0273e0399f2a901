"""``mttjax check``: whether what is on disk is whole."""

from collections.abc import Sequence
from pathlib import Path

import tyro

from mttjax.cli.messages import messages

__all__ = ["check", "main"]


@messages
def main(arguments: Sequence[str]) -> int:
    """Says what is wrong with a store, a run, a table or a set."""
    return tyro.cli(check, args=arguments, prog="mttjax check")


def check(path: tyro.conf.Positional[Path], remove: bool = False) -> int:
    """Verifies an expert store, a run, a table or a distilled set, or all of them in a folder.

    Every file is read and held against its checksum. The status is 0 where all is whole, 1
    where something is not, 2 where there is nothing to check.

    Args:
      path: A folder, or a set's .npz.
      remove: Remove damaged files that the command which made them makes again, nothing else.
    """
    from mttjax.paper.verifying import check_path

    findings = check_path(path)
    for note in findings.notes:
        print(f"note: {note}")
    for fault in findings.faults:
        print(f"FAULT: {fault}")
    if remove:
        for damaged in findings.removable:
            damaged.unlink(missing_ok=True)
            print(f"removed: {damaged}")
    count = len(findings.faults)
    print(f"{findings.checked} files checked, {count or 'no'} fault{'' if count == 1 else 's'}")
    return 1 if count else 0
