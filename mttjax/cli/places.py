"""Where a command writes: looked at before it works for hours."""

import os
from pathlib import Path

from mttjax.system.errors import InputError

__all__ = ["MOST_BYTES", "require_folder"]

MOST_BYTES = 200  # of a name: a file system holds 255, and temporary files have longer ones


def require_folder(option, path):
    """Raises ``InputError`` unless ``path`` is a folder that can be written to, or can be made.

    Args:
      option: how it was given, such as ``--to``.
      path: the folder; None: nothing was given.
    """
    if path is None:
        return
    if not str(path).strip():
        raise InputError(f"{option} {str(path)!r}: give the name of a folder")
    place = Path(path).absolute()
    for name in place.parts:
        if len(os.fsencode(name)) > MOST_BYTES:
            raise InputError(f"{option} {name[:20]}...: too long a name; give a shorter one")
    try:
        while not place.exists():
            place = place.parent
    except OSError as error:
        raise InputError(f"{option} {path}: {error.strerror or error}") from error
    if not place.is_dir():
        raise InputError(f"{option} {path}: {place} is not a folder; give another")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{option} {path}: {place} cannot be written to; give another folder")
