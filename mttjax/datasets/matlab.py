"""Arrays of numbers out of MATLAB files of version 5, within a stated size.

SciPy's reader crashes the process on some damaged files and unpacks whatever a file claims, so
what little SVHN needs of the format is read here.
"""

import math
import struct
import zlib
from collections.abc import Iterator, Set
from pathlib import Path
from typing import BinaryIO

import numpy as np

__all__ = ["MOST_BYTES", "read_matlab"]

MOST_BYTES = 2**30
"""What a file may unpack to, all of it; SVHN's training set has 225 MB."""

_MATRIX, _COMPRESSED = 14, 15
_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_CLASSES = range(6, 16)  # double to uint64; the others are texts, structs, cells, sparse
_COMPLEX = 0x0800
_CHUNK = 2**20


def read_matlab(path: Path, wanted: Set[str]) -> dict[str, np.ndarray]:
    """The variables called as in ``wanted``, as far as there, in the types they are stored in.

    Raises:
      ValueError, EOFError, OSError, struct.error, zlib.error: the file is damaged, of another
        version, holds what is no array of real numbers under a wanted name, or unpacks to more
        than ``MOST_BYTES``.
    """
    found, left = {}, MOST_BYTES
    with path.open("rb") as file:
        order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(file.read(128)[124:])
        if order is None:
            raise ValueError("it is not a MATLAB file of version 5")
        while tag := file.read(8):
            kind, size = struct.unpack(f"{order}2I", tag)
            matrix, name = bytearray(), None
            for piece in _unpacked(file, size, kind == _COMPRESSED):
                left -= len(piece)
                if left < 0:
                    raise ValueError(f"it unpacks to more than {MOST_BYTES} bytes")
                # What nobody wants is unpacked for its checksum and its size, and not kept.
                if name is None or name in wanted:
                    matrix += piece
                name = name or _name(tag + matrix if kind == _MATRIX else matrix, order)
            if name in wanted:
                found[name] = _array(tag + matrix if kind == _MATRIX else matrix, order)
    return found


def _unpacked(file: BinaryIO, size: int, compressed: bool) -> Iterator[bytes]:
    """The content of an element in pieces of a bounded size."""
    unpacker = zlib.decompressobj() if compressed else None
    while size:
        packed = file.read(min(size, _CHUNK))
        if not packed:
            raise EOFError("it is truncated")
        size -= len(packed)
        while packed:
            yield unpacker.decompress(packed, _CHUNK) if unpacker else packed
            packed = unpacker.unconsumed_tail if unpacker else b""
    if unpacker and not unpacker.eof:
        raise EOFError("a compressed variable is truncated")


def _part(data: bytes, at: int, order: str) -> tuple[int, int, int, int]:
    """(type, first byte, size, where the next begins) of the part of a variable at ``at``."""
    kind, size = struct.unpack_from(f"{order}2I", data, at)
    if kind >> 16:  # up to four bytes, in the tag itself
        return kind & 0xFFFF, at + 4, kind >> 16, at + 8
    return kind, at + 8, size, at + 8 + -(-size // 8) * 8


def _name(matrix: bytes, order: str) -> str:
    """The name of a variable, which follows its flags and its dimensions."""
    at = 8
    for _ in range(2):
        *_, at = _part(matrix, at, order)
    _, start, size, _ = _part(matrix, at, order)
    return bytes(matrix[start : start + size][:64]).decode("latin1")


def _array(matrix: bytes, order: str) -> np.ndarray:
    kind, _ = struct.unpack_from(f"{order}2I", matrix)
    _, start, _, at = _part(matrix, 8, order)
    (flags,) = struct.unpack_from(f"{order}I", matrix, start)
    if kind != _MATRIX or flags & 0xFF not in _CLASSES or flags & _COMPLEX:
        raise ValueError("a variable is not an array of real numbers")
    _, start, size, at = _part(matrix, at, order)
    shape = struct.unpack_from(f"{order}{size // 4}i", matrix, start)
    *_, at = _part(matrix, at, order)
    kind, start, size, _ = _part(matrix, at, order)
    if kind not in _TYPES:
        raise ValueError(f"a variable has numbers of the unknown type {kind}")
    dtype = np.dtype(order + _TYPES[kind])
    if min(shape, default=-1) < 0 or math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"a variable of shape {shape} has {size} bytes of {dtype}")
    array = np.frombuffer(matrix, dtype, math.prod(shape), start)
    return array.reshape(shape[::-1]).T.astype(dtype.newbyteorder("="), copy=False)
