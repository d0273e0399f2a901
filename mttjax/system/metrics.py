"""The log of a run: JSON lines, each on disk as soon as it is whole."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO

from mttjax.system.errors import InputError
from mttjax.system.files import atomically, require_file

__all__ = ["Listener", "Metrics", "read_metrics"]


class Listener(Protocol):
    """What hears of the lines of a log too."""

    def write(self, line: Mapping[str, Any]) -> None:
        """A dictionary of JSON values, of a step or an evaluation."""

    def flush(self) -> None:
        """What was written is to be on the disk: a state is saved."""

    def forget_after(self, step: int) -> None:
        """The lines of steps after ``step``, of an earlier run, will come again."""


class Metrics:
    """``metrics.jsonl``, opened when first written to.

    Args:
      path: of the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.listeners: list[Listener] = []
        self._file: TextIO | None = None

    def write(self, line: Mapping[str, Any]) -> None:
        """Appends a dictionary of JSON values."""
        if self._file is None:
            self._file = open(self.path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
        self._file.write(json.dumps(line) + "\n")
        for listener in self.listeners:
            listener.write(line)

    def flush(self) -> None:
        """Brings what was written to the disk."""
        if self._file is not None:
            self._file.flush()
        for listener in self.listeners:
            listener.flush()

    def close(self) -> None:
        """Until the next line is written."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def forget_after(self, step: int) -> None:
        """Drops the lines of steps after ``step``: a resumed run writes them again."""
        self.close()
        for listener in self.listeners:
            listener.forget_after(step)
        if not self.path.exists():
            return
        require_file(self.path)
        with atomically(self.path, "w") as file:
            file.writelines(line + "\n" for line in self._whole_lines(step))

    def _whole_lines(self, step):
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                late = json.loads(line).get("step", 0) > step
            except (ValueError, AttributeError, TypeError, RecursionError):
                continue  # a kill or a full disk cuts off the last; another was damaged later
            if not late:
                yield line


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The records of a run's ``metrics.jsonl``, in the order of the file.

    Returns:
      A list of dictionaries. A last line that a kill cut off is left out.

    Raises:
      InputError: no such file, or a line before the last that is not a JSON object with a step.
    """
    require_file(path)
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; it is there once a run has begun") from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            record["step"] + 0  # a KeyError or TypeError below unless there is a number
            records.append(record)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            if number < len(lines):
                raise InputError(
                    f"{path}: line {number} is not a JSON object with a step ({error}); remove it"
                ) from error
    return records
