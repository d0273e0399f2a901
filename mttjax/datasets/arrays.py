"""The user's own ``.npz``."""

from pathlib import Path

import numpy as np

from mttjax.datasets.checks import as_split
from mttjax.datasets.dataset import Source
from mttjax.system.errors import InputError
from mttjax.system.npz import read_arrays as read_npz

__all__ = ["MOST_BYTES", "read_arrays"]

MOST_BYTES = 16 * 2**30
"""What the arrays may have together; the whole of ImageNet at 64 x 64 fits."""

_SPELLINGS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("images", "labels", "test_images", "test_labels"),
)


def read_arrays(path: Path) -> Source:
    """Reads x_train, y_train, x_test, y_test and, when there, class_names.

    Images are [n, H, W, C] or [n, H, W] uint8, labels [n] integers. The names images,
    labels, test_images, test_labels do as well. Nothing is unpickled.

    Raises:
      InputError: not an ``.npz``, damaged, larger than ``MOST_BYTES``, an array missing or
        not as above, a class number without training images.
    """
    held = _read(path)
    keys = next((keys for keys in _SPELLINGS if keys[0] in held), _SPELLINGS[0])
    missing = [key for key in keys if key not in held]
    if missing:
        raise InputError(
            f"{path} has no {', '.join(missing)}; it has {', '.join(sorted(held)) or 'nothing'}. "
            f"Expected {', '.join(_SPELLINGS[0])} or {', '.join(_SPELLINGS[1])}"
        )
    names = _class_names(held, path)
    n_classes = None if names is None else len(names)
    train = as_split(held[keys[0]], held[keys[1]], n_classes, f"{path}: training")
    if names is None:
        present = np.unique(train.labels)
        if present[-1] + 1 != len(present):
            absent = int(np.flatnonzero(present != np.arange(len(present)))[0])
            raise InputError(
                f"{path}: {keys[1]} goes up to {present[-1]} but class {absent} is empty: "
                "number the classes 0, 1, ... without a gap"
            )
        names = tuple(str(k) for k in range(len(present)))
    test = as_split(held[keys[2]], held[keys[3]], len(names), f"{path}: test")
    return Source(names, train, test)


def _read(path: Path) -> dict[str, np.ndarray]:
    wanted = {key for keys in _SPELLINGS for key in keys} | {"class_names"}
    try:
        return read_npz(path, only=wanted, most=MOST_BYTES)
    except InputError as error:
        # The reader's own remedy is for files that this package wrote.
        raise InputError(
            f"cannot read {path}: {error.__cause__}. Expected an .npz of plain arrays, as "
            "numpy.savez writes it (object arrays are not read: they could run code)"
        ) from error


def _class_names(held: dict[str, np.ndarray], path: Path) -> tuple[str, ...] | None:
    if "class_names" not in held:
        return None
    names = held["class_names"]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise InputError(
            f"{path}: class_names is {names.dtype} {names.shape}, expected [K] strings"
        )
    return tuple(str(name) for name in names)
