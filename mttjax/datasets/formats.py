"""The formats of the official archives: idx, SVHN's MATLAB files, CIFAR's batches in a tar.

Everything is read into memory, within a stated size; nothing is extracted to disk.
"""

import gzip
import hashlib
import io
import math
import struct
import tarfile
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mttjax.datasets.catalogue import Archive
from mttjax.datasets.checks import as_split
from mttjax.datasets.dataset import Source, Split
from mttjax.datasets.pickled import read_batch
from mttjax.system.errors import InputError

__all__ = ["MOST_BYTES", "read_cifar", "read_idx", "read_svhn"]

MOST_BYTES = 2**29
"""What a file may unpack to; CIFAR-10 and CIFAR-100 have under 200 MB."""


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What gzip, tarfile and this module raise on damaged files: TarError, EOFError, OSError..."""
    try:
        yield
    except Exception as error:
        raise InputError(f"cannot read {path}: {error}. Fetch the archive again") from error


def _unpacked(path: Path) -> bytes:
    """The content of a file, without the gzip around it if there is one."""
    with _reading(path):
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"it unpacks to more than {MOST_BYTES} bytes")
        return content


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Reads an idx file of unsigned bytes with ``ndim`` axes, gzipped or not.

    Raises:
      InputError: it is damaged, no such file, or unpacks to more than ``MOST_BYTES``.
    """
    content, header = _unpacked(path), 4 + 4 * ndim
    with _reading(path):
        if len(content) < header:
            raise ValueError("it is shorter than its header")
        magic, *shape = struct.unpack_from(f">{1 + ndim}I", content)
        if magic != 0x800 + ndim:
            raise ValueError(f"it begins with {magic:#x}, expected {0x800 + ndim:#x}")
        if (size := len(content) - header) != math.prod(shape):
            raise ValueError(f"it has {size} bytes for the shape {tuple(shape)}")
        return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_svhn(archive: Archive, path: Path) -> Split:
    """Reads one file, images [n, 32, 32, 3]; the label 10 becomes 0.

    SciPy's reader crashes the process on some damaged files: it is given the official ones only.

    Raises:
      InputError: it is another file.
    """
    from scipy.io import loadmat

    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if sha256 != archive.sha256:
            raise InputError(
                f"{path} is not the official file: its sha256 is {sha256}, expected "
                f"{archive.sha256}. Fetch it again from {archive.url}"
            )
        file.seek(0)
        content = loadmat(file, variable_names=["X", "y"])
    images = np.ascontiguousarray(content["X"].transpose(3, 0, 1, 2))
    return as_split(images, content["y"].ravel() % 10, 10, str(path))


_CIFAR10 = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")

_LAYOUTS = {
    10: (
        [f"cifar-10-batches-py/{batch}" for batch in _CIFAR10],
        [f"cifar-10-batches-bin/{batch}.bin" for batch in _CIFAR10],
    ),
    100: (
        [f"cifar-100-python/{batch}" for batch in ("train", "test")],
        [f"cifar-100-binary/{batch}.bin" for batch in ("train", "test")],
    ),
}
"""K -> the batches of the python and of the binary version; the last one is the test set."""


def read_cifar(path: Path, class_names: tuple[str, ...]) -> Source:
    """Reads an archive in memory, or the folder it was unpacked to.

    Args:
      path: the tar, gzipped or not, or the folder, with its official name.
      class_names: 10 or 100 names, which say which of the two it is.

    Returns:
      Images [n, 32, 32, 3], fine labels.

    Raises:
      InputError: it is damaged, lacks a batch, or unpacks to more than ``MOST_BYTES``.
    """
    n_classes = len(class_names)
    python, binary = _LAYOUTS[n_classes]
    members = _read_members(path, {*python, *binary})
    names = python if any(name in members for name in python) else binary
    if missing := [name for name in names if name not in members]:
        raise InputError(f"{path} lacks {', '.join(missing)}. Fetch the archive again")
    decode = _decode_binary if names is binary else _decode_python

    def read(names: list[str]) -> Split:
        batches = [decode(members[name], n_classes, f"{path}: {name}") for name in names]
        pixels, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
        images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return as_split(np.ascontiguousarray(images), labels, n_classes, str(path))

    return Source(class_names, read(names[:-1]), read(names[-1:]))


def _decode_binary(content: bytes, n_classes: int, what: str) -> tuple[np.ndarray, np.ndarray]:
    # CIFAR-100 has the superclass before the class.
    n_labels = 1 if n_classes == 10 else 2
    record = n_labels + 3072
    if not content or len(content) % record:
        raise InputError(f"{what} has {len(content)} bytes, not a multiple of {record}: truncated")
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    return records[:, n_labels:], records[:, n_labels - 1]


def _decode_python(content: bytes, n_classes: int, what: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        return read_batch(content, "labels" if n_classes == 10 else "fine_labels")
    # Bytes of unknown origin fail in any way; none of them may pass as data.
    except Exception as error:
        raise InputError(
            f"{what} is not a CIFAR batch ({type(error).__name__}: {error!s:.200}). "
            "Fetch the archive again, best the binary one"
        ) from error


def _read_members(path: Path, wanted: Set[str]) -> dict[str, bytes]:
    """name -> content of the wanted regular members of a tar or a folder, as far as there."""
    if path.is_dir():
        files = {name: path.parent / name for name in wanted}
        return {name: _unpacked(file) for name, file in files.items() if file.is_file()}
    content, members = _unpacked(path), {}
    # As a stream: nothing that the archive says makes the reader go back.
    with _reading(path), tarfile.open(fileobj=io.BytesIO(content), mode="r|") as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            regular = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
            # A sparse file may claim any size.
            if name in wanted and regular and member.size <= len(content):
                members[name] = archive.extractfile(member).read()  # type: ignore[union-attr]
    return members
