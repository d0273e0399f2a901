"""The idx files of MNIST and Fashion-MNIST, gzipped or not."""

import gzip
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mttjax.datasets.catalogue import Entry
from mttjax.datasets.checks import as_split
from mttjax.datasets.dataset import Source, Split
from mttjax.system.errors import InputError

__all__ = ["MOST_BYTES", "read_idx_archives"]

MOST_BYTES = 2**30
"""What a file may unpack to; the largest official one has 47 MB."""


def read_idx_archives(entry: Entry, paths: Mapping[str, Path]) -> Source:
    """Reads the four files, images [n, 28, 28, 1].

    Raises:
      InputError: a file is damaged, is no idx file, or does not fit the others.
    """

    def read(part: str) -> Split:
        images = _read_idx(paths[f"{part}-images"], 3)
        labels = _read_idx(paths[f"{part}-labels"], 1)
        where = f"{paths[f'{part}-images']} and its labels"
        split = as_split(images, labels, len(entry.class_names), where)
        if split.images.shape[1:] != entry.shape:
            raise InputError(f"{where}: images are {split.images.shape[1:]}, not {entry.shape}")
        return split

    return Source(entry.class_names, read("train"), read("t10k"))


def _read_idx(path: Path, ndim: int) -> np.ndarray:
    """Reads one file of unsigned bytes with ``ndim`` axes."""
    header = 4 + 4 * ndim
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            start = file.read(header)
            if len(start) < header:
                raise EOFError("shorter than its header")
            magic, *shape = struct.unpack(f">{1 + ndim}I", start)
            if magic != 0x800 + ndim:
                raise InputError(
                    f"{path} begins with {magic:#x}, expected {0x800 + ndim:#x}: it is not an idx "
                    f"file of bytes with {ndim} axes. Fetch the archive again"
                )
            size = math.prod(shape)
            if size > MOST_BYTES:
                raise EOFError(f"it claims the shape {tuple(shape)}, above {MOST_BYTES} bytes")
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}. Fetch the archive again") from error
    if len(content) != size:
        more = "fewer" if len(content) < size else "more"
        raise InputError(
            f"{path} has {more} bytes than its shape {tuple(shape)} needs. Fetch the archive again"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)
