"""Named arrays ↔ one ``.npz``, written atomically and verified when read.

The zip container carries a CRC of every array, so a flipped bit is an error and never
a wrong number. Nothing is ever unpickled, and nothing is unpacked beyond a stated size.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mttjax.system.errors import InputError
from mttjax.system.files import atomically, require_file

__all__ = ["MOST_BYTES", "read_arrays", "write_arrays"]

MOST_BYTES = 16 * 2**30
"""What an ``.npz`` may unpack to. A compressed file of megabytes can claim any size."""

MOST_TIMES = 1032
"""What a byte of a deflated member unpacks to at most; one that claims more is lying."""


def write_arrays(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Writes a mapping of names to arrays as ``path``; equal arrays give equal bytes."""
    with atomically(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, a in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(a), allow_pickle=False)


def read_arrays(
    path: str | Path, *, only: Container[str] | None = None, most: int = MOST_BYTES
) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` as a dictionary, every checksum verified.

    Args:
      path: the file.
      only: names to read, where the others are of no interest; None for all.
      most: bytes that the arrays read may have together.

    Raises:
      InputError: no such file, not an ``.npz``, truncated, damaged, with pickled objects, or
        larger than ``most``.
    """
    require_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
            if only is not None:
                members = {name: m for name, m in members.items() if name in only}
            size = sum(member.file_size for member in members.values())
            if size > most:
                raise ValueError(f"it unpacks to {size} bytes, more than {most}")
            return {name: _array(archive, member) for name, member in members.items()}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except _DAMAGED as error:
        raise InputError(f"{path}: not a whole .npz of plain arrays ({error})") from error


# What zipfile and NumPy raise on bytes that are not as they were written; a flipped flag
# reads as an encryption (RuntimeError) or a compression that zipfile does not know.
_DAMAGED = (
    *(OSError, ValueError, EOFError, RuntimeError, OverflowError, MemoryError),
    *(SyntaxError, TypeError, zipfile.BadZipFile, zlib.error),
)


def _members(archive):
    """name -> member."""
    listed = archive.infolist()
    members = {member.filename.removesuffix(".npy"): member for member in listed}
    if any(member.comment for member in listed) or len(members) < len(listed):
        raise zipfile.BadZipFile("its list of members is damaged")
    return members


def _array(archive, member):
    """Reads a member whole, so that its checksum is seen, before its header is believed."""
    if member.file_size > MOST_TIMES * member.compress_size + 64:
        raise ValueError(f"{member.filename} claims more than its bytes can be unpacked to")
    data = bytearray(member.file_size)
    with archive.open(member) as file:
        got = file.readinto(data) if data else 0
        while got < len(data) and (more := file.readinto(memoryview(data)[got:])):
            got += more
        if got < len(data) or file.read(1):
            raise EOFError(f"{member.filename} has {got} bytes of {member.file_size}")
    return _from_npy(data, member.filename)


def _from_npy(data, name):
    """The array of an ``.npy``; its memory is ``data`` itself."""
    header = io.BytesIO(data[:_LONGEST_HEADER])
    version = np.lib.format.read_magic(header)
    if version not in _READERS:
        raise ValueError(f"{name} has the .npy version {version}")
    shape, column_major, dtype = _READERS[version](header)
    if dtype.hasobject:
        raise ValueError(f"{name} holds objects, which would have to be unpickled")
    size, held = math.prod(shape) * dtype.itemsize, len(data) - header.tell()
    if min(shape, default=0) < 0 or size != held:
        raise ValueError(f"{name} holds {held} bytes, its shape {shape} of {dtype} needs {size}")
    if size == 0:
        return np.empty(shape, dtype)
    flat = np.frombuffer(data, dtype, offset=header.tell())
    return flat.reshape(shape[::-1]).T if column_major else flat.reshape(shape)


_LONGEST_HEADER = 2**16
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
