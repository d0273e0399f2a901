"""Python files of the user's own: run when the user names them, and known by their content."""

import contextlib
import hashlib
import sys
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mttjax.system.errors import InputError
from mttjax.system.files import cache_folder

__all__ = ["checksum_of", "is_trusted", "refusing_faults", "run_file", "trust"]


def checksum_of(path: Path) -> str:
    """What the content of a file is known by: 16 hexadecimal digits of its SHA-256.

    Raises:
      InputError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give a Python file") from error


def trust(checksum: str) -> None:
    """Remembers, in the user's cache folder, that the user named a file of this content."""
    with contextlib.suppress(OSError):
        _mark(checksum).parent.mkdir(parents=True, exist_ok=True)
        _mark(checksum).touch()


def is_trusted(checksum: str) -> bool:
    """Whether the user ever named a file of this content."""
    return _mark(checksum).is_file()


def _mark(checksum):
    return cache_folder() / "trusted" / checksum


def run_file(path: Path) -> dict[str, Any]:
    """Runs a Python file and returns its names; what lies beside it can be imported.

    Raises:
      InputError: it cannot be read or compiled, or raises an error; the message has the line.
    """
    name = f"mttjax_own_{checksum_of(path)}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    # Dataclasses, as modules of flax are, look their module up there.
    sys.modules[name] = module
    folder = str(path.parent.resolve())
    sys.path.insert(0, folder)
    try:
        with refusing_faults(str(path), path):
            # Not by an import: that would leave a __pycache__ beside the user's file.
            exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    finally:
        sys.path.remove(folder)
    return vars(module)


@contextlib.contextmanager
def refusing_faults(what: str, path: Path | None) -> Iterator[None]:
    """Errors of the user's own code, within the block, become an ``InputError``.

    Args:
      what: whose code it is.
      path: its file; the message has the line of it that was at work.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if _is(f, path)]
        at = f", line {lines[-1]}" if lines else ""
        first = str(error).strip().split("\n", 1)[0]
        raise InputError(f"{what}{at}: {type(error).__name__}: {first:.300}") from error


def _is(frame, path):
    return path is not None and frame.filename == str(path)
