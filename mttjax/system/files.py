"""Files that are whole or not there: written beside, synced, renamed; JSON with a checksum."""

import contextlib
import json
import os
import tempfile
import zlib
from pathlib import Path

from mttjax.system.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = [
    "atomically",
    "discard_unfinished",
    "leftovers",
    "read_json",
    "read_kept",
    "remove_leftovers",
    "require_file",
    "write_json",
]

CHECKSUM = "checksum"
"""The member of a JSON file that says what the others were when it was written."""


_unfinished = set()
"""The temporary files of this process that are being written."""


@contextlib.contextmanager
def atomically(path, mode="wb"):
    """A file that appears under ``path`` whole and synced when the block ends, or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    encoding = None if "b" in mode else "utf-8"
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    _unfinished.add(temporary)
    try:
        with os.fdopen(handle, mode, encoding=encoding) as file:
            _take(file.fileno())
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


def _take(descriptor):
    """Whether nobody else writes this file; it is ours then for as long as it is open."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (AttributeError, OSError):  # Windows, and file systems without locks
        return True
    return True


def discard_unfinished():
    """Removes what this process is writing; for one that is about to end."""
    for temporary in list(_unfinished):
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def leftovers(folder):
    """What ``atomically`` left under ``folder`` when it was killed: nobody's files."""
    return sorted(path for path in Path(folder).rglob(".*.tmp") if path.is_file())


def remove_leftovers(folder):
    """Removes them, but for those that a living process is writing."""
    for path in leftovers(folder):
        with contextlib.suppress(FileNotFoundError, PermissionError), open(path, "rb") as file:
            if _take(file.fileno()):
                path.unlink()


def write_json(path, value):
    """Writes a dictionary of JSON values, atomically, with a checksum of what it holds."""
    value = json.loads(json.dumps(value))
    with atomically(path, "w") as file:
        json.dump(value | {CHECKSUM: _checksum(value)}, file, indent=1)
        file.write("\n")


def require_file(path):
    """Raises ``InputError`` where a pipe or a device is in a file's place: reading would hang."""
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: not a file but a pipe, a socket or a device; remove it")


def read_json(path):
    """Reads a JSON object, and sees to it that it is as it was written.

    A file without a checksum is believed: versions before 0.3 wrote none.

    Raises:
      InputError: no such file, not a JSON object, or changed since it was written.
    """
    require_file(path)
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
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


def read_kept(path, log=print):
    """A result that was kept, or None: where there is none, and where it is damaged.

    What is kept can be made again, so that a damaged file is only said, by ``log``.
    """
    if not Path(path).exists():
        return None
    try:
        return read_json(path)
    except InputError as error:
        log(f"{error}; made again")
        return None


def _checksum(value):
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return f"crc32:{zlib.crc32(text.encode()):08x}"
