"""SVHN's cropped digits from their MATLAB files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mttjax.datasets.catalogue import Entry
from mttjax.datasets.checks import as_split
from mttjax.datasets.dataset import Source, Split
from mttjax.datasets.matlab import read_matlab
from mttjax.system.errors import InputError

__all__ = ["read_svhn_archives"]


def read_svhn_archives(entry: Entry, paths: Mapping[str, Path]) -> Source:
    """Reads both files, images [n, 32, 32, 3]; the label 10 becomes 0.

    Raises:
      InputError: a file is damaged, holds something else, or unpacks to too much.
    """
    return Source(entry.class_names, _read(entry, paths["train"]), _read(entry, paths["test"]))


def _read(entry: Entry, path: Path) -> Split:
    try:
        content = read_matlab(path, {"X", "y"})
        if set(content) != {"X", "y"}:
            raise ValueError("it lacks X or y")
        images, labels = content["X"], content["y"]
    # A damaged file shows itself as struct.error, zlib.error, EOFError, ValueError.
    except Exception as error:
        raise InputError(
            f"cannot read {path}: {error!r}. Expected SVHN's cropped digits with X and y; "
            "fetch the file again"
        ) from error
    if images.ndim != 4 or images.shape[:3] != entry.shape:
        raise InputError(f"{path}: X has shape {images.shape}, expected (32, 32, 3, n)")
    labels = _from_one(labels.ravel(), path)
    images = np.ascontiguousarray(images.transpose(3, 0, 1, 2))
    return as_split(images, labels, len(entry.class_names), str(path))


def _from_one(labels: np.ndarray, path: Path) -> np.ndarray:
    """Returns 1..10 as 1..9 and 0."""
    if labels.dtype.kind not in "iuf" or not np.isin(labels, np.arange(1, 11)).all():
        raise InputError(f"{path}: y holds other things than the labels 1 to 10")
    return labels.astype(np.int32) % 10
