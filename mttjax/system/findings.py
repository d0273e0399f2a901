"""What a check found."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mttjax.system.errors import InputError

__all__ = ["Findings"]


class Findings:
    """Faults and notes, in the order in which they were found.

    Attributes:
      checked: how many files were read.
      faults: what is wrong, with the path and the remedy, a line each.
      notes: what is worth knowing and harms nothing, a line each.
      removable: damaged files that the command which made them makes again.
    """

    def __init__(self) -> None:
        self.checked = 0
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.removable: list[Path] = []

    @contextlib.contextmanager
    def of(self, path: str | Path, remedy: str = "", removable: bool = False) -> Iterator[None]:
        """What is read within the block: an ``InputError`` is a fault of ``path``."""
        self.checked += 1
        try:
            yield
        except (InputError, OSError) as error:
            self.fault(path, error, remedy, removable)

    def fault(
        self, path: str | Path, what: object, remedy: str = "", removable: bool = False
    ) -> None:
        """Enters a fault; the message names ``path`` once."""
        text = str(what).removeprefix(f"{path}: ")
        self.faults.append(f"{path}: {text}" + (f". {remedy}" if remedy else ""))
        if removable:
            self.removable.append(Path(path))

    def note(self, text: str) -> None:
        """Enters a note."""
        self.notes.append(text)

    def extend(self, other: "Findings") -> None:
        """Enters all that another check found."""
        self.checked += other.checked
        self.faults += other.faults
        self.notes += other.notes
        self.removable += other.removable
