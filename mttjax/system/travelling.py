"""Files that are sent to workers and come back, where they see no common folder."""

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from mttjax.system.errors import InputError
from mttjax.system.files import atomically

__all__ = ["Files", "Post", "changed", "require_within", "unpack"]

Files = dict[str, bytes]
"""Path below a folder -> content."""

NOT_SENT = (".lock", ".holder", ".tmp")
"""Ends of the names of what is of one process alone."""


def require_within(paths: Iterable[str]) -> None:
    """Raises ``InputError`` unless all are relative and stay below the folder they begin in."""
    for path in paths:
        if not path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise InputError(
                f"ray_objects is {path!r}: give folders and files below this one, as the command "
                "names them; it is run below another one elsewhere"
            )


def changed(root: Path, paths: Iterable[str], seen: dict[str, object]) -> Files:
    """The files of some folders below ``root`` that are not as ``seen`` has them, which is brought
    up to date; of paths that are not there nothing.

    A folder's files are read before its folders are: a manifest speaks of no snapshot that is not
    sent with it or before it.
    """
    files: Files = {}
    for file in _walked(root, paths):
        with contextlib.suppress(FileNotFoundError):  # it has just been replaced
            at, path = file.stat(), file.relative_to(root).as_posix()
            stamp = at.st_ino, at.st_mtime_ns, at.st_size
            if not file.name.endswith(NOT_SENT) and seen.get(path) != stamp:
                files[path], seen[path] = file.read_bytes(), stamp
    return files


def _walked(root, paths):
    for path in paths:
        if (root / path).is_file():
            yield root / path
        for folder, folders, names in os.walk(root / path, followlinks=True):
            folders.sort()
            yield from (Path(folder) / name for name in sorted(names))


def unpack(root: Path, files: Mapping[str, bytes]) -> None:
    """Writes them below ``root``, each whole or not at all.

    Raises:
      InputError: a path that leaves it; nothing is written.
    """
    require_within(files)
    for path, content in files.items():
        with atomically(root / path) as file:
            file.write(content)


class Post:
    """What every worker made so far; an actor of Ray, for a process that comes after one that
    died, and for the one that waits for all."""

    def __init__(self) -> None:
        self._of: dict[int, Files] = {}
        self._new: list[Files] = []

    def put(self, worker: int, files: Files) -> None:
        """``worker`` made these."""
        self._of.setdefault(worker, {}).update(files)
        self._new.append(files)

    def of(self, worker: int) -> Files:
        """All that it made, whichever process it was."""
        return self._of.get(worker, {})

    def take(self) -> list[Files]:
        """What came since this was asked last."""
        new, self._new = self._new, []
        return new
