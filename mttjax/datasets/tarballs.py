"""Members of a tar archive, gzipped or not, into memory and within a stated size.

Nothing is written to disk. What an archive says of paths, links, devices and long names is not
acted on: a regular member is read when its name is one that was asked for, all else is passed over.
"""

import gzip
import tarfile
from collections.abc import Set
from pathlib import Path
from typing import BinaryIO

from mttjax.system.errors import InputError

__all__ = ["MOST_BYTES", "read_members"]

MOST_BYTES = 2**30
"""What an archive may unpack to, all of it; CIFAR-10 and CIFAR-100 have under 200 MB."""

_BLOCK = 512
_CHUNK = 2**20
_WITHOUT_CONTENT = (
    *(tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE),
    *(tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE),
)


def read_members(path: Path, wanted: Set[str]) -> dict[str, bytes]:
    """The content of the regular members that are called as in ``wanted``, as far as there.

    Raises:
      InputError: the archive is damaged, or unpacks to more than ``MOST_BYTES``.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            stream = _Bounded(file)
            members = _walk(stream, wanted)
            # To the end, as gzip's checksum is there.
            while stream.read(_CHUNK):
                pass
    # A damaged stream shows itself as TarError, EOFError, OSError, zlib.error or ValueError.
    except Exception as error:
        raise InputError(f"cannot read {path}: {error}. Fetch the archive again") from error
    return members


def _walk(stream: "_Bounded", wanted: Set[str]) -> dict[str, bytes]:
    members = {}
    while block := stream.read(_BLOCK):
        if not any(block):
            break
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        size = 0 if info.type in _WITHOUT_CONTENT else info.size
        if size < 0:
            raise tarfile.TarError("a member has less than no bytes")
        name = info.name.removeprefix("./")
        if name in wanted and info.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            members[name] = stream.exactly(size)
        else:
            stream.skip(size)
        stream.skip(-size % _BLOCK)
    return members


class _Bounded:
    """A stream that gives no more than ``MOST_BYTES`` in all."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.left = file, MOST_BYTES

    def read(self, most: int) -> bytes:
        data = self.file.read(min(most, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise tarfile.TarError(f"it unpacks to more than {MOST_BYTES} bytes")
        return data

    def exactly(self, size: int) -> bytes:
        # Refused by what it claims, before the memory for it is taken.
        if size > self.left:
            raise tarfile.TarError(f"it unpacks to more than {MOST_BYTES} bytes")
        data = self.read(size)
        if len(data) < size:
            raise EOFError("it is truncated")
        return data

    def skip(self, size: int) -> None:
        while size > 0:
            size -= len(self.exactly(min(size, _CHUNK)))
