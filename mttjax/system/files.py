"""Files that are whole or not there: written beside, synced, renamed; JSON with a checksum."""

import contextlib
import functools
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psutil

from mttjax.system.errors import InputError

__all__ = [
    "atomically",
    "cache_folder",
    "discard_unfinished",
    "leftovers",
    "parse_json",
    "read_json",
    "remove_leftovers",
    "require_file",
    "write_json",
]

CHECKSUM = "checksum"
"""The member of a JSON file that says what the others were when it was written."""


_unfinished: set[str] = set()
"""The temporary files of this process that are being written."""


def cache_folder() -> Path:
    """Where what can be made again is kept for this user: compiled programs, decoded images."""
    import platformdirs  # here: a machine that only computes may be without it

    return platformdirs.user_cache_path("mttjax")


@contextlib.contextmanager
def atomically(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """A file that appears under ``path`` whole and synced when the block ends, or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    encoding = None if "b" in mode else "utf-8"
    prefix = f".{path.name}.{os.getpid()}."
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".tmp")
    _unfinished.add(temporary)
    try:
        with os.fdopen(handle, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # of a full disk the system does not say which file
        raise
    finally:
        _unfinished.discard(temporary)


def discard_unfinished() -> None:
    """Removes what this process is writing; for one that is about to end."""
    for temporary in list(_unfinished):
        with contextlib.suppress(OSError):
            os.unlink(temporary)


@functools.cache
def _umask():  # once: to ask is to change it, for all threads
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def leftovers(folder: str | Path) -> list[Path]:
    """What ``atomically`` left under ``folder`` when it was killed: nobody's files."""
    return sorted(p for p in Path(folder).rglob(".*.*.tmp") if p.is_file() and not _at_work(p))


def remove_leftovers(folder: str | Path) -> None:
    """Removes them."""
    for path in leftovers(folder):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            path.unlink()


def _at_work(temporary):
    """Whether the process that wrote it is alive, and may be writing it still."""
    number = temporary.name.split(".")[-3]
    return number.isdigit() and psutil.pid_exists(int(number))


def write_json(path: str | Path, value: dict[str, Any]) -> None:
    """Writes a dictionary of JSON values, atomically, with a checksum of what it holds."""
    value = json.loads(json.dumps(value))
    with atomically(path, "w") as file:
        json.dump(value | {CHECKSUM: _checksum(value)}, file, indent=1)
        file.write("\n")


def require_file(path: str | Path) -> None:
    """Raises ``InputError`` where a pipe or a device is in a file's place: reading would hang."""
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: not a file but a pipe, a socket or a device; remove it")


def read_json(path: str | Path) -> dict[str, Any]:
    """Reads a JSON object, and sees to it that it is as it was written.

    A file without a checksum is believed: a user may write one.

    Raises:
      InputError: no such file, not a JSON object, or changed since it was written.
    """
    require_file(path)
    try:
        return parse_json(Path(path).read_bytes(), path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error


def parse_json(content: bytes, path: str | Path) -> dict[str, Any]:
    """What ``read_json`` reads, of a file's content.

    Raises:
      InputError: see there; the message names ``path``.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error}); the file is damaged") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: holds {type(value).__name__}, expected a JSON object")
    found = value.pop(CHECKSUM, None)
    if found is not None and found != (expected := _checksum(value)):
        raise InputError(
            f"{path}: its checksum is {found!r} and its content has {expected!r}: the file is "
            f"damaged. If you changed it on purpose, remove its line {CHECKSUM!r}"
        )
    return value


def _checksum(value):
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return f"crc32:{zlib.crc32(text.encode()):08x}"
