"""Images that are arrays already: scikit-learn's digits and the user's own ``.npz``."""

from pathlib import Path

import numpy as np

from mttjax.datasets.checks import as_split
from mttjax.datasets.dataset import Source, Split, split_off, take
from mttjax.system.errors import InputError
from mttjax.system.npz import read_arrays as read_npz

__all__ = ["MOST_BYTES", "read_arrays", "read_digits"]

MOST_BYTES = 16 * 2**30
"""What the arrays may have together; the whole of ImageNet at 64 x 64 fits."""

_SPELLINGS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("images", "labels", "test_images", "test_labels"),
)


def read_digits() -> Source:
    """The 1,797 digits, [n, 8, 8, 1] uint8; a quarter is the test set, always the same."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    everything = Split(images, bunch.target.astype(np.int32))
    # A constant and no stream of seeds: figures from different seeds must share their test set.
    train, test = split_off(everything.labels, 0.25, np.random.default_rng(0))
    return Source(tuple(map(str, range(10))), take(everything, train), take(everything, test))


def read_arrays(path: Path) -> Source:
    """Reads x_train, y_train, x_test, y_test and, when there, class_names.

    Images are [n, H, W, C] or [n, H, W] uint8, labels [n] integers. The names images,
    labels, test_images, test_labels do as well. Nothing is unpickled.

    Raises:
      InputError: not an ``.npz``, damaged, larger than ``MOST_BYTES``, an array missing or
        not as above, a class number without training images.
    """
    arrays = _read(path)
    keys = next((keys for keys in _SPELLINGS if keys[0] in arrays), _SPELLINGS[0])
    if missing := [key for key in keys if key not in arrays]:
        raise InputError(
            f"{path} has no {', '.join(missing)}; it has {', '.join(sorted(arrays)) or 'nothing'}. "
            f"Expected {', '.join(_SPELLINGS[0])} or {', '.join(_SPELLINGS[1])}"
        )
    names = arrays.get("class_names")
    if names is not None and (names.ndim != 1 or names.dtype.kind != "U"):
        raise InputError(
            f"{path}: class_names is {names.dtype} {names.shape}, expected [K] strings"
        )
    n_classes = None if names is None else len(names)
    train = as_split(arrays[keys[0]], arrays[keys[1]], n_classes, f"{path}: training")
    if names is None:
        present = np.unique(train.labels)
        absent = np.flatnonzero(present != np.arange(len(present)))
        if len(absent):
            raise InputError(
                f"{path}: {keys[1]} goes up to {present[-1]} but class {absent[0]} is empty: "
                "number the classes 0, 1, ... without a gap"
            )
        names = present
    test = as_split(arrays[keys[2]], arrays[keys[3]], len(names), f"{path}: test")
    return Source(tuple(map(str, names)), train, test)


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
